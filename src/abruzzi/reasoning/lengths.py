"""How long the next candidate will be, from the lengths of those before it.

A distribution-free bound: of m + 1 exchangeable lengths the last is at most the ⌈q (m + 1)⌉-th smallest of the others
with probability q (split conformal prediction, Vovk et al. 2005). Below nine lengths there is no such rank for q = 0.9:
the longest is then doubled, and nothing at all is known from none. Candidates of one question are more alike than those
of many, so the longest of its own always counts.

Numbers only: nothing of what was said crosses from one question to another.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

MIN_KNOWN = 9
"""Fewest lengths that bound a tenth one at 90 %."""
CAUTION = 2
"""By how much the longest is raised where fewer are known."""
WINDOW = 256
"""Past candidates of a model that are remembered."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """What is expected of the next candidate's length, in generated tokens."""

    p50: int
    p90: int
    """Cautious where few are known."""
    num_own: int
    """Candidates of this question that it rests on."""
    num_past: int
    """Of earlier questions, likewise."""


class History:
    """The lengths of past candidates, a rolling window for each model."""

    def __init__(self, size: int = WINDOW) -> None:
        """Make an empty one.

        Args:
            size: most lengths that are kept of a model; the oldest go first.
        """
        self._size = size
        self._lengths: dict[str, deque[int]] = {}

    def add(self, model: str, lengths: Sequence[int]) -> None:
        """Note the lengths of a finished question's candidates."""
        self._lengths.setdefault(model, deque(maxlen=self._size)).extend(lengths)

    def of(self, model: str) -> tuple[int, ...]:
        """Return a model's lengths, the oldest first."""
        return tuple(self._lengths.get(model, ()))


def expect(own: Sequence[int], past: Sequence[int], limit: int | None) -> Lengths | None:
    """Say how long the next candidate may be.

    Args:
        own: tokens of this question's candidates that ended, truncated ones included.
        past: of earlier questions to the same model; left aside once ``own`` suffices.
        limit: no candidate is longer; None where there is no limit.

    Returns:
        The expectation, within the limit; None when nothing is known.
    """
    if len(own) >= MIN_KNOWN:
        past = ()
    known = sorted((*own, *past))
    if not known:
        return None
    p50 = known[(len(known) - 1) // 2]
    p90 = known[math.ceil(0.9 * (len(known) + 1)) - 1] if len(known) >= MIN_KNOWN else CAUTION * known[-1]
    p90 = max(p90, *own) if own else p90
    if limit is not None:
        p50, p90 = min(p50, limit), min(p90, limit)
    return Lengths(p50=p50, p90=p90, num_own=len(own), num_past=len(past))
