"""95 % intervals hold the truth about as often as they say, where nearly every question scores the same too."""

import pytest

from tests.statistics.coverage import measure_coverage, measure_false_alarms, settings


def test_where_hardly_anything_is_solved_the_plain_interval_misses_the_truth_and_ours_does_not() -> None:
    found = measure_coverage(30, "apart", 0.01, repeats=100)
    assert found.ours >= 0.97
    assert found.plain_t < 0.6


def test_where_much_is_solved_ours_is_the_plain_interval() -> None:
    found = measure_coverage(30, "alike", 0.3, repeats=100)
    assert found.width == pytest.approx(found.plain_width)
    assert found.ours >= 0.85


def test_a_system_does_not_differ_from_itself() -> None:
    assert measure_false_alarms(30, "apart", 0.3, repeats=60).ours <= 0.15


@pytest.mark.slow
@pytest.mark.parametrize("setting", list(settings()), ids=str)
def test_every_setting(setting: tuple[int, str, float]) -> None:
    coverage, alarms = measure_coverage(*setting, repeats=400), measure_false_alarms(*setting, repeats=400)
    assert coverage.ours >= 0.88
    assert alarms.ours <= 0.09
    assert alarms.permutation <= 0.09
