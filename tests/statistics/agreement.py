"""Holds our statistics against independent implementations on 200 random tables, and the intervals against truth.

    .venv/bin/python -m tests.statistics.agreement

prints the tables of ``docs/results/statistics.md``. The other side is SciPy, inspect_ai, or the published formula in
exact fractions; never our own code.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from itertools import combinations, product
from math import comb, sqrt
from typing import Any

import numpy as np

from abruzzi.statistics.averages import macro_average, micro_average, micro_estimate
from abruzzi.statistics.distributions import largest_share, t_quantile
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.estimators import best_at_k, majority_at_k, pass_at_k
from abruzzi.statistics.intervals import (
    MAX_RARE,
    Floats,
    bootstrap,
    clustered_mean,
    clustered_standard_error,
    percentile_interval,
    resampled_means,
)
from abruzzi.statistics.paired import (
    holm,
    paired_bootstrap,
    paired_difference,
    paired_t_test,
    permutation_test,
)

NUM_TABLES = 200
EXACT = 1e-9
"""Two exact methods may differ by rounding."""
RESAMPLED = 0.2
"""Two bootstraps of 10,000 draws may differ by so many standard errors at an end, at worst of all tables."""


@dataclass(frozen=True, slots=True)
class Table:
    """Two systems on the same questions."""

    first: list[list[float]]
    """Question → scores of its samples, equally many for each question."""
    second: list[list[float]]
    clusters: list[list[int | None]]
    """Of the first system's answers."""
    groups: list[int]
    """Question → passage."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The largest deviation of ours from another implementation."""

    what: str
    against: str
    num_compared: int
    deviation: float
    unit: str
    tolerance: float


def random_tables() -> list[Table]:
    """Draw tables of 2 to 60 questions with 1 to 24 samples, from nearly always wrong to nearly always right."""
    random = np.random.default_rng(20_261_125)
    tables: list[Table] = []
    for _ in range(NUM_TABLES):
        questions, samples = int(random.integers(2, 61)), int(random.integers(1, 25))
        rates = random.beta(random.uniform(0.2, 3), random.uniform(0.2, 3), questions)
        gains = np.clip(rates + random.normal(0, 0.2, questions), 0, 1)
        credit = (0.0, 1.0) if random.random() < 0.7 else (0.0, 0.25, 0.5, 1.0)

        def score(rate: float, samples: int = samples, credit: Sequence[float] = credit) -> list[float]:
            return [float(random.choice(credit[1:])) if random.random() < rate else 0.0 for _ in range(samples)]

        labels = [[int(label) if label else None for label in random.integers(0, 5, samples)] for _ in range(questions)]
        groups = sorted(int(group) for group in random.integers(0, max(2, questions // 3), questions))
        tables.append(Table([score(rate) for rate in rates], [score(rate) for rate in gains], labels, groups))
    return tables


def means(scores: list[list[float]]) -> Floats:
    """Average each question."""
    return np.array([sum(values) / len(values) for values in scores])


def _worst(what: str, against: str, pairs: Iterator[tuple[float, float]], tolerance: float = EXACT) -> Agreement:
    deviations = [abs(ours - theirs) for ours, theirs in pairs]
    return Agreement(what, against, len(deviations), max(deviations), "", tolerance)


# Point estimators.


def _questions(tables: list[Table]) -> Iterator[tuple[int, int, int]]:
    """Give samples, correct samples and k of every question of every table."""
    for table in tables:
        for scores in table.first:
            for k in range(1, len(scores) + 1):
                yield len(scores), sum(score == 1 for score in scores), k


def compare_pass_with_binomials(tables: list[Table]) -> Agreement:
    """Chen et al.'s formula in exact fractions."""
    pairs = (
        (pass_at_k(n, c, k), float(1 - Fraction(comb(n - c, k), comb(n, k)))) for n, c, k in set(_questions(tables))
    )
    return _worst("pass@k", "1 − C(n−c, k)/C(n, k) in fractions", pairs)


def compare_pass_with_inspect(tables: list[Table]) -> Agreement:
    """inspect_ai's reducer."""
    scorer: Any = import_module("inspect_ai.scorer")

    def theirs(n: int, c: int, k: int) -> float:
        return scorer.pass_at(k)([scorer.Score(value=value) for value in [1.0] * c + [0.0] * (n - c)]).as_float()

    pairs = ((pass_at_k(*nck), theirs(*nck)) for nck in set(_questions(tables)))
    return _worst("pass@k", "inspect_ai `pass_at`", pairs)


def compare_best_with_draws(tables: list[Table]) -> Agreement:
    """The mean of the maximum over every draw."""

    def theirs(scores: list[float], k: int) -> float:
        draws = [max(draw) for draw in combinations(scores, k)]
        return sum(draws) / len(draws)

    cut = [table.first[0][:8] for table in tables]
    pairs = ((best_at_k(scores, k), theirs(scores, k)) for scores in cut for k in range(1, len(scores) + 1))
    return _worst("best@k", "maximum of every draw", pairs)


def compare_majority_with_draws(tables: list[Table]) -> Agreement:
    """A vote in every draw."""

    def theirs(clusters: list[int | None], scores: list[float], k: int) -> float:
        total = 0.0
        for draw in combinations(range(len(scores)), k):
            votes = [clusters[i] for i in draw if clusters[i] is not None]
            winners = {v for v in votes if votes.count(v) == max(map(votes.count, votes))}
            for winner in winners:
                members = [score for score, cluster in zip(scores, clusters, strict=True) if cluster == winner]
                total += sum(members) / len(members) / len(winners)
        return total / comb(len(scores), k)

    cut = [(table.clusters[0][:8], table.first[0][:8]) for table in tables]
    pairs = ((majority_at_k(*row, k), theirs(*row, k)) for row in cut for k in range(1, len(row[0]) + 1))
    return _worst("majority@k", "a vote in every draw", pairs)


# Standard errors and t intervals.


def _plain_error(values: Floats, groups: list[int]) -> float:
    mean, total = sum(values) / len(values), 0.0
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            if groups[i] == groups[j]:
                total += (one - mean) * (other - mean)
    num_groups = len(set(groups))
    return sqrt(total * num_groups / (num_groups - 1)) / len(values)


def _grouped(tables: list[Table]) -> Iterator[tuple[Floats, list[int]]]:
    for table in tables:
        if len(set(table.groups)) > 1:
            yield means(table.first), table.groups


def compare_error_with_loop(tables: list[Table]) -> Agreement:
    """Miller's double sum, with the correction for few groups."""
    pairs = (
        (clustered_standard_error(values, groups), _plain_error(values, groups)) for values, groups in _grouped(tables)
    )
    return _worst("clustered standard error", "double sum in plain Python", pairs)


def _inspect_scores(values: Sequence[float] | Floats, clusters: Sequence[int]) -> list[Any]:
    scorer: Any = import_module("inspect_ai.scorer")
    return [
        scorer.SampleScore(score=scorer.Score(value=float(value)), sample_id=i, sample_metadata={"cluster": cluster})
        for i, (value, cluster) in enumerate(zip(values, clusters, strict=True))
    ]


def compare_error_with_inspect(tables: list[Table]) -> Agreement:
    """inspect_ai's clustered error, over questions by passage and over samples by question."""
    scorer: Any = import_module("inspect_ai.scorer")
    theirs: Callable[[list[Any]], float] = scorer.stderr(cluster="cluster")

    def pairs() -> Iterator[tuple[float, float]]:
        for values, groups in _grouped(tables):
            yield clustered_standard_error(values, groups), theirs(_inspect_scores(values, groups))
        for table in tables:
            samples = [(score, i) for i, scores in enumerate(table.first) for score in scores]
            scores = _inspect_scores([score for score, _ in samples], [i for _, i in samples])
            yield clustered_standard_error(means(table.first)), theirs(scores)

    return _worst("clustered standard error", "inspect_ai `stderr(cluster=…)`", pairs())


def compare_error_with_scipy(tables: list[Table]) -> Agreement:
    """SciPy's standard error of the mean."""
    stats: Any = import_module("scipy.stats")
    pairs = ((clustered_standard_error(means(t.first)), float(stats.sem(means(t.first)))) for t in tables)
    return _worst("standard error", "scipy `sem`", pairs)


def _has_spread(values: Floats) -> bool:
    """True where the rule on rare questions leaves the t interval as it is."""
    _, counts = np.unique(values, return_counts=True)
    return len(values) - counts.max() > MAX_RARE


def _ends(estimate: Estimate) -> tuple[float, float]:
    return estimate.low, estimate.high


def _clip(low: float, high: float) -> tuple[float, float]:
    return max(0.0, low), min(1.0, high)


def compare_interval_with_scipy(tables: list[Table]) -> Agreement:
    """SciPy's t interval, cut at 0 and 1."""
    stats: Any = import_module("scipy.stats")

    def pairs() -> Iterator[tuple[float, float]]:
        for table in tables:
            values = means(table.first)
            if _has_spread(values):
                theirs = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
                yield from zip(_ends(clustered_mean(table.first)), _clip(*theirs), strict=True)

    return _worst("t interval", "scipy `t.interval`", pairs())


def compare_interval_with_inspect(tables: list[Table]) -> Agreement:
    """inspect_ai's clustered t interval, cut at 0 and 1."""
    scorer: Any = import_module("inspect_ai.scorer")
    theirs: Any = scorer.ci(cluster="cluster")

    def pairs() -> Iterator[tuple[float, float]]:
        for table in tables:
            values = means(table.first)
            rows = np.array([values[np.array(table.groups) == group].mean() for group in sorted(set(table.groups))])
            if _has_spread(rows):
                interval = theirs(_inspect_scores(values, table.groups))
                ours = clustered_mean(table.first, table.groups)
                yield from zip(_ends(ours), _clip(interval["lower"], interval["upper"]), strict=True)

    return _worst("clustered t interval", "inspect_ai `ci(cluster=…)`", pairs())


def compare_quantiles(_: list[Table]) -> Agreement:
    """SciPy's t quantile."""
    stats: Any = import_module("scipy.stats")
    pairs = ((t_quantile(df), float(stats.t.ppf(0.975, df))) for df in [*range(1, 61), *range(100, 2_001, 100)])
    return _worst("t quantile", "scipy `t.ppf`", pairs)


def compare_limits(_: list[Table]) -> Agreement:
    """SciPy's exact binomial interval."""
    stats: Any = import_module("scipy.stats")
    cases = [(seen, drawn) for drawn in (1, 2, 7, 30, 173, 500) for seen in range(min(MAX_RARE, drawn) + 1)]
    pairs = ((largest_share(*case), float(stats.binomtest(*case).proportion_ci().high)) for case in cases)
    return _worst("limit of a rare share", "scipy `binomtest(…).proportion_ci`", pairs)


# The bootstrap. Two of them differ by their draws, so the unit is the standard error.


def _resampled(
    what: str,
    tables: list[Table],
    ours: Callable[[Floats], tuple[float, float]],
    statistic: Callable[..., Floats],
    num_columns: int = 2,
) -> Agreement:
    """Compare ends of intervals on every table with more than a few different questions."""
    stats: Any = import_module("scipy.stats")
    deviations: list[float] = []
    for table in tables:
        data = np.column_stack([means(table.first), means(table.second)])[:, :num_columns]
        if len(np.unique(data, axis=0)) < 8:
            continue
        theirs = stats.bootstrap(
            tuple(data.T),
            statistic,
            paired=True,
            vectorized=True,
            method="percentile",
            n_resamples=10_000,
            rng=1,
            batch=1_000,
        )
        ends = zip(ours(data), theirs.confidence_interval, strict=True)
        deviations += [float(abs(our - their) / theirs.standard_error) for our, their in ends]
    return Agreement(what, "scipy `bootstrap`", len(deviations), max(deviations), "standard errors", RESAMPLED)


def compare_bootstrap_of_mean(tables: list[Table]) -> Agreement:
    """A mean."""

    def ours(data: Floats) -> tuple[float, float]:
        return percentile_interval(resampled_means(data)[:, 0])

    def mean(x: Floats, axis: int) -> Floats:
        return np.mean(x, axis=axis)

    return _resampled("bootstrap of a mean", tables, ours, mean, 1)


def compare_bootstrap_of_ratio(tables: list[Table]) -> Agreement:
    """A ratio, with a constant below so that it is always defined."""

    def ours(data: Floats) -> tuple[float, float]:
        return _ends(bootstrap(data, lambda m: m[..., 0] / (0.1 + m[..., 0] + m[..., 1])))

    def ratio(x: Floats, y: Floats, axis: int) -> Floats:
        above: Floats = np.mean(x, axis=axis)
        return above / (0.1 + above + np.mean(y, axis=axis))

    return _resampled("bootstrap of a ratio", tables, ours, ratio)


def compare_paired_bootstrap(tables: list[Table]) -> Agreement:
    """A paired difference."""

    def ours(data: Floats) -> tuple[float, float]:
        return _ends(paired_bootstrap(data[:, :1].tolist(), data[:, 1:].tolist())[0])

    def difference(x: Floats, y: Floats, axis: int) -> Floats:
        return np.mean(x, axis=axis) - np.mean(y, axis=axis)

    return _resampled("paired bootstrap", tables, ours, difference)


# Paired tests.


def _differing(tables: list[Table]) -> Iterator[Table]:
    for table in tables:
        if len(np.unique(np.round(means(table.first) - means(table.second), 9))) > 1:
            yield table


def compare_t_test(tables: list[Table]) -> Agreement:
    """SciPy's paired t test."""
    stats: Any = import_module("scipy.stats")
    pairs = (
        (paired_t_test(t.first, t.second) or 0.0, float(stats.ttest_rel(means(t.first), means(t.second)).pvalue))
        for t in _differing(tables)
    )
    return _worst("paired t test, p", "scipy `ttest_rel`", pairs)


def compare_paired_interval(tables: list[Table]) -> Agreement:
    """SciPy's interval of the paired t test."""
    stats: Any = import_module("scipy.stats")

    def pairs() -> Iterator[tuple[float, float]]:
        for table in tables:
            if _has_spread(np.round(means(table.first) - means(table.second), 9)):
                theirs = stats.ttest_rel(means(table.first), means(table.second)).confidence_interval()
                yield from zip(_ends(paired_difference(table.first, table.second)), theirs, strict=True)

    return _worst("paired difference, t interval", "scipy `ttest_rel`", pairs())


def _scipy_permutation(first: list[list[float]], second: list[list[float]], resamples: float) -> float:
    """Ask SciPy, in whole numbers: given fractions, it tells sums apart that differ by rounding alone."""
    stats: Any = import_module("scipy.stats")

    def total(x: Floats, axis: int) -> Floats:
        return np.sum(x, axis=axis)

    result = stats.permutation_test(
        (np.round((means(first) - means(second)) * 4 * len(first[0])),),
        total,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=1,
        batch=2_000,
    )
    return float(result.pvalue)


def compare_exact_permutations(tables: list[Table]) -> Agreement:
    """SciPy's exact permutation test on the first questions of each table."""
    cut = [(table.first[:9], table.second[:9]) for table in tables]
    pairs = ((permutation_test(*both).value, _scipy_permutation(*both, np.inf)) for both in cut)
    return _worst("permutation test, exact, p", "scipy `permutation_test`", pairs)


def compare_sampled_permutations(tables: list[Table]) -> Agreement:
    """SciPy's sampled permutation test."""
    pairs = (
        (permutation_test(t.first, t.second).value, _scipy_permutation(t.first, t.second, 9_999))
        for t in tables
        if len(t.first) > 20
    )
    # 10,000 draws have a standard error of up to 0.005; SciPy doubles one tail, and so its own error.
    return _worst("permutation test, sampled, p", "scipy `permutation_test`", pairs, 0.04)


def compare_holm(tables: list[Table]) -> Agreement:
    """The closed test that Holm's steps are a short cut for: all sets of hypotheses, each by Bonferroni."""
    random = np.random.default_rng(2)

    def theirs(values: list[float], i: int) -> float:
        sets = (s for s in product((False, True), repeat=len(values)) if s[i])
        chosen = ([p for p, taken in zip(values, s, strict=True) if taken] for s in sets)
        return max(min(1.0, len(ps) * min(ps)) for ps in chosen)

    lists = [list(map(float, random.random(random.integers(1, 7)) ** 3)) for _ in tables]
    pairs = ((holm(values)[i], theirs(values, i)) for values in lists for i in range(len(values)))
    return _worst("Holm", "closed testing over all subsets", pairs)


def compare_averages(tables: list[Table]) -> Agreement:
    """NumPy's weighted average, and a symmetric interval's root of summed squares."""
    random = np.random.default_rng(3)

    def pairs() -> Iterator[tuple[float, float]]:
        for _ in tables:
            num = int(random.integers(1, 8))
            values, sizes, halves = random.random(num), random.integers(1, 500, num), random.random(num) * 0.1
            named = {str(i): float(value) for i, value in enumerate(values)}
            counts = {str(i): int(size) for i, size in enumerate(sizes)}
            yield micro_average(named, counts), float(np.average(values, weights=sizes))
            yield macro_average(named), float(np.mean(values))
            estimates = {name: Estimate(v, v - halves[int(name)], v + halves[int(name)]) for name, v in named.items()}
            half = float(np.sqrt(np.sum((sizes / sizes.sum() * halves) ** 2)))
            yield micro_estimate(estimates, counts).high, float(np.average(values, weights=sizes)) + half

    return _worst("micro and macro average", "numpy `average`, `mean`", pairs())


COMPARISONS: tuple[Callable[[list[Table]], Agreement], ...] = (
    compare_pass_with_binomials,
    compare_pass_with_inspect,
    compare_best_with_draws,
    compare_majority_with_draws,
    compare_error_with_loop,
    compare_error_with_inspect,
    compare_error_with_scipy,
    compare_interval_with_scipy,
    compare_interval_with_inspect,
    compare_quantiles,
    compare_limits,
    compare_bootstrap_of_mean,
    compare_bootstrap_of_ratio,
    compare_paired_bootstrap,
    compare_t_test,
    compare_paired_interval,
    compare_exact_permutations,
    compare_sampled_permutations,
    compare_holm,
    compare_averages,
)


def main() -> None:
    """Print the table."""
    tables = random_tables()
    write = sys.stdout.write
    write("| ours | against | compared | largest deviation | allowed |\n| --- | --- | --- | --- | --- |\n")
    for compare in COMPARISONS:
        row = compare(tables)
        unit = f" {row.unit}" if row.unit else ""
        write(f"| {row.what} | {row.against} | {row.num_compared} | {row.deviation:.1e}{unit} | {row.tolerance:g} |\n")


if __name__ == "__main__":
    main()
