"""Counts how often 95 % intervals hold the truth, where the truth is known because we drew the questions ourselves.

    .venv/bin/python -m tests.statistics.coverage

prints the second and third table of ``docs/results/statistics.md``. A question's rate is drawn from a Beta distribution
of the given mean, its 16 samples from that rate: "apart" questions are nearly all always right or always wrong, "alike"
ones all about equally hard.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from abruzzi.statistics.distributions import t_quantile
from abruzzi.statistics.intervals import (
    Floats,
    clustered_mean,
    clustered_standard_error,
    percentile_interval,
    resampled_means,
)
from abruzzi.statistics.paired import paired_bootstrap, paired_difference, paired_t_test, permutation_test

SAMPLES = 16
CONCENTRATIONS = {"apart": 0.3, "alike": 20.0}
"""α + β of the Beta distribution."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the intervals held the true mean."""

    questions: int
    spread: str
    mean: float
    ours: float
    plain_t: float
    bootstrap: float
    width: float
    """Mean width of ours."""
    plain_width: float


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How often a difference was found between two systems that do not differ."""

    questions: int
    spread: str
    mean: float
    ours: float
    plain_t: float
    bootstrap: float
    permutation: float


def _draw(random: np.random.Generator, questions: int, spread: str, mean: float, systems: int) -> list[Floats]:
    total = CONCENTRATIONS[spread]
    rates = random.beta(mean * total, (1 - mean) * total, questions)
    return [random.binomial(SAMPLES, rates) / SAMPLES for _ in range(systems)]


def measure_coverage(questions: int, spread: str, mean: float, *, repeats: int, seed: int = 0) -> Coverage:
    """Draw a benchmark many times and count."""
    random = np.random.default_rng(seed)
    held, widths = np.zeros(3), np.zeros(2)
    for repeat in range(repeats):
        (values,) = _draw(random, questions, spread, mean, 1)
        estimate = clustered_mean(values[:, None].tolist())
        half = t_quantile(questions - 1) * clustered_standard_error(values)
        plain = max(0.0, values.mean() - half), min(1.0, values.mean() + half)
        drawn = percentile_interval(resampled_means(values[:, None], seed=repeat, resamples=500)[:, 0])
        held += [low <= mean <= high for low, high in ((estimate.low, estimate.high), plain, drawn)]
        widths += [estimate.high - estimate.low, plain[1] - plain[0]]
    return Coverage(questions, spread, mean, *map(float, held / repeats), *map(float, widths / repeats))


def measure_false_alarms(questions: int, spread: str, mean: float, *, repeats: int, seed: int = 0) -> FalseAlarms:
    """Compare a system with itself, sampled anew, many times."""
    random = np.random.default_rng(seed)
    alarms = np.zeros(4)
    for repeat in range(repeats):
        first, second = (values[:, None].tolist() for values in _draw(random, questions, spread, mean, 2))
        p = paired_t_test(first, second)
        alarms += [
            paired_difference(first, second).excludes_zero,
            p is not None and p < 0.05,
            paired_bootstrap(first, second, seed=repeat, resamples=500)[0].excludes_zero,
            permutation_test(first, second, seed=repeat, draws=500).value < 0.05,
        ]
    return FalseAlarms(questions, spread, mean, *map(float, alarms / repeats))


def settings() -> Iterator[tuple[int, str, float]]:
    """Give sizes of benchmarks, kinds of questions and true means."""
    for questions in (30, 200):
        for spread in CONCENTRATIONS:
            for mean in (0.002, 0.01, 0.05, 0.3, 0.99):
                yield questions, spread, mean


def main() -> None:
    """Print both tables."""
    write = sys.stdout.write
    write("| questions | they are | true mean | ours | plain t | bootstrap | width, ours | width, plain t |\n")
    write("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
    for setting in settings():
        row = measure_coverage(*setting, repeats=1_000)
        shares = " | ".join(f"{share:.1%}" for share in (row.ours, row.plain_t, row.bootstrap))
        write(f"| {row.questions} | {row.spread} | {row.mean} | {shares} | {row.width:.3f} | {row.plain_width:.3f} |\n")
    write("\n| questions | they are | true mean | t interval, ours | plain t | bootstrap, ours | permutation |\n")
    write("| --- | --- | --- | --- | --- | --- | --- |\n")
    for setting in settings():
        row = measure_false_alarms(*setting, repeats=1_000)
        shares = " | ".join(f"{share:.1%}" for share in (row.ours, row.plain_t, row.bootstrap, row.permutation))
        write(f"| {row.questions} | {row.spread} | {row.mean} | {shares} |\n")


if __name__ == "__main__":
    main()
