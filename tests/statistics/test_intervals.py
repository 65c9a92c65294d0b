"""Clustered intervals: the arithmetic by hand, and what few or nearly equal questions leave open."""

from math import inf, isinf, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import DataError
from abruzzi.statistics.intervals import (
    UNBOUNDED,
    Floats,
    bootstrap,
    clustered_gap_recovered,
    clustered_mean,
    clustered_ratio,
    clustered_standard_error,
    percentile_interval,
    resampled_means,
)

T3 = 3.182446305  # Student's t, 97.5 %, three degrees of freedom


def singles(*values: float) -> list[list[float]]:
    return [[value] for value in values]


def test_the_standard_error_of_four_questions() -> None:
    # s² = 4 · 0.25 / 3 = 1/3, over four questions.
    assert clustered_standard_error([1, 0, 0, 1]) == pytest.approx(sqrt(1 / 12))


def test_questions_that_go_together_are_one_observation() -> None:
    # Deviations add up to +1 and −1: √(2/1 · 2)/4, as for the two observations 1 and 0.
    assert clustered_standard_error([1, 1, 0, 0], ["a", "a", "b", "b"]) == pytest.approx(0.5)
    assert clustered_standard_error([1, 0]) == pytest.approx(0.5)


def test_groups_of_unequal_size() -> None:
    # Mean 0.5; group sums of deviations +1.5 − 0.5 = 1 for a (1, 1, 1, 0) and −1 for b (0, 0): √(2 · 2)/6.
    assert clustered_standard_error([1, 1, 1, 0, 0, 0], "aaaabb") == pytest.approx(2 / 6)


def test_the_interval_is_students() -> None:
    estimate = clustered_mean(singles(1, 0, 0, 1), bounds=(-2, 2))
    assert estimate.value == 0.5
    assert estimate.high - 0.5 == pytest.approx(T3 * sqrt(1 / 12))
    assert 0.5 - estimate.low == pytest.approx(T3 * sqrt(1 / 12))


def test_the_interval_of_a_score_stays_between_0_and_1() -> None:
    assert clustered_mean(singles(1, 0, 0, 1)) == clustered_mean(singles(0, 1, 1, 0))
    estimate = clustered_mean(singles(1, 0, 0, 1))
    assert (estimate.low, estimate.high) == (0, 1)


def test_more_samples_of_a_question_are_no_more_questions() -> None:
    few, many = clustered_mean([[1, 0], [0, 0], [1, 1]]), clustered_mean([[1, 0] * 50, [0, 0], [1, 1]])
    assert few == many


def test_none_of_thirty_solved_is_not_certainty() -> None:
    estimate = clustered_mean([[0] * 16] * 30)
    assert (estimate.value, estimate.low) == (0, 0)
    assert estimate.high == pytest.approx(1 - 0.025 ** (1 / 30))


def test_all_of_thirty_solved_is_not_certainty() -> None:
    estimate = clustered_mean([[1] * 16] * 30)
    assert (estimate.value, estimate.high) == (1, 1)
    assert estimate.low == pytest.approx(0.025 ** (1 / 30))


def test_one_lucky_sample_does_not_narrow_the_interval() -> None:
    none = clustered_mean([[0] * 16] * 30)
    one = clustered_mean([[0] * 16] * 29 + [[1] + [0] * 15])
    assert none.high < one.high < none.high + 0.01


def test_right_and_wrong_alone_give_the_exact_limit() -> None:
    # Clopper and Pearson for 1 of 10: at most 0.4450.
    assert clustered_mean(singles(1, *[0] * 9)).high == pytest.approx(0.4450, abs=5e-5)


def test_equal_scores_between_the_bounds_leave_both_sides_open() -> None:
    share = 1 - 0.025 ** (1 / 30)
    estimate = clustered_mean([[0.5]] * 30)
    assert estimate.low == pytest.approx(0.5 * (1 - share))
    assert estimate.high == pytest.approx(0.5 + 0.5 * share)


def test_a_single_question_says_next_to_nothing() -> None:
    estimate = clustered_mean([[1] * 16])
    assert estimate.low == pytest.approx(0.025)
    estimate = clustered_mean([[1, 1], [1, 0]], ["one", "one"])
    assert estimate.low < 0.05
    assert estimate.high > 0.95


def test_with_six_questions_apart_the_spread_is_trusted() -> None:
    six = clustered_mean(singles(*[1] * 6, *[0] * 24))
    assert six.low == pytest.approx(0.2 - 2.045230 * sqrt(0.2 * 0.8 / 29), abs=1e-6)


@pytest.mark.parametrize("num_apart", [0, 1, 2, 3, 4, 5])
def test_fewer_than_six_questions_apart_are_never_a_difference(num_apart: int) -> None:
    estimate = clustered_mean(singles(*[1] * num_apart, *[0] * 194), bounds=(-1, 1))
    assert not estimate.excludes_zero


def test_what_has_no_bounds_has_no_limit() -> None:
    estimate = clustered_mean([[250.0]] * 30, bounds=(0, inf))
    assert estimate.low == pytest.approx(250 * 0.025 ** (1 / 30))
    assert isinf(estimate.high)
    spread = clustered_mean(singles(100, 200, 300), bounds=UNBOUNDED)
    assert spread.high == pytest.approx(200 + 4.302653 * 100 / sqrt(3), rel=1e-6)


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=4), min_size=1, max_size=12))
def test_an_interval_has_a_width_holds_its_value_and_keeps_its_bounds(table: list[list[float]]) -> None:
    estimate = clustered_mean(table)
    assert 0 <= estimate.low <= estimate.value + 1e-12
    assert estimate.value - 1e-12 <= estimate.high <= 1
    assert estimate.high > estimate.low


@pytest.mark.parametrize(
    ("table", "match"),
    [([], "no question"), ([[1.0], []], "without a value"), ([[1.5]], "outside"), ([[float("nan")]], "not a number")],
)
def test_unusable_values_are_refused(table: list[list[float]], match: str) -> None:
    with pytest.raises(DataError, match=match):
        clustered_mean(table)


def test_groups_must_belong_to_the_questions() -> None:
    with pytest.raises(DataError, match="1 groups for 2"):
        clustered_mean(singles(1, 0), ["a"])


def first(means: Floats) -> Floats:
    return means[..., 0]


def test_the_bootstrap_of_two_questions() -> None:
    # Draws of two from (0, 1): mean 0 a quarter of the time, 1 a quarter, so both tails reach the ends.
    estimate = bootstrap(singles(0, 1), first)
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0, 1)
    drawn = resampled_means(singles(0, 1), resamples=40_000)[:, 0]
    assert np.mean(drawn == 0.5) == pytest.approx(0.5, abs=0.01)


def test_whole_groups_are_drawn() -> None:
    drawn = resampled_means(singles(1, 1, 0), ["a", "a", "b"])[:, 0]
    assert {round(float(mean), 9) for mean in drawn} == {0.0, round(2 / 3, 9), 1.0}


def test_the_seed_decides() -> None:
    table = singles(*np.random.default_rng(5).random(40))
    assert bootstrap(table, first, seed=1) == bootstrap(table, first, seed=1)
    assert bootstrap(table, first, seed=1) != bootstrap(table, first, seed=2)


def test_columns_of_a_question_stay_together() -> None:
    table = [[x, x + 0.25] for x in np.random.default_rng(0).random(30)]
    estimate = bootstrap(table, lambda means: means[..., 1] - means[..., 0])
    assert estimate.high - estimate.low < 1e-9


def test_tails_of_a_hundred_and_one_draws() -> None:
    assert percentile_interval(np.arange(101.0)) == (2.0, 98.0)


def test_undefined_draws_open_both_ends() -> None:
    drawn = np.array([np.nan] * 10 + list(range(91)))
    assert percentile_interval(drawn) == (-inf, inf)
    assert percentile_interval(np.array([np.nan] * 2 + list(range(99)))) == (0.0, 98.0)


def test_a_statistic_that_the_data_do_not_define_is_refused() -> None:
    with pytest.raises(DataError, match="undefined"):
        bootstrap(singles(0, 0), lambda means: means[..., 0] * np.nan)
    with pytest.raises(DataError, match="equally many"):
        bootstrap([[1.0], [1.0, 2.0]], first)


def test_a_ratio_of_means() -> None:
    # 600 tokens for two correct answers in three questions.
    estimate = clustered_ratio(singles(100, 200, 300), singles(1, 0, 1))
    assert estimate is None  # one resample in 27 holds no correct answer: the upper end is infinite
    estimate = clustered_ratio(singles(*[100, 200, 300] * 10), singles(*[1, 0, 1] * 10))
    assert estimate is not None
    assert estimate.value == pytest.approx(300)
    assert 200 < estimate.low < 300 < estimate.high < 500
    assert clustered_ratio(singles(1), singles(0)) is None


def test_gap_recovered_with_its_interval() -> None:
    # A choice between a right and a wrong candidate on 40 questions, right on 30: (0.75 − 0.5)/(1 − 0.5).
    system = singles(*[1] * 30, *[0] * 10)
    estimate = clustered_gap_recovered(system, [[1, 0]] * 40, [[1]] * 40)
    assert estimate is not None
    assert estimate.value == pytest.approx(0.5)
    # Twice the accuracy's own interval, about 0.75 ± 0.134.
    assert estimate.low == pytest.approx(0.5 - 2 * 0.134, abs=0.06)
    assert estimate.high == pytest.approx(0.5 + 2 * 0.134, abs=0.06)


def test_a_perfect_choice_on_thirty_questions_is_not_certainly_perfect() -> None:
    estimate = clustered_gap_recovered([[1]] * 30, [[1, 0]] * 30, [[1]] * 30)
    assert estimate is not None
    assert (estimate.value, estimate.high) == (1, 1)
    # One unseen question in nine, broken: (0.884 · 0.5 − 0.116)/(0.884 · 0.5).
    assert estimate.low == pytest.approx(1 - 0.11570 / (0.88430 * 0.5), abs=1e-4)


def test_a_gap_on_a_few_questions_only_has_no_interval() -> None:
    assert (
        clustered_gap_recovered(singles(*[0] * 28, 1, 1), [*[[0]] * 28, [1, 0], [1, 0]], singles(*[0] * 28, 1, 1))
        is None
    )
    assert clustered_gap_recovered(singles(1, 0), singles(1, 0), singles(1, 0)) is None


def test_the_three_parts_of_a_gap_have_the_same_questions() -> None:
    with pytest.raises(DataError, match="2, 1 and 1"):
        clustered_gap_recovered(singles(1, 0), singles(1), singles(1))
