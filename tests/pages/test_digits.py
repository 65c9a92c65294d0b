"""Numbers as text, each worked by hand."""

import math

import pytest

from abruzzi.pages.digits import MISSING, count, p_value, percent, points, quantity, setting, whole_percent
from abruzzi.statistics.estimate import Estimate


def spaced(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_fraction_is_written_in_per_cent_with_its_interval() -> None:
    assert spaced(percent(Estimate(0.3754, 0.3409, 0.4091))) == "37.5 [34.1, 40.9]"
    assert percent(0.6799) == "68.0"
    assert percent(0) == "0.0"
    assert percent(None) == MISSING


def test_an_interval_never_breaks_in_two_lines() -> None:
    assert percent(Estimate(0.5, 0.4, 0.6)).split(" ") == ["50.0", "[40.0,\N{NO-BREAK SPACE}60.0]"]


def test_a_narrow_interval_earns_a_second_decimal() -> None:
    assert spaced(percent(Estimate(0.0003, 0.0, 0.0012))) == "0.03 [0.00, 0.12]"
    assert spaced(percent(Estimate(0.0003, 0.0, 0.0021))) == "0.0 [0.0, 0.2]"
    assert spaced(percent(Estimate(1.0, 1.0, 1.0))) == "100.0 [100.0, 100.0]"


def test_differences_have_a_sign_and_a_true_minus() -> None:
    assert spaced(points(Estimate(0.0251, -0.003, 0.053))) == "+2.5 [−0.3, +5.3]"
    assert spaced(points(Estimate(-0.02, -0.03, -0.01))) == "−2.0 [−3.0, −1.0]"
    assert points(-0.0004) == "0.0", "what rounds to zero has no sign"


def test_a_value_that_does_not_exist_is_a_dash_and_never_zero() -> None:
    assert percent(math.nan) == count(math.nan) == quantity(None) == p_value(math.nan) == MISSING
    assert percent(Estimate(math.nan, 0.0, 1.0)) == MISSING
    assert spaced(percent(Estimate(0.5, math.nan, math.inf))) == f"50.0 [{MISSING}, {MISSING}]"


def test_ratios_are_whole_per_cents() -> None:
    assert spaced(whole_percent(Estimate(0.416, -0.1, 0.953))) == "42 [−10, 95]"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (3, "3"), (3.25, "3.2"), (12.6, "13"), (12345, "12,345"), (1e6, "1,000,000")]
)
def test_counts(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1,234"), (-2, "−2.00")],
)
def test_quantities_have_three_significant_digits(value: float, text: str) -> None:
    assert quantity(value) == text


def test_p_values() -> None:
    assert spaced(p_value(0.00099)) == "< 0.001"
    assert p_value(0.0312) == "0.031"
    assert p_value(1) == "1.000"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "not set"), (True, "yes"), (0.28, "0.28"), (1e-4, "0.0001"), (3, "3"), (("a", 1), "a, 1"), ([], "none")],
)
def test_settings(value: object, text: str) -> None:
    assert setting(value) == text
