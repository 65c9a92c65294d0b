"""Student's t and the exact limit: the values that tables print."""

from math import atan, pi

import pytest

from abruzzi.statistics.distributions import largest_share, t_mass, t_quantile


@pytest.mark.parametrize(("degrees", "expected"), [(1, 12.706), (2, 4.303), (10, 2.228), (29, 2.045), (100_000, 1.960)])
def test_t_quantiles_as_printed(degrees: int, expected: float) -> None:
    assert t_quantile(degrees) == pytest.approx(expected, abs=5e-4)


def test_one_degree_of_freedom_is_cauchy() -> None:
    for t in (0.0, 0.5, 1.0, 40.0):
        assert t_mass(t, 1) == pytest.approx(2 / pi * atan(t), abs=1e-14)


def test_two_degrees_of_freedom_have_a_closed_form() -> None:
    for t in (0.1, 1.0, 9.0):
        assert t_mass(t, 2) == pytest.approx(t / (2 + t * t) ** 0.5, abs=1e-14)


def test_far_out_nothing_is_left() -> None:
    assert t_mass(1e6, 1_000) == pytest.approx(1.0, abs=1e-12)


def test_none_seen_leaves_a_share_of_three_and_a_bit_over_n() -> None:
    assert largest_share(0, 30) == pytest.approx(1 - 0.025 ** (1 / 30))
    assert largest_share(0, 1) == pytest.approx(0.975)


def test_some_seen_leave_more() -> None:
    # Two-sided exact 95 % limits for 1 of 10 as printed: 0.445.
    assert largest_share(1, 10) == pytest.approx(0.4450, abs=5e-5)
    assert largest_share(10, 10) == 1.0
