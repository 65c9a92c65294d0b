"""Prefill and decode as work for the roofline: the two passes that all of serving is made of.

Prefill computes a prompt in chunks. Only its last token goes through the head. A token attends to all before it: to
the c cached ones and, within p computed ones, to half of them on average. Its end gives the first token: seconds of
prefill are the time to first token where nothing waits in a queue.

Decode gives every sequence one position a pass, or k + 1 where k drafted tokens are verified: arithmetic grows with
positions, reading does not. A pass of a completion's middle stands for all of them: every term is linear in the
context, so this is exact where one term binds throughout.

Not counted: prefills of others that a decoding sequence waits for, and the unevenness of a batch's lengths.
"""

from math import ceil

from abruzzi.capacity.replica import Replica
from abruzzi.capacity.roofline import PassTime, Work, time_pass

ACTIVATION_BYTES = 2


def decode_pass(replica: Replica, *, sequences: int, context_tokens: float, positions: int = 1) -> PassTime:
    """Time one pass of decoding.

    Args:
        replica: the model on its machine.
        sequences: side by side.
        context_tokens: that each attends to.
        positions: of each in the pass; 1 without speculation.
    """
    shape, tokens = replica.shape, sequences * positions
    work = Work(
        sequences=sequences,
        matrix_flops=2.0 * shape.active_parameters * tokens,
        attention_flops=4.0 * shape.layers * shape.query_width * context_tokens * tokens,
        weight_bytes=replica.read_bytes,
        cache_bytes=sequences * context_tokens * replica.cache_bytes_per_token,
        message_bytes=float(tokens * shape.hidden * ACTIVATION_BYTES),
        layers=shape.layers,
    )
    return time_pass(work, replica.machine)


def prefill_passes(replica: Replica, *, tokens: int, cached_tokens: int = 0) -> list[PassTime]:
    """Time the passes of a prompt, chunk by chunk.

    Args:
        replica: the model on its machine.
        tokens: to be computed.
        cached_tokens: before them, whose keys and values are there.
    """
    chunks = ceil(tokens / replica.chunk_tokens)
    passes: list[PassTime] = []
    for chunk in range(chunks):
        start = chunk * replica.chunk_tokens
        size = min(replica.chunk_tokens, tokens - start)
        work = _chunk_work(replica, size, cached_tokens + start, is_last=chunk == chunks - 1)
        passes.append(time_pass(work, replica.machine))
    return passes


def prefill_seconds(replica: Replica, *, tokens: int, cached_tokens: int = 0) -> float:
    """Time a prompt; the time to its first token."""
    return sum(one.seconds for one in prefill_passes(replica, tokens=tokens, cached_tokens=cached_tokens))


def _chunk_work(replica: Replica, size: int, past: int, *, is_last: bool) -> Work:
    shape = replica.shape
    body = shape.active_parameters - shape.head_parameters
    head = shape.head_parameters if is_last else 0
    return Work(
        sequences=1 if replica.machine.layout == "tensor" else size,  # a prompt's tokens fill a pipeline too
        matrix_flops=2.0 * (body * size + head),
        attention_flops=4.0 * shape.layers * shape.query_width * size * (past + size / 2),
        weight_bytes=replica.read_bytes,
        cache_bytes=past * replica.cache_bytes_per_token,
        message_bytes=float(size * shape.hidden * ACTIVATION_BYTES),
        layers=shape.layers,
    )
