"""How long a step takes, on paper: operations ÷ speed for updates, bytes ÷ bandwidth for sampling.

Updates. A token costs 6 operations per parameter that it is multiplied by, 2 forward and 4 backward, and
12 · layers · q for each token that it attends to (arXiv 2001.08361, §2.1; arXiv 2204.02311, appendix B). Recomputation
does work on top that model FLOPs utilisation does not count, so the utilisation to expect is lower with it.

Sampling. One decoding step of a batch reads the weights once and each sequence's cache once, or is held up by its
arithmetic, 2 operations per parameter and token; the slower of the two counts (arXiv 2211.05102, §2). Bandwidth and
arithmetic are reached to a share only (``ENGINE_SHARE``, assumed). Sequences take turns in the places that the cache
has; the phase ends when the last does, so that it takes no less than one completion of full length takes alone.

Not counted: loading, checkpoints, evaluation, moving weights into the engine, verification (it runs on the hosts'
processors while others still sample), stragglers and failed nodes. It is unmeasured.
"""

from dataclasses import dataclass
from math import ceil

from abruzzi.capacity.gpus import Gpu
from abruzzi.capacity.shapes import ModelShape

ENGINE_SHARE = 0.6
"""Of a GPU's bandwidth and peak that decoding reaches; assumed."""
MAX_PLACES = 256
"""Sequences that one copy of an engine decodes side by side at most; verl's default."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The rollouts of one step."""

    places: int
    """Sequences that a copy of the engine decodes side by side."""
    cache_tokens: int
    """Tokens that a copy's cache holds."""
    step_s: float
    """One decoding step with all places taken."""
    bulk_s: float
    """All sequences, if they were of mean length."""
    tail_s: float
    """One completion of full length alone: the phase takes no less."""

    @property
    def seconds(self) -> float:
        """Of the phase."""
        return max(self.bulk_s, self.tail_s)


def training_flops(shape: ModelShape, *, tokens: float, attended_tokens: float) -> float:
    """Count the operations of an update: forward and backward, without recomputation.

    Args:
        shape: the model.
        tokens: in the update.
        attended_tokens: that a token attends to, on average; half the length in a causal sequence.
    """
    return tokens * (6 * shape.active_parameters + 12 * shape.layers * shape.query_width * attended_tokens)


def training_seconds(flops: float, gpu: Gpu, *, num_gpus: int, mfu: float) -> float:
    """Divide operations by speed.

    Args:
        flops: model FLOPs; a third of an update's where only the forward pass runs.
        gpu: its peak.
        num_gpus: that share the work.
        mfu: share of the peak that is reached, in (0, 1].
    """
    return flops / (num_gpus * gpu.flops * mfu)


def decode_seconds(shape: ModelShape, gpu: Gpu, *, tensor_parallel: int, places: int, context_tokens: float) -> float:
    """Estimate one decoding step: a token for each place.

    Args:
        shape: the model.
        gpu: its bandwidth and peak.
        tensor_parallel: GPUs that share the work.
        places: sequences in the batch.
        context_tokens: that each attends to, on average.
    """
    read_bytes = 2 * shape.num_parameters + places * context_tokens * shape.kv_bytes_per_token
    attention = 4 * shape.layers * shape.query_width * context_tokens
    flops = places * (2 * shape.active_parameters + attention)
    reach = tensor_parallel * ENGINE_SHARE
    return max(read_bytes / (reach * gpu.bandwidth), flops / (reach * gpu.flops))


def estimate_sampling(
    shape: ModelShape,
    gpu: Gpu,
    *,
    num_copies: int,
    tensor_parallel: int,
    cache_bytes: float,
    num_sequences: int,
    prompt_tokens: float,
    mean_tokens: float,
    max_tokens: int,
) -> Sampling:
    """Estimate the rollouts of one step.

    Args:
        shape: the model.
        gpu: its bandwidth and peak.
        num_copies: of the engine.
        tensor_parallel: GPUs of each copy.
        cache_bytes: for keys and values on each of its GPUs; enough for one sequence.
        num_sequences: rollouts of the step.
        prompt_tokens: mean, computed once per group and not counted.
        mean_tokens: mean length of a completion.
        max_tokens: its limit.
    """
    cache_tokens = int(tensor_parallel * cache_bytes / shape.kv_bytes_per_token)
    per_copy = ceil(num_sequences / num_copies)
    context = prompt_tokens + mean_tokens / 2
    places = max(1, min(per_copy, MAX_PLACES, int(cache_tokens / context)))
    step_s = decode_seconds(shape, gpu, tensor_parallel=tensor_parallel, places=places, context_tokens=context)
    alone_s = decode_seconds(
        shape, gpu, tensor_parallel=tensor_parallel, places=1, context_tokens=prompt_tokens + max_tokens / 2
    )
    return Sampling(
        places=places,
        cache_tokens=cache_tokens,
        step_s=step_s,
        bulk_s=per_copy / places * mean_tokens * step_s,
        tail_s=max_tokens * alone_s,
    )
