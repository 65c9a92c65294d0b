import re
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abruzzi.training.equations import find_equations, find_numbers, find_wrong


@pytest.mark.parametrize(
    ("text", "sides", "values"),
    [
        ("57 - 7 = 40", ("57 - 7", "40"), (50, 40)),
        ("so: 3+4=7.", ("3 + 4", "7"), (7, 7)),
        ("tiger: 1 * 4 = 4 legs", ("1 * 4", "4"), (4, 4)),
        ("2 + 3 * 4 - 10 / 5 = 12", ("2 + 3 * 4 - 10 / 5", "12"), (12, 12)),
        ("10 - 20 = -10", ("10 - 20", "-10"), (-10, -10)),
        ("3 - -5 = 8", ("3 - -5", "8"), (8, 8)),
        ("-3 × 2 ÷ 6 = −1", ("-3 × 2 ÷ 6", "−1"), (-1, -1)),
        ("20 + 3 = 23 = 46 / 2", ("20 + 3", "23", "46 / 2"), (23, 23, 23)),
        ("57 = 40 + 17", ("57", "40 + 17"), (57, 57)),
        ("total = 40 + 12 = 52", ("40 + 12", "52"), (52, 52)),
        ("1/2 + 1/2 = 1", ("1 / 2 + 1 / 2", "1"), (1, 1)),
        ("8 - 4 - 2 = 2", ("8 - 4 - 2", "2"), (2, 2)),
    ],
)
def test_equations_are_read(text: str, sides: tuple[str, ...], values: tuple[int, ...]) -> None:
    (found,) = find_equations(text)
    assert (found.sides, found.values) == (sides, values)


@pytest.mark.parametrize(
    "text",
    [
        "1,000 + 2 = 1,002",
        "0.5 + 1 = 1.5",
        "3 + 4 = 7.5",
        "x + 3 = 7",
        "2x + 3 = 7",
        "3 + 4 = 7x",
        "(1 + 2) * 3 = 9",
        "2 * 3 = 6 * (1 + 1)",
        "2 ^ 3 + 1 = 9",
        "2 ** 3 = 8",
        "7 / 2 = 3",
        "4 / 0 = 4",
        "step 1 - 3 + 4 = 7",
        "so - 3 + 4 = 7",
        "12 = 21",
        "4 + 3 = 7 - 2 = 5",
        "3 + 4",
        "at 1:30 + 4 = 34",
        "50% + 3 = 53",
        "9999999999999999 + 1 = 2",
        " * ".join(["9"] * 50) + " = 1",
        "3 + 4 =\n7",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(text: str) -> None:
    assert list(find_equations(text)) == []


def test_equations_come_in_order_and_lines_are_apart() -> None:
    text = "5 - 2 = 3\n3 + 4 = 8; 8 - 6 = 2, 1 + 1 = 2"
    assert [found.sides[0] for found in find_equations(text)] == ["5 - 2", "3 + 4", "8 - 6", "1 + 1"]
    assert [found.operands for found in find_equations("57 = 60 - 3, -4 * 2 = -8")] == [(60, 3), (4, 2)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("57 - 7 = 40", "57 - 7 is 50, not 40"),
        ("3 + 4 = 7, 7 + 5 = 13, 1 + 1 = 3", "7 + 5 is 12, not 13"),
        ("57 = 40 + 16", "40 + 16 is 56, not 57"),
        ("20 + 3 = 23 = 22", "20 + 3 is 23, not 22"),
        ("2*3 = 5 + 2", "2 * 3 is 6, not 5 + 2"),
    ],
)
def test_the_first_wrong_equation_is_named(text: str, says: str) -> None:
    assert str(find_wrong(text)) == says


@pytest.mark.parametrize("text", ["", "no numbers", "3 + 4 = 7", "1,000 + 2 = 7"])
def test_nothing_wrong_is_none(text: str) -> None:
    assert find_wrong(text) is None


def compute(side: str) -> Fraction:
    """Compute with Python's own precedence, each number a fraction."""
    return eval(re.sub(r"\d+", r"Fraction(\g<0>)", side), {"Fraction": Fraction})


def join(first: int, rest: list[tuple[str, int]]) -> str:
    return f"{first}" + "".join(f" {operator} {number}" for operator, number in rest)


NUMBERS = st.integers(-99, 99)
SIDES = st.builds(join, NUMBERS, st.lists(st.tuples(st.sampled_from("+-*/"), NUMBERS), max_size=4))


@given(st.lists(SIDES, min_size=2, max_size=3))
@example(["3 - 4 * 2", "-5"])
def test_values_are_those_of_an_independent_computation(sides: list[str]) -> None:
    for found in find_equations(" = ".join(sides)):
        assert [Fraction(value) for value in found.values] == [compute(side) for side in found.sides]
    wrong = find_wrong(" = ".join(sides))
    if wrong is not None:
        assert compute(wrong.expression) == wrong.value != compute(wrong.claimed)


@given(st.text(alphabet="0123456789+-*/= .,x\n()", max_size=60))
def test_no_text_breaks_it_and_what_it_says_stands_in_the_text(text: str) -> None:
    wrong = find_wrong(text)
    if wrong is not None:
        squeezed = re.sub(r"[ \t]", "", text)
        assert wrong.expression.replace(" ", "") in squeezed
        assert wrong.claimed.replace(" ", "") in squeezed
        assert compute(re.sub(r"\b0+(?=\d)", "", wrong.expression)) == wrong.value


def test_numbers_are_whole_and_stand_alone() -> None:
    assert find_numbers("7, -12 and 3.5, x2, 1,000, 40% (9) 5.") == [7, 12, 40, 9, 5]
