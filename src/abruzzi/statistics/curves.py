"""Curves over k for a whole benchmark: pass@k, best@k and majority@k, each with an interval clustered by question.

The questions' own values come from ``estimators``, the intervals from ``intervals``.
"""

from collections.abc import Callable, Mapping, Sequence

from abruzzi.errors import DataError
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.estimators import NOISE, best_at_k, majority_at_k, pass_at_k
from abruzzi.statistics.intervals import Groups, clustered_mean

MIN_COVERAGE = 0.95
"""A point stands where at least this share of the questions has k samples; the others are left out of it."""

Scores = Mapping[str, Sequence[float]]
"""Question → the scores of its samples, each in [0, 1]."""
Clusters = Mapping[str, Sequence[int | None]]
"""Question → the cluster of each sample's answer, in the order of its scores; None for a sample without an answer."""


def powers_of_two(largest: int) -> tuple[int, ...]:
    """Give 1, 2, 4, … and ``largest`` itself."""
    powers = [1 << power for power in range(largest.bit_length()) if 1 << power < largest]
    return (*powers, largest) if largest > 0 else ()


def pass_curve(scores: Scores, groups: Groups = None) -> dict[int, Estimate]:
    """Give unbiased pass@k for k = 1, 2, 4, … up to the number of samples; correct is a score of 1.

    Raises:
        DataError: there is no question, or one without a sample.
    """

    def value(question: str, k: int) -> float:
        correct = sum(score >= 1 - NOISE for score in scores[question])
        return pass_at_k(len(scores[question]), correct, k)

    return _curve(scores, value, groups)


def best_curve(scores: Scores, groups: Groups = None) -> dict[int, Estimate]:
    """Give the expected best score of k samples for k = 1, 2, 4, … up to the number of samples.

    Raises:
        DataError: there is no question, or one without a sample.
    """
    return _curve(scores, lambda question, k: best_at_k(scores[question], k), groups)


def majority_curve(clusters: Clusters, scores: Scores, groups: Groups = None) -> dict[int, Estimate]:
    """Give the expected score of a majority among k samples for k = 1, 2, 4, … up to the number of samples.

    Raises:
        DataError: there is no question, one without a sample, or clusters that do not belong to the scores.
    """
    return _curve(scores, lambda question, k: majority_at_k(clusters[question], scores[question], k), groups)


def _curve(scores: Scores, value: Callable[[str, int], float], groups: Groups) -> dict[int, Estimate]:
    if not scores or not all(len(samples) for samples in scores.values()):
        raise DataError("give at least one question, and no question without a sample")
    counts = sorted(len(samples) for samples in scores.values())
    most = max(n for n in counts if sum(count >= n for count in counts) >= MIN_COVERAGE * len(counts))
    curve: dict[int, Estimate] = {}
    for k in powers_of_two(most):
        kept = [(index, question) for index, question in enumerate(scores) if len(scores[question]) >= k]
        chosen = None if groups is None else [groups[index] for index, _ in kept]
        curve[k] = clustered_mean([(value(question, k),) for _, question in kept], chosen)
    return curve
