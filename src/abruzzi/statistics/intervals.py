"""95 % intervals for means of scores and for anything made of such means: clustered t, and the clustered bootstrap.

What is uncertain is which questions were asked and how the samples fell; both are in the spread of the questions' mean
scores. So a question is one observation however often it was sampled: 16 runs of 30 questions are 30 observations.
Questions that share a passage may be grouped; then a group is one observation. A question with more samples than
another weighs the same; its mean is only steadier.

Few questions are the rule here (30 for AIME), and often nearly all of them score 0, or 1, or the same for two systems.
There both methods give an interval that is far too narrow, or none. The rule of this file: where at most
``MAX_RARE`` groups differ from the commonest one, the interval is widened to what the population may hold unseen. The
exact (Clopper–Pearson) limit says how large a share of it may differ from the commonest; those go as far as the groups
that were seen to differ, and the share that zero sightings leave possible goes to the bounds of the scale. 0 of 30
solved gives [0, 0.116], not [0, 0]. With six groups no sign test could call a difference significant before all six
agree, and with fewer it never can: that is where ``MAX_RARE`` comes from.

Sources: Miller 2024, "Adding Error Bars to Evals" (arXiv 2411.00640), for the clustered standard error, here with the
G/(G − 1) correction for few groups and Student's t with G − 1 degrees of freedom; Efron and Tibshirani 1993, chapter
13, for the percentile bootstrap; ``distributions`` for the exact limit. The widening is ours.
"""

from collections.abc import Callable, Hashable, Sequence
from math import inf, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from abruzzi.errors import DataError
from abruzzi.statistics.distributions import LEVEL, largest_share, t_quantile
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.estimators import NOISE

Floats = NDArray[np.float64]
Groups = Sequence[Hashable] | None
"""Which group each question belongs to; None: every question is its own."""
Statistic = Callable[[Floats], Floats]
"""From means (last axis: columns) to values; NaN where it is undefined."""

SCORES = (0.0, 1.0)
"""Bounds of a score."""
DIFFERENCES = (-1.0, 1.0)
"""Bounds of a difference of two scores."""
UNBOUNDED = (-inf, inf)
"""Where nothing limits the values; an interval then has no end where the rule above applies."""
RESAMPLES = 10_000
MAX_RARE = 5
"""Up to so many groups that differ from the commonest one are too few for their spread to say how sure a mean is."""
_BLOCK = 2_000_000
"""Numbers drawn at a time, which bounds the memory."""


def question_means(values_by_question: Sequence[Sequence[float]]) -> Floats:
    """Average the samples of each question, however many it has.

    Raises:
        DataError: there is no question, one has no value, or a value is not finite.
    """
    if not values_by_question:
        raise DataError("there is no question to average over; score at least one")
    if not all(len(values) for values in values_by_question):
        raise DataError("a question without a value has no mean; leave it out and say so")
    means = np.array([np.mean(values) for values in values_by_question], dtype=np.float64)
    if not np.all(np.isfinite(means)):
        raise DataError("a value is infinite or not a number; leave that sample out and say so")
    return means


def clustered_standard_error(means: Sequence[float] | Floats, groups: Groups = None) -> float:
    """Give the standard error of the mean of the questions' means.

    √(G/(G − 1) · Σ over groups of (Σ of their questions' deviations)²) / questions, with G groups; without groups the
    ordinary s/√n.

    Returns:
        The standard error; 0 where all groups are equal and where there is just one, which says nothing: see
        ``clustered_mean`` for an interval that does.

    Source: Miller 2024, arXiv 2411.00640; the factor G/(G − 1) is not in it.
    """
    rows, sizes = _group(np.asarray(means, dtype=np.float64)[:, None], groups)
    if len(rows) < 2:
        return 0.0
    deviations = (rows[:, 0] - np.average(rows[:, 0], weights=sizes)) * sizes
    return float(sqrt(len(rows) / (len(rows) - 1) * np.sum(deviations**2)) / np.sum(sizes))


def clustered_mean(
    values_by_question: Sequence[Sequence[float]], groups: Groups = None, *, bounds: tuple[float, float] = SCORES
) -> Estimate:
    """Estimate the mean over the questions with a t interval that is clustered by question, or by group of questions.

    Args:
        values_by_question: the samples of each question, any number from one on.
        groups: the group of each question, where questions belong together.
        bounds: what a value can be at least and at most; the interval stays within them.

    Raises:
        DataError: no question, one without a value, a value out of bounds, or another number of groups.
    """
    means = question_means(values_by_question)
    least, most = bounds
    for values in values_by_question:
        if min(values) < least - NOISE or max(values) > most + NOISE:
            raise DataError(f"a value lies outside [{least:g}, {most:g}]: {list(values)!r}; give the scale's bounds")
    value = float(np.mean(means))
    rows, _ = _group(means[:, None], groups)
    low = high = value
    if len(rows) > 1:
        half = t_quantile(len(rows) - 1) * clustered_standard_error(means, groups)
        low, high = max(value - half, least), min(value + half, most)
    possible = _unseen(rows, ((least,), (most,)))[:, 0]
    return Estimate(value, float(min([low, *possible])), float(max([high, *possible])))


def bootstrap(
    columns: Sequence[Sequence[float]] | Floats,
    statistic: Statistic,
    groups: Groups = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    extremes: Sequence[Sequence[float]] = (),
    slopes: Sequence[float] | None = None,
) -> Estimate:
    """Estimate a function of means over questions with a percentile interval from resampled questions.

    Means, differences, ratios, gains over several systems: whatever is worked out from means of per-question values.
    All columns of a question stay together, so the comparison is paired.

    Args:
        columns: one row per question, one column per quantity, e.g. the accuracies of three systems.
        statistic: from means of the columns (last axis) to its value, vectorised; NaN where it is undefined.
        groups: the group of each question; whole groups are drawn.
        seed: of the draws; the same seed gives the same interval.
        resamples: how many sets of questions are drawn.
        extremes: rows that are as far out as a question can be, for the rule on rare questions (see the module).
            Without them the interval of a few, nearly equal questions is too narrow.
        slopes: how steeply the statistic follows each column near the data. Questions then count as equal when they
            pull the statistic equally, whatever their values; None: when their values are.

    Returns:
        The estimate. A resample in which the statistic is undefined counts as infinitely low for the lower end and as
        infinitely high for the upper one, so that an end which rests on such resamples is infinite.

    Raises:
        DataError: no rows, rows that are not finite or of unequal length, or a statistic undefined for the data itself.
    """
    table = _table(columns)
    value = float(statistic(np.mean(table, axis=0)))
    if not isfinite(value):
        raise DataError("the statistic is undefined for these questions; leave it out of the table")
    drawn = statistic(resampled_means(table, groups, seed=seed, resamples=resamples))
    possible = statistic(_unseen(_group(table, groups)[0], extremes, slopes))
    low, high = percentile_interval(drawn)
    lows = np.where(np.isnan(possible), -inf, possible)
    highs = np.where(np.isnan(possible), inf, possible)
    return Estimate(value, float(min([low, *lows])), float(max([high, *highs])))


def resampled_means(
    columns: Sequence[Sequence[float]] | Floats, groups: Groups = None, *, seed: int = 0, resamples: int = RESAMPLES
) -> Floats:
    """Draw groups of questions with replacement, as many as there are, and average each column over every draw.

    Returns:
        Means, shape (resamples, columns).
    """
    rows, sizes = _group(_table(columns), groups)
    sums = np.column_stack([rows * sizes[:, None], sizes])
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK // sums.size)
    drawn = [
        sums[random.integers(len(sums), size=(min(block, resamples - start), len(sums)))].sum(axis=1)
        for start in range(0, resamples, block)
    ]
    totals = np.concatenate(drawn)
    return totals[:, :-1] / totals[:, -1:]


def percentile_interval(drawn: Floats) -> tuple[float, float]:
    """Cut the tails off a resampled statistic; undefined draws count against both ends."""
    tail = (1 - LEVEL) / 2 * (len(drawn) - 1)
    lows = np.sort(np.where(np.isnan(drawn), -inf, drawn))
    highs = np.sort(np.where(np.isnan(drawn), inf, drawn))
    return float(lows[int(tail)]), float(highs[-1 - int(tail)])


def clustered_ratio(
    above: Sequence[Sequence[float]],
    below: Sequence[Sequence[float]],
    groups: Groups = None,
    *,
    seed: int = 0,
    extremes: Sequence[tuple[float, float]] = (),
) -> Estimate | None:
    """Estimate a ratio of two means over the same questions, such as tokens per correct answer.

    Args:
        above: samples of the numerator for each question.
        below: samples of the denominator, never negative on average.
        groups: the group of each question.
        seed: of the draws.
        extremes: see ``bootstrap``; pairs (above, below).

    Returns:
        The estimate; None where the denominator is zero, or so nearly that no interval can be given.
    """
    table = np.column_stack([question_means(above), question_means(below)])
    value = float(_ratio(np.mean(table, axis=0)))
    if not isfinite(value):
        return None
    estimate = bootstrap(table, _ratio, groups, seed=seed, extremes=extremes, slopes=(1.0, -value))
    return estimate if isfinite(estimate.low) and isfinite(estimate.high) else None


def clustered_gap_recovered(
    system: Sequence[Sequence[float]],
    pass_1: Sequence[Sequence[float]],
    oracle: Sequence[Sequence[float]],
    groups: Groups = None,
    *,
    seed: int = 0,
) -> Estimate | None:
    """Estimate the share of the gap between one candidate and a perfect choice that a system recovers.

    Args:
        system: scores of the system's answers for each question, in order.
        pass_1: scores of the candidates.
        oracle: the best score among the candidates of each answer.
        groups: the group of each question.
        seed: of the draws.

    Returns:
        The estimate; None where there is no gap, or only on so few questions that its recovery has no finite interval.

    Raises:
        DataError: the three have not the same questions.
    """
    if not len(system) == len(pass_1) == len(oracle):
        raise DataError(f"{len(system)}, {len(pass_1)} and {len(oracle)} questions; give the same ones three times")
    base = question_means(pass_1)
    gained = (question_means(system) - base)[:, None].tolist()
    gap = (question_means(oracle) - base)[:, None].tolist()
    # The worst a question can do is to break what every candidate had right; the best, to find what only one had.
    return clustered_ratio(gained, gap, groups, seed=seed, extremes=((-1.0, 0.0), (1.0, 1.0)))


def _ratio(means: Floats) -> Floats:
    below = means[..., 1]
    return means[..., 0] / np.where(below > NOISE, below, np.nan)


def _table(columns: Sequence[Sequence[float]] | Floats) -> Floats:
    if len({len(row) for row in columns}) != 1:
        raise DataError("give one row of equally many values per question, and at least one question")
    table = np.asarray(columns, dtype=np.float64)
    if not np.all(np.isfinite(table)):
        raise DataError("a value is infinite or not a number; leave that question out and say so")
    return table


def _group(table: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Average the rows of each group; return the averages and how many questions each has."""
    if groups is None:
        return table, np.ones(len(table))
    if len(groups) != len(table):
        raise DataError(f"{len(groups)} groups for {len(table)} questions; give one per question")
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    index = np.array([numbers[group] for group in groups])
    sizes = np.bincount(index).astype(np.float64)
    sums = np.column_stack([np.bincount(index, weights=column) for column in table.T])
    return sums / sizes[:, None], sizes


def _unseen(rows: Floats, extremes: Sequence[Sequence[float]], slopes: Sequence[float] | None = None) -> Floats:
    """Give means that the population may have although these rows were drawn; none where their spread can be trusted.

    Args:
        rows: one per group.
        extremes: rows as far out as a group can be.
        slopes: see ``bootstrap``.
    """
    pulls = rows if slopes is None else rows @ np.asarray(slopes)[:, None]
    _, kinds, counts = np.unique(np.round(pulls, 9), axis=0, return_inverse=True, return_counts=True)
    is_rare = kinds.reshape(-1) != np.argmax(counts)
    num_rare = int(np.sum(is_rare))
    if num_rare > MAX_RARE or (len(rows) > 1 and 2 * num_rare >= len(rows)):
        return np.empty((0, rows.shape[1]))
    common = np.mean(rows[~is_rare], axis=0)
    unseen = largest_share(0, len(rows))
    seen = largest_share(num_rare, len(rows)) - unseen
    means = [
        (1 - unseen - seen) * common + seen * row + unseen * np.asarray(extreme)
        for row in [common, *rows[is_rare]]
        for extreme in extremes
    ]
    return np.array(means).reshape(-1, rows.shape[1])
