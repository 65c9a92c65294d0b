import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.verifiers.constants import read_exact
from abruzzi.verifiers.exact import Exact, NotConstantError, TooCostlyError


@pytest.mark.parametrize(
    ("flat", "value"),
    [
        ("-1,234.50", Fraction(-2469, 2)),
        ("1\\frac12", Fraction(3, 2)),
        ("-1 1/2", Fraction(-3, 2)),
        ("-2^2", -4),
        ("2^-3", Fraction(1, 8)),
        ("2(3+4)/7", 2),
        ("\\frac{2^{10}}{4!}", Fraction(128, 3)),
        ("\\binom{8}{2}", 28),
        ("8 choose 2", 28),
        ("{8 \\choose 2}", 28),
        ("|{-5}|", 5),
        ("\\sqrt[3]{8}", 2),
        ("(-8)^{1/3}", -2),
        ("27^{2/3}", 9),
        ("1.5e3", 1500),
        ("i^2", -1),
        ("(3+4i)(3-4i)", 25),
        ("\\frac{1}{\\sqrt2-1}-\\sqrt2", 1),
    ],
)
def test_rational_values(flat: str, value: Fraction | int) -> None:
    assert read_exact(flat).rational == value


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2\\sqrt{8}-\\sqrt2", "3\\sqrt2"),
        ("\\frac{\\sqrt6}{\\sqrt2}", "\\sqrt3"),
        ("\\sqrt{\\frac{1}{3}}", "\\frac{\\sqrt3}{3}"),
        ("\\frac{2+i}{1-i}", "\\frac{1}{2}+\\frac{3}{2}i"),
        ("(1+\\sqrt5)^2/4", "(3+\\sqrt5)/2"),
        ("\\sqrt{-12}", "2\\sqrt3 i"),
        ("\\frac{9}{4}\\pi", "2.25 pi"),
    ],
)
def test_equal_constants_are_equal_objects(first: str, second: str) -> None:
    assert read_exact(first) == read_exact(second)
    assert hash(read_exact(first)) == hash(read_exact(second))


@pytest.mark.parametrize(
    "flat",
    [
        "",
        "x",
        "e",
        "2x",
        "\\ln 2",
        "1/2\\pi",
        "\\sqrt12",
        "\\sqrt[3]{2}",
        "\\sqrt{1+\\sqrt2}",
        "1/0",
        "12 34",
        "2^\\pi",
        "(1",
    ],
)
def test_what_is_no_constant(flat: str) -> None:
    with pytest.raises(NotConstantError):
        read_exact(flat)


@pytest.mark.parametrize(
    "flat",
    [
        "9^{9^9}",
        "9**9**9",
        "2^3^4",
        "10^{10^9}",
        "10^6!",
        "3^1e5007",
        "\\binom{10^9}{5}",
        "(" * 40 + "1" + ")" * 40,
        "1" * 9_000,
    ],
)
def test_what_explodes_is_refused_at_once(flat: str) -> None:
    started = time.perf_counter()
    with pytest.raises((TooCostlyError, NotConstantError)):
        read_exact(flat)
    assert time.perf_counter() - started < 0.5


@given(st.fractions(), st.fractions(), st.integers(2, 50))
def test_field_axioms(a: Fraction, b: Fraction, n: int) -> None:
    x, y, root = Exact.of(a), Exact.of(b), Exact.of(n).root(2)
    assert (x + y).rational == a + b
    assert (x + root) * (x - root) == Exact.of(a * a - n)
    assert root * root == Exact.of(n)
    if a:
        assert (y + root) / x * x == y + root


def test_approximate() -> None:
    assert abs((read_exact("2\\sqrt2+\\pi").approximate() or 0) - Decimal("5.9700197783359834")) < Decimal("1e-15")
    assert read_exact("1+i").approximate() is None
