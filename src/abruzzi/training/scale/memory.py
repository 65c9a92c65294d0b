"""What training keeps in each GPU's memory, on paper.

All data-parallel ranks shard the model (FSDP2, or ZeRO-3: arXiv 1910.02054), every layer is recomputed in the backward
pass (arXiv 1604.06174), attention is fused and stores no scores (arXiv 2205.14135). With P parameters, G GPUs, L
layers, h hidden, q and k the widths of queries and keys, i the MLP's, V the vocabulary, and T tokens in a GPU's
micro-batch:

    weights        4 P / G             float32; FSDP2 computes in bfloat16 copies
    gradients      4 P / G             float32
    optimiser      8 P / G             Adam's two moments; ZeRO-3 splits 16 bytes as 2 + 2 + 12, to the same sum
    gathered       2 (2 layers + head) + 2 (1 layer + head): bfloat16 weights of the layer at work, of the one fetched
                   ahead and of the head, and gradients of one layer and the head on their way to their shards
    checkpoints    2 L T h             the input of each layer
    working        T (2 (3h + 3q + 3k + 7i) + 8h): one layer's own tensors while it is recomputed and differentiated:
                   norms' outputs and the residual (3h), queries twice, keys twice, values, attention's output
                   (3q + 3k), gate, up, activation and product (4i), gradients of three of these (3i), and the two
                   norms' float32 copies of their inputs
    logits         10 V per token      bfloat16, float32 and their gradient, of the tokens whose loss is computed at
                   once

A sequence shared by s GPUs has T / s tokens on each. What the count leaves out (CUDA's context, NCCL's buffers,
fragmentation) is given a tenth of the memory: an estimate above 90 % does not fit. It is unmeasured: no GPU was at
hand. Published check of its size: K2-Think's run put 2 x 32,768 tokens on each GPU, with fused MLP kernels (which
store and recompute less); the count says that on 80 GB it does not fit without them.
"""

from dataclasses import dataclass, fields

from abruzzi.capacity.gpus import Gpu
from abruzzi.capacity.shapes import ModelShape

USABLE = 0.9
"""Share of the memory that the estimate may fill."""


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """Bytes on each GPU at the fullest moment, the start of the backward pass."""

    weights: float
    gradients: float
    optimiser: float
    gathered: float
    checkpoints: float
    working: float
    logits: float

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(getattr(self, field.name) for field in fields(self)))

    def fits(self, gpu: Gpu) -> bool:
        """Tell whether it leaves the tenth that the count does not cover."""
        return self.total <= USABLE * gpu.memory_bytes


def training_memory(shape: ModelShape, *, num_gpus: int, tokens: int, logit_tokens: int) -> TrainingMemory:
    """Count what training keeps on each GPU.

    Args:
        shape: the model.
        num_gpus: that share its weights, gradients and optimiser state.
        tokens: in the micro-batch of each GPU.
        logit_tokens: whose logits are there at once; as many as ``tokens`` where the loss is not cut into chunks.
    """
    share = shape.num_parameters / num_gpus
    layer, head = shape.layer_parameters, shape.head_parameters
    return TrainingMemory(
        weights=4 * share,
        gradients=4 * share,
        optimiser=8 * share,
        gathered=2 * (2 * layer + head) + 2 * (layer + head),
        checkpoints=2 * shape.layers * tokens * shape.hidden,
        working=tokens * layer_bytes_per_token(shape),
        logits=10 * shape.vocabulary * logit_tokens,
    )


def layer_bytes_per_token(shape: ModelShape) -> int:
    """Count the bytes per token of one layer that is being differentiated."""
    attention = 3 * (shape.query_width + shape.kv_width)
    return 2 * (3 * shape.hidden + attention + 7 * shape.intermediate) + 8 * shape.hidden


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """Bytes on each GPU while the engine samples."""

    weights: float
    """Of the engine, in 16 bits."""
    cache: float
    """Keys and values."""
    trainer: float
    """Shards that the trainer leaves there."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.cache + self.trainer

    def fits(self, gpu: Gpu) -> bool:
        """Tell whether there is room for a cache, and for all together."""
        return self.cache > 0 and self.total <= gpu.memory_bytes


def engine_memory(
    shape: ModelShape, gpu: Gpu, *, tensor_parallel: int, share: float, num_gpus: int, offload: bool
) -> EngineMemory:
    """Count what sampling keeps on each GPU.

    Args:
        shape: the model.
        gpu: its memory.
        tensor_parallel: GPUs that hold one copy of the engine.
        share: of the memory that is the engine's; what its weights leave becomes cache.
        num_gpus: that share the trainer's state, 16 bytes per parameter.
        offload: that state waits in the hosts' memory.
    """
    weights = 2 * shape.num_parameters / tensor_parallel
    trainer = 0.0 if offload else 16 * shape.num_parameters / num_gpus
    return EngineMemory(weights=weights, cache=share * gpu.memory_bytes - weights, trainer=trainer)
