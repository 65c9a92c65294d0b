"""What a server keeps in each card's memory, and how many sequences that leaves room for. Pure arithmetic.

With P parameters of b bytes, L layers, h hidden, heads of d numbers, k key-value heads, i the MLP's width, V the
vocabulary, t cards that share each layer, and c bytes of a cached number:

    weights     b P / t + b L 2 h d (k' − k / t)     k' = max(1, k / t): heads too few to share out are repeated
    KV          2 L k' d c                           a token's keys and values on each card (arXiv 2305.13245)
    workspace   2 T (4h + (2 q + 2 kv + 3 i) / t) + 8 V S / t + 1 GiB
                of a step of T tokens: the residual, norms, projections and the MLP in 16 bits, reused from layer to
                layer; logits of S sequences in 32 bits with a copy for the sampler; captured graphs and buffers
    sequence    C + D tokens                         its whole context, and the draft on its way

The key-value term is exact for the dense decoders that a shape describes. The workspace is an estimate of its size and
no more: no server was measured. An engine profiles its own at start-up and takes what is left as cache, so that an
estimate that is off moves the number of sequences, not whether they are correct.

Not counted: multi-latent and sliding-window attention (shapes here have neither), adapters, images.
"""

from dataclasses import dataclass

from abruzzi.launch.choices import KvCache, Weights
from abruzzi.launch.facts import GIB, ModelShape

GRAPH_BYTES = 1.0 * GIB
"""Captured graphs, workspaces of kernels and of the links between cards; an assumption."""


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """Bytes on each card of one replica."""

    card: float
    usable: float
    """What the engine is told it may fill."""
    weights: float
    draft_weights: float
    workspace: float
    kv_per_token: float
    """Of the model and its draft together."""
    tokens_per_sequence: int

    @property
    def kv(self) -> float:
        """What is left for keys and values; negative where nothing is."""
        return self.usable - self.weights - self.draft_weights - self.workspace

    @property
    def kv_tokens(self) -> int:
        """Tokens that the cache holds."""
        return max(0, int(self.kv // self.kv_per_token))

    @property
    def sequences(self) -> int:
        """Sequences that run side by side to the end of their context; shared prefixes leave room for more."""
        return self.kv_tokens // self.tokens_per_sequence


def kv_heads_per_card(shape: ModelShape, tensor_parallel: int) -> int:
    """Count the key-value heads that each card holds: at least one, repeated where there are more cards than heads."""
    return max(1, shape.kv_heads // tensor_parallel)


def weight_bytes(shape: ModelShape, tensor_parallel: int, weights: Weights) -> float:
    """Count the bytes of the weights on each card."""
    repeated = kv_heads_per_card(shape, tensor_parallel) - shape.kv_heads / tensor_parallel
    extra = 2 * shape.layers * shape.hidden * shape.head_dim * repeated
    return weights.bytes_each * (shape.num_parameters / tensor_parallel + extra)


def kv_bytes(shape: ModelShape, tensor_parallel: int, cache: KvCache) -> float:
    """Count the bytes of one token's keys and values on each card."""
    width = kv_heads_per_card(shape, tensor_parallel) * shape.head_dim
    return 2.0 * shape.layers * width * cache.bytes_each


def workspace_bytes(shape: ModelShape, tensor_parallel: int, *, step_tokens: int, sequences: int) -> float:
    """Estimate the bytes of a step's tensors on each card.

    Args:
        shape: the model.
        tensor_parallel: cards that share each layer.
        step_tokens: most tokens of one step.
        sequences: most sequences of one step, each with a row of logits.
    """
    split = 2 * shape.query_width + 2 * shape.kv_width + 3 * shape.intermediate
    layer = 2 * step_tokens * (4 * shape.hidden + split / tensor_parallel)
    return layer + 8.0 * shape.vocabulary * sequences / tensor_parallel + GRAPH_BYTES


def eagle_bytes(shape: ModelShape, tensor_parallel: int) -> float:
    """Estimate the bytes of an EAGLE-3 head's weights on each card, in 16 bits.

    One layer of the model's own size, whose attention reads twice the width, a projection of three hidden states to
    one, and a head over a vocabulary that is at most the model's; the embedding is the model's own (arXiv 2503.01840).
    """
    wider = shape.hidden * (shape.query_width + 2 * shape.kv_width)
    parameters = shape.layer_parameters + wider + 3 * shape.hidden**2 + shape.head_parameters
    return 2 * parameters / tensor_parallel
