"""Ratios of measurements taken in turn, which hold on a machine whose speed drifts."""

import statistics
from collections.abc import Sequence


def median_ratio(values: Sequence[float], baseline: Sequence[float]) -> float:
    """Median of the ratios of two series that were measured pair by pair."""
    return statistics.median(value / base for value, base in zip(values, baseline, strict=True))
