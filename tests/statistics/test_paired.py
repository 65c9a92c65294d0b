"""Paired comparisons, by hand."""

from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import DataError
from abruzzi.statistics.paired import (
    holm,
    paired_bootstrap,
    paired_difference,
    paired_t_test,
    permutation_test,
)


def singles(*values: float) -> list[list[float]]:
    return [[value] for value in values]


def test_a_difference_is_taken_question_by_question() -> None:
    # Differences 0.5, 0, 0.5, 1: mean 0.5, s = 1/√6, so s/√4; t(3) = 3.18245.
    estimate = paired_difference(singles(1, 0, 0.5, 1), [[0, 1], [0], [0, 0], [0, 0]])
    assert estimate.value == pytest.approx(0.5)
    assert estimate.high == pytest.approx(min(1, 0.5 + 3.182446 / sqrt(24)))
    assert estimate.low == pytest.approx(0.5 - 3.182446 / sqrt(24))


def test_what_both_find_hard_is_no_noise() -> None:
    hard = [i / 40 for i in range(40)]
    estimate = paired_difference(
        singles(*[x * 0.9 + (0.06 if i % 2 else 0.04) for i, x in enumerate(hard)]), singles(*[x * 0.9 for x in hard])
    )
    assert estimate.value == pytest.approx(0.05)
    assert estimate.high - estimate.low < 0.01


def test_systems_that_never_differ_are_not_certainly_equal() -> None:
    estimate = paired_difference(singles(*[1] * 30), singles(*[1] * 30))
    assert estimate.high == pytest.approx(1 - 0.025 ** (1 / 30))
    assert estimate.low == -estimate.high


def test_different_questions_are_refused() -> None:
    with pytest.raises(DataError, match="2 questions against 1"):
        paired_difference(singles(1, 0), singles(1))


def test_the_t_test_of_two_differences() -> None:
    # Differences 1 and 0: t = 0.5/0.5 = 1 with one degree of freedom, where half the mass lies beyond ±1.
    assert paired_t_test(singles(1, 1), singles(0, 1)) == pytest.approx(0.5)
    assert paired_t_test(singles(1, 1), singles(0, 0)) is None


def test_three_differences_alike_are_one_change_of_sign_in_four() -> None:
    result = permutation_test(singles(1, 1, 1, 0), singles(0, 0, 0, 0))
    assert (result.value, result.is_exact) == (2 / 8, True)


def test_a_mixed_picture_proves_nothing() -> None:
    assert permutation_test(singles(1, 1, 0), singles(0, 0, 1)).value == 1.0
    assert permutation_test(singles(1), singles(1)).value == 1.0


def test_groups_change_sign_together() -> None:
    # Group sums 2 and 1: of four changes two reach 3.
    assert permutation_test(singles(1, 1, 1), singles(0, 0, 0), ["a", "a", "b"]).value == 0.5


@given(st.lists(st.sampled_from([-0.5, -0.1, 0.0, 0.1, 0.2, 0.5]), min_size=1, max_size=8))
def test_the_exact_test_counts_every_change_of_sign(differences: list[float]) -> None:
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    expected = sum(value >= abs(sum(differences)) - 1e-9 for value in sums) / len(sums)
    assert permutation_test(singles(*differences), singles(*[0] * len(differences))).value == pytest.approx(expected)


def test_many_questions_are_sampled_near_the_exact_value() -> None:
    # 18 up and 6 down of 24: the sign test, 2 · P(at most 6 of 24 heads).
    result = permutation_test(singles(*[1] * 18, *[0] * 6), singles(*[0] * 18, *[1] * 6), draws=200_000)
    assert not result.is_exact
    assert result.value == pytest.approx(0.02266, abs=0.0015)


def test_a_sampled_p_value_is_never_zero() -> None:
    assert permutation_test(singles(*[1] * 60), singles(*[0] * 60), draws=999).value == 1 / 1000
    _, p = paired_bootstrap(singles(*[1] * 60), singles(*[0] * 60), resamples=999)
    assert p.value == 2 / 1000


def test_the_paired_bootstrap_agrees_with_the_normal_approximation() -> None:
    random = np.random.default_rng(3)
    second = random.random(400) * 0.5
    first = second + 0.02 + random.normal(0, 0.15, 400)
    differences = first - second
    error = differences.std(ddof=1) / 20
    estimate, p = paired_bootstrap(singles(*first), singles(*second), seed=1)
    assert estimate.value == pytest.approx(differences.mean())
    assert estimate.low == pytest.approx(differences.mean() - 1.96 * error, abs=0.12 * error)
    assert estimate.high == pytest.approx(differences.mean() + 1.96 * error, abs=0.12 * error)
    assert p.value == pytest.approx(paired_t_test(singles(*first), singles(*second)), abs=0.01)


def test_an_interval_and_its_p_value_say_the_same() -> None:
    first, second = singles(*[1] * 12, *[0] * 28), singles(*[0] * 40)
    estimate, p = paired_bootstrap(first, second)
    assert estimate.excludes_zero
    assert p.value < 0.05
    estimate, p = paired_bootstrap(first, first[::-1])
    assert not estimate.excludes_zero
    assert p.value > 0.05


def test_holm_by_hand() -> None:
    # Sorted 0.01 · 3, 0.03 · 2, 0.04 · 1, and none may fall below the one before.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([]) == ()


def test_holm_takes_p_values_only() -> None:
    with pytest.raises(DataError, match=r"1\.5 is no p value"):
        holm([0.1, 1.5])
