"""Ratios of measurements taken in turn, which hold on a machine whose speed drifts.

A ratio is the median over pairs that were measured side by side; its interval is the percentile bootstrap of that
median over the pairs (Efron and Tibshirani 1993, chapter 13). Of five pairs it reaches about from the lowest to the
highest: it says how far the pairs spread, and with so few covers the truth less often than 95 times in 100.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from abruzzi.errors import DataError


class Verdict(StrEnum):
    """Whether a ratio keeps its goal."""

    MET = "met"
    """The whole interval does."""
    OPEN = "open"
    """The goal lies within the interval."""
    MISSED = "missed"
    """None of the interval does."""
    NO_GOAL = ""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of a bench: what ours takes as a multiple of what another way takes, in the same run."""

    name: str
    """What is compared with what, and in which unit."""
    value: float
    low: float
    high: float
    num_pairs: int
    goal: float | None = None
    """At most this; None where none was set."""

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is kept."""
        if self.goal is None:
            return Verdict.NO_GOAL
        if self.high <= self.goal:
            return Verdict.MET
        return Verdict.MISSED if self.low > self.goal else Verdict.OPEN

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``json.dumps``."""
        return {
            "name": self.name,
            "ratio": self.value,
            "low": self.low,
            "high": self.high,
            "pairs": self.num_pairs,
            "goal": self.goal,
            "verdict": self.verdict.value,
        }

    def to_row(self) -> dict[str, str]:
        """The columns of a table."""
        return {
            "ratio of": self.name,
            "median": f"{self.value:.2f}",
            "95 %": f"[{self.low:.2f}, {self.high:.2f}]",
            "pairs": str(self.num_pairs),
            "goal": "" if self.goal is None else f"≤ {self.goal:g}",
            "": self.verdict.value,
        }


def median_ratio(values: Sequence[float], baseline: Sequence[float]) -> float:
    """Median of the ratios of two series that were measured pair by pair."""
    return statistics.median(value / base for value, base in zip(values, baseline, strict=True))


def estimate_ratio(
    name: str, values: Sequence[float], baseline: Sequence[float], *, goal: float | None = None, seed: int = 0
) -> Ratio:
    """Estimate a ratio of two series that were measured pair by pair.

    Args:
        name: see ``Ratio``.
        values: ours.
        baseline: the other way's.
        goal: see ``Ratio``.
        seed: of the bootstrap's draws.

    Raises:
        DataError: there is no pair, or the other way took no time that could be measured.
    """
    if not baseline or min(baseline) <= 0:
        raise DataError(f"no ratio for {name}: {list(baseline)!r} is below it; measure longer work, with more tokens")
    import numpy as np

    from abruzzi.statistics.intervals import RESAMPLES, percentile_interval

    ratios = np.array([value / base for value, base in zip(values, baseline, strict=True)])
    draws = np.random.default_rng(seed).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    low, high = percentile_interval(np.median(ratios[draws], axis=1))
    return Ratio(name, median_ratio(values, baseline), low, high, len(ratios), goal)
