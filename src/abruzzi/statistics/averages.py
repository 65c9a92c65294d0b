"""Averages over benchmarks: micro, macro, each with a benchmark left out, and the ranks that follow.

A micro average weighs by the number of items, so that one large set can speak for all: of K2-Think's four maths sets
one carries two thirds. A macro average weighs every set the same. Neither is right; a claim that needs one of them, or
one set, should be seen to need it. So they are given side by side.

Source of the intervals: Zou and Donner 2008, Statistics in Medicine 27 (recovering variances from limits), which adds
up the squared distances from value to limit, side by side, and so keeps intervals that are not symmetric. Benchmarks
are taken as independent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Generic, Literal, TypeVar

from abruzzi.errors import DataError
from abruzzi.statistics.estimate import Estimate

Number = TypeVar("Number", float, Estimate)
Average = Literal["micro", "macro"]


@dataclass(frozen=True, slots=True)
class Averages(Generic[Number]):
    """Both averages over all benchmarks but one, or over all."""

    left_out: str | None
    """The benchmark that is missing; None when none is."""
    micro: Number
    macro: Number


def micro_average(values: Mapping[str, float], sizes: Mapping[str, int]) -> float:
    """Average over benchmarks, each weighing as many as it has items.

    Raises:
        DataError: no benchmark, or one without a positive size.
    """
    return _weigh(values, _micro_weights(values, sizes))


def macro_average(values: Mapping[str, float]) -> float:
    """Average over benchmarks, all weighing the same.

    Raises:
        DataError: no benchmark.
    """
    return _weigh(values, _macro_weights(values))


def micro_estimate(estimates: Mapping[str, Estimate], sizes: Mapping[str, int]) -> Estimate:
    """Give the micro average with its interval.

    Raises:
        DataError: no benchmark, or one without a positive size.
    """
    return _combine(estimates, _micro_weights(estimates, sizes))


def macro_estimate(estimates: Mapping[str, Estimate]) -> Estimate:
    """Give the macro average with its interval.

    Raises:
        DataError: no benchmark.
    """
    return _combine(estimates, _macro_weights(estimates))


def leave_one_out(values: Mapping[str, float], sizes: Mapping[str, int]) -> tuple[Averages[float], ...]:
    """Give both averages over all benchmarks, then with each left out in turn; a single benchmark is never left out.

    Raises:
        DataError: no benchmark, or one without a positive size.
    """
    return tuple(
        Averages(left_out, micro_average(kept, sizes), macro_average(kept)) for left_out, kept in _leave_out(values)
    )


def leave_one_out_estimates(
    estimates: Mapping[str, Estimate], sizes: Mapping[str, int]
) -> tuple[Averages[Estimate], ...]:
    """Give what ``leave_one_out`` gives, with intervals.

    Raises:
        DataError: no benchmark, or one without a positive size.
    """
    return tuple(
        Averages(left_out, micro_estimate(kept, sizes), macro_estimate(kept))
        for left_out, kept in _leave_out(estimates)
    )


def ranks(
    systems: Mapping[str, Mapping[str, float]], sizes: Mapping[str, int], average: Average = "micro"
) -> dict[str | None, dict[str, int]]:
    """Rank systems by an average over all benchmarks, and with each left out.

    Args:
        systems: system → benchmark → value, higher is better; the same benchmarks for all.
        sizes: benchmark → number of items.
        average: which of the two.

    Returns:
        The benchmark left out (None: none) → system → rank from 1; equal averages share the better rank.

    Raises:
        DataError: the systems were not all measured on the same benchmarks, or there is none.
    """
    benchmarks = dict.fromkeys(name for values in systems.values() for name in values)
    missing = [name for name in benchmarks if not all(name in values for values in systems.values())]
    if missing or not benchmarks:
        raise DataError(f"not every system was measured on {', '.join(missing) or 'anything'}; rank over the others")
    averages = {
        system: {row.left_out: getattr(row, average) for row in leave_one_out(values, sizes)}
        for system, values in systems.items()
    }
    return {
        left_out: {
            system: 1 + sum(_beats(other[left_out], own[left_out]) for other in averages.values())
            for system, own in averages.items()
        }
        for left_out in next(iter(averages.values()))
    }


def _beats(one: float, other: float) -> bool:
    return one - other > 1e-9 * max(abs(one), abs(other))


def _leave_out(values: Mapping[str, Number]) -> list[tuple[str | None, dict[str, Number]]]:
    names: list[str | None] = [None, *(values if len(values) > 1 else ())]
    return [(left, {name: value for name, value in values.items() if name != left}) for left in names]


def _micro_weights(names: Mapping[str, float] | Mapping[str, Estimate], sizes: Mapping[str, int]) -> dict[str, float]:
    for name in names:
        if sizes.get(name, 0) <= 0:
            raise DataError(f"{name!r} has no number of items to weigh it by; give a positive one")
    total = sum(sizes[name] for name in names)
    return {name: sizes[name] / total for name in names}


def _macro_weights(names: Mapping[str, float] | Mapping[str, Estimate]) -> dict[str, float]:
    return {name: 1 / len(names) for name in names}


def _weigh(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    if not values:
        raise DataError("there is no benchmark to average over; give at least one")
    return sum(weights[name] * value for name, value in values.items())


def _combine(estimates: Mapping[str, Estimate], weights: Mapping[str, float]) -> Estimate:
    value = _weigh({name: estimate.value for name, estimate in estimates.items()}, weights)
    below = sqrt(sum((weights[name] * (estimate.value - estimate.low)) ** 2 for name, estimate in estimates.items()))
    above = sqrt(sum((weights[name] * (estimate.high - estimate.value)) ** 2 for name, estimate in estimates.items()))
    return Estimate(value, value - below, value + above)
