"""The soft penalty on overlong completions: no cliff at the token limit.

A completion that is cut at the limit was perhaps right so far; a sudden bad reward for it is noise. Within a buffer
before the limit the penalty grows evenly from 0 to −1 instead. It is added to the reward, times a factor of the
caller's; whether truncated rollouts are trained on at all is the loss mask's business.

Source: DAPO, arXiv 2503.14476, §3.4.
"""

from abruzzi.errors import ConfigError, DataError


def overlong_penalty(num_tokens: int, *, max_tokens: int, buffer: int) -> float:
    """Work out the penalty of one completion.

    Args:
        num_tokens: generated tokens.
        max_tokens: limit of a completion.
        buffer: tokens before the limit over which the penalty grows; from 1 to ``max_tokens``.

    Returns:
        0 up to ``max_tokens`` − ``buffer``, −1 from ``max_tokens`` on, evenly between.

    Raises:
        ConfigError: the buffer is out of its range.
        DataError: a negative number of tokens.
    """
    if not 1 <= buffer <= max_tokens:
        raise ConfigError(f"the overlong buffer must be from 1 to max_tokens ({max_tokens}), got {buffer!r}")
    if num_tokens < 0:
        raise DataError(f"a completion cannot have {num_tokens} tokens; count them anew")
    return max(-1.0, min(0, max_tokens - buffer - num_tokens) / buffer)
