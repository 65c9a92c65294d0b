"""Ratios are medians of pairs, their intervals spread as the pairs do, and a goal is met by the whole interval."""

import pytest

from abruzzi.cli.ratios import Ratio, Verdict, estimate_ratio, median_ratio
from abruzzi.errors import DataError


def test_ratios_are_taken_pair_by_pair() -> None:
    assert median_ratio([2.0, 30.0, 4.0], [1.0, 10.0, 4.0]) == 2.0


def test_an_estimate_is_the_median_with_the_spread_of_its_pairs() -> None:
    found = estimate_ratio("a / b", [1.0, 2.0, 3.0, 4.0, 5.0], [10.0] * 5)
    assert found.value == pytest.approx(0.3)
    # The median of five draws is the lowest of all with probability 5.8 %, so both ends reach the extremes.
    assert (found.low, found.high) == pytest.approx((0.1, 0.5))
    assert found.num_pairs == 5


def test_an_interval_narrows_with_more_pairs_and_holds_the_true_ratio() -> None:
    values = [1.0 + 0.01 * (number % 11) for number in range(200)]
    found = estimate_ratio("a / b", values, [2.0] * 200)
    assert 0.5 < found.low <= 0.525 <= found.high < 0.55
    assert found.high - found.low < 0.02


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [(0.5, Verdict.MET), (0.4, Verdict.OPEN), (0.3, Verdict.OPEN), (0.29, Verdict.MISSED), (None, Verdict.NO_GOAL)],
)
def test_a_goal_is_met_where_the_whole_interval_meets_it(goal: float | None, verdict: Verdict) -> None:
    assert Ratio("a / b", 0.4, 0.3, 0.5, 5, goal).verdict is verdict


def test_what_took_no_time_divides_nothing() -> None:
    with pytest.raises(DataError, match="more tokens"):
        estimate_ratio("a / b", [1.0], [0.0])
    with pytest.raises(DataError):
        estimate_ratio("a / b", [], [])


def test_a_ratio_tells_all_of_itself() -> None:
    ratio = Ratio("a / b", 0.4, 0.3, 0.5, 5, 0.6)
    assert ratio.to_json() == {
        "name": "a / b",
        "ratio": 0.4,
        "low": 0.3,
        "high": 0.5,
        "pairs": 5,
        "goal": 0.6,
        "verdict": "met",
    }
    assert list(ratio.to_row().values()) == ["a / b", "0.40", "[0.30, 0.50]", "5", "≤ 0.6", "met"]
