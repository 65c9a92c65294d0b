"""Curves over k."""

import pytest

from abruzzi.errors import DataError
from abruzzi.statistics.curves import best_curve, majority_curve, pass_curve, powers_of_two
from abruzzi.statistics.intervals import clustered_mean


def test_powers_and_the_number_of_samples() -> None:
    assert powers_of_two(16) == (1, 2, 4, 8, 16)
    assert powers_of_two(12) == (1, 2, 4, 8, 12)
    assert powers_of_two(1) == (1,)
    assert powers_of_two(0) == ()


def test_pass_at_k_over_questions() -> None:
    # Two correct of four: 1 − C(2, k)/C(4, k) = 1/2, 5/6, 1; none of four: 0.
    curve = pass_curve({"a": [1, 1, 0, 0], "b": [0, 0, 0, 0]})
    assert {k: estimate.value for k, estimate in curve.items()} == pytest.approx({1: 1 / 4, 2: 5 / 12, 4: 1 / 2})
    assert curve[2].high == pytest.approx(clustered_mean([[5 / 6], [0.0]]).high)


def test_only_a_full_score_passes() -> None:
    scores = {"a": [0.9, 0.5], "b": [1.0, 0.5]}
    assert pass_curve(scores)[2].value == 0.5
    assert best_curve(scores)[2].value == pytest.approx(0.95)
    assert best_curve(scores)[1].value == pytest.approx((0.7 + 0.75) / 2)


def test_majority_over_questions() -> None:
    curve = majority_curve({"a": [0, 0, 1], "b": [None, 0, 1]}, {"a": [1, 1, 0], "b": [0, 1, 0]})
    # b: one of three alone; of three, two tie.
    assert curve[1].value == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert curve[3].value == pytest.approx((1 + 1 / 2) / 2)


def test_a_point_needs_nearly_all_questions() -> None:
    full = {str(i): [1.0, 0.0, 0.0, 0.0] for i in range(19)}
    assert list(pass_curve({**full, "short": [0.0]})) == [1, 2, 4]
    assert pass_curve({**full, "short": [0.0]})[4].value == 1.0
    assert list(pass_curve({**full, "short": [0.0], "other": [0.0]})) == [1]


def test_groups_follow_the_questions_that_are_left() -> None:
    full = {str(i): [float(i % 2), 0.0] for i in range(40)}
    curve = pass_curve({"short": [0.0], **full}, groups=["s", *[str(i // 4) for i in range(40)]])
    assert curve[2] == clustered_mean([[float(i % 2)] for i in range(40)], [i // 4 for i in range(40)])


def test_a_question_without_a_sample_is_refused() -> None:
    with pytest.raises(DataError):
        pass_curve({"a": []})
    with pytest.raises(DataError):
        pass_curve({})
