"""Paired comparisons: two systems on the same questions, where most of the noise is shared and falls away.

Three views of one difference: a t interval, the bootstrap, and a permutation test that assumes nothing but that the
two systems could change places. With few questions, trust the last. Many comparisons at once need ``holm``.

Sources: Miller 2024 (arXiv 2411.00640) for pairing; Efron and Tibshirani 1993, chapters 15 and 16; Holm 1979,
Scandinavian Journal of Statistics 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abruzzi.errors import DataError
from abruzzi.statistics.distributions import t_mass
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.estimators import NOISE
from abruzzi.statistics.intervals import (
    DIFFERENCES,
    RESAMPLES,
    Floats,
    Groups,
    bootstrap,
    clustered_mean,
    clustered_standard_error,
    question_means,
    resampled_means,
)

MAX_EXACT = 20
"""Up to so many questions that differ, all 2ⁿ changes of sign are tried."""
_BLOCK = 2_000_000


@dataclass(frozen=True, slots=True)
class PValue:
    """How often chance alone would show a difference at least as large, either way."""

    value: float
    is_exact: bool
    """False when it was estimated from random draws."""


def paired_difference(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    groups: Groups = None,
    *,
    bounds: tuple[float, float] = DIFFERENCES,
) -> Estimate:
    """Estimate by how much the first system scores higher than the second on the same questions.

    Args:
        first: samples of each question; their number may differ from the second's.
        second: samples of the same questions in the same order.
        groups: the group of each question, where questions belong together.
        bounds: what a difference can be at least and at most.

    Returns:
        Mean difference with a t interval over the questions' differences; the rules of ``clustered_mean`` hold.

    Raises:
        DataError: not the same number of questions, or a question without a value.
    """
    return clustered_mean([(float(d),) for d in _differences(first, second)], groups, bounds=bounds)


def paired_t_test(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], groups: Groups = None
) -> float | None:
    """Give the p value of the paired t test over questions (or groups).

    Returns:
        Two-sided; None where all differences are equal, so that they have no spread to be measured by.
    """
    differences = _differences(first, second)
    error = clustered_standard_error(differences, groups)
    if error <= NOISE:
        return None
    num_groups = len(differences) if groups is None else len(set(groups))
    return 1 - t_mass(abs(float(np.mean(differences))) / error, num_groups - 1)


def paired_bootstrap(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    groups: Groups = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] = DIFFERENCES,
) -> tuple[Estimate, PValue]:
    """Estimate the difference by resampling questions, both systems' samples together.

    Returns:
        The difference with its percentile interval, and twice the share of resamples in which it is zero or points the
        other way, one added above and below the fraction so that no p value is 0.
    """
    differences = _differences(first, second)[:, None]
    drawn = resampled_means(differences, groups, seed=seed, resamples=resamples)[:, 0]
    estimate = bootstrap(
        differences,
        lambda means: means[..., 0],
        groups,
        seed=seed,
        resamples=resamples,
        extremes=[[bound] for bound in bounds],
    )
    fewer = min(int(np.sum(drawn <= NOISE)), int(np.sum(drawn >= -NOISE)))
    return estimate, PValue(min(1.0, 2 * (1 + fewer) / (1 + resamples)), is_exact=False)


def permutation_test(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    groups: Groups = None,
    *,
    seed: int = 0,
    draws: int = RESAMPLES,
) -> PValue:
    """Test whether two systems differ by letting them change places question by question (or group by group).

    Returns:
        The share of all 2ⁿ changes of sign whose mean difference is at least as far from zero as the one observed;
        questions without a difference change nothing and are not counted in n. Beyond ``MAX_EXACT`` the share of
        random changes instead, the observed one among them.
    """
    differences = _differences(first, second)
    if groups is not None:
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        differences = np.bincount([numbers[group] for group in groups], weights=differences)
    differences = differences[np.abs(differences) > NOISE]
    # Sums that are equal in exact arithmetic must not be told apart by rounding.
    observed = abs(float(np.sum(differences))) - NOISE
    if len(differences) <= MAX_EXACT:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return PValue(float(np.mean(np.abs(sums) >= observed)), is_exact=True)
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // len(differences))
    hits = 0
    for start in range(0, draws, block):
        signs = random.choice((-1.0, 1.0), size=(min(block, draws - start), len(differences)))
        hits += int(np.sum(np.abs(signs @ differences) >= observed))
    return PValue((1 + hits) / (1 + draws), is_exact=False)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p values of several comparisons so that the chance of any false discovery stays at its level.

    The i-th smallest of m is multiplied by m − i + 1, and none falls below a smaller one's.

    Returns:
        Adjusted values in the order given.

    Raises:
        DataError: a p value is not in [0, 1].
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise DataError(f"{p!r} is no p value; give numbers from 0 to 1")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def _differences(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> Floats:
    if len(first) != len(second):
        raise DataError(f"{len(first)} questions against {len(second)}; compare on those that both systems answered")
    return question_means(first) - question_means(second)
