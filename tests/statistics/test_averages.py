"""Averages over benchmarks, by hand."""

from math import sqrt

import pytest

from abruzzi.errors import DataError
from abruzzi.statistics.averages import (
    leave_one_out,
    leave_one_out_estimates,
    macro_average,
    macro_estimate,
    micro_average,
    micro_estimate,
    ranks,
)
from abruzzi.statistics.estimate import Estimate

SIZES = {"small": 10, "large": 30}


def test_a_micro_average_weighs_by_items_and_a_macro_average_does_not() -> None:
    values = {"small": 0.5, "large": 0.1}
    assert micro_average(values, SIZES) == pytest.approx((10 * 0.5 + 30 * 0.1) / 40)
    assert macro_average(values) == pytest.approx(0.3)


def test_intervals_add_up_in_squares_on_each_side() -> None:
    estimates = {"small": Estimate(0.5, 0.4, 0.7), "large": Estimate(0.1, 0.1, 0.2)}
    micro = micro_estimate(estimates, SIZES)
    assert micro.value == pytest.approx(0.2)
    assert micro.low == pytest.approx(0.2 - 0.25 * 0.1)
    assert micro.high == pytest.approx(0.2 + sqrt((0.25 * 0.2) ** 2 + (0.75 * 0.1) ** 2))
    macro = macro_estimate(estimates)
    assert macro.high == pytest.approx(0.3 + sqrt(0.1**2 + 0.05**2))


def test_one_benchmark_is_its_own_average() -> None:
    estimate = Estimate(0.5, 0.4, 0.7)
    micro = micro_estimate({"small": estimate}, SIZES)
    assert (micro.value, micro.low, micro.high) == pytest.approx((0.5, 0.4, 0.7))


def test_each_benchmark_is_left_out_in_turn() -> None:
    rows = leave_one_out({"small": 0.5, "large": 0.1}, SIZES)
    assert [(row.left_out, pytest.approx(row.micro), pytest.approx(row.macro)) for row in rows] == [
        (None, 0.2, 0.3),
        ("small", 0.1, 0.1),
        ("large", 0.5, 0.5),
    ]
    estimates = {"small": Estimate(0.5, 0.4, 0.7), "large": Estimate(0.1, 0.1, 0.2)}
    left_out = leave_one_out_estimates(estimates, SIZES)
    assert [row.micro.value for row in left_out] == pytest.approx([row.micro for row in rows])
    assert (left_out[2].macro.low, left_out[2].macro.high) == pytest.approx((0.4, 0.7))


def test_the_only_benchmark_is_never_left_out() -> None:
    assert [row.left_out for row in leave_one_out({"small": 0.5}, SIZES)] == [None]


def test_a_lead_that_rests_on_one_benchmark_shows() -> None:
    systems = {"ours": {"small": 0.1, "large": 0.9}, "theirs": {"small": 0.8, "large": 0.8}}
    assert ranks(systems, SIZES) == {
        None: {"ours": 2, "theirs": 1},
        "small": {"ours": 1, "theirs": 2},
        "large": {"ours": 2, "theirs": 1},
    }
    systems["theirs"]["large"] = 0.6
    assert ranks(systems, SIZES)[None] == {"ours": 1, "theirs": 2}
    assert ranks(systems, SIZES, "macro")[None] == {"ours": 2, "theirs": 1}


def test_equal_averages_share_the_better_rank() -> None:
    systems = {"a": {"small": 0.1 + 0.2}, "b": {"small": 0.3}, "c": {"small": 0.2}}
    assert ranks(systems, SIZES)[None] == {"a": 1, "b": 1, "c": 3}


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(DataError, match="'unknown' has no number of items"):
        micro_average({"unknown": 0.5}, SIZES)
    with pytest.raises(DataError, match="no benchmark"):
        macro_average({})
    with pytest.raises(DataError, match="not every system was measured on large"):
        ranks({"a": {"small": 0.5, "large": 0.1}, "b": {"small": 0.5}}, SIZES)
    with pytest.raises(DataError, match="anything"):
        ranks({}, SIZES)
