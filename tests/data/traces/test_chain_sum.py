import pytest

from abruzzi.data.procedural import generate_items
from abruzzi.data.traces import list_styles, write_trace
from abruzzi.data.traces.chain_sum import read, write_last_digits
from abruzzi.errors import DataError
from tests.data.traces.making import First, make_item, think

LONG = make_item("chain_sum", 95, expression="98 - 93 + 77 + 13")


@pytest.mark.parametrize(
    ("style", "thoughts"),
    [
        ("direct", "98 - 93 + 77 + 13 = 95"),
        ("running", "98 - 93 = 5\n5 + 77 = 82\n82 + 13 = 95"),
        (
            "digits",
            "Tens, then ones. 90 - 90 = 0, 8 - 3 = 5, 0 + 5 = 5\n0 + 70 = 70, 5 + 7 = 12, 70 + 12 = 82\n"
            "80 + 10 = 90, 2 + 3 = 5, 90 + 5 = 95",
        ),
        (
            "columns",
            "Tens: 90 - 90 = 0, 0 + 70 = 70, 70 + 10 = 80\n"
            "Ones: 8 - 3 = 5, 5 + 7 = 12, 12 + 3 = 15\nBoth: 80 + 15 = 95",
        ),
        ("gather", "Plus: 98 + 77 = 175, 175 + 13 = 188\nMinus: 93\n188 - 93 = 95"),
        (
            "check",
            "First: 98 - 93 = 5, 5 + 77 = 82, 82 + 13 = 95\nCheck: 98 + 13 = 111, 111 + 77 = 188, 188 - 93 = 95. Same.",
        ),
    ],
)
def test_styles_by_hand(style: str, thoughts: str) -> None:
    assert think(LONG, style) == thoughts


@pytest.mark.parametrize(
    ("expression", "answer", "style", "thoughts"),
    [
        ("4 - 1 - 7", -4, "running", "4 - 1 = 3\n3 - 7 = -4"),
        ("4 - 1 - 7", -4, "gather", "Plus: 4\nMinus: 1 + 7 = 8\n4 - 8 = -4"),
        ("5 + 9", 14, "gather", "Plus: 5 + 9 = 14\nMinus: none"),
        ("5 - 0", 5, "running", "5 - 0 = 5"),
        ("5 - 0", 5, "gather", "Plus: 5\nMinus: 0\n5 - 0 = 5"),
        (
            "10 - 25 + 3",
            -12,
            "digits",
            "Tens, then ones. 10 - 20 = -10, 0 - 5 = -5, -10 - 5 = -15\n-10 + 0 = -10, -5 + 3 = -2, -10 - 2 = -12",
        ),
        ("3 - -5 + -20", -12, "running", "3 + 5 = 8\n8 - 20 = -12"),
        ("-3 - 5", -8, "gather", "Plus: none\nMinus: 3 + 5 = 8\n0 - 8 = -8"),
        ("4 - 7 + 1", -2, "columns", "Only ones: 4 - 7 = -3\n-3 + 1 = -2"),
    ],
)
def test_small_negative_and_zero_terms(expression: str, answer: int, style: str, thoughts: str) -> None:
    assert think(make_item("chain_sum", answer, expression=expression), style) == thoughts


@pytest.mark.parametrize(
    ("expression", "answer", "steps"),
    [
        ("98 - 93 + 77 + 13", 95, ["8 - 3 = 5", "5 + 7 = 12", "2 + 3 = 5"]),
        ("43 + 14 - 18", 39, ["3 + 4 = 7", "17 - 8 = 9"]),
        ("10 - 25 + 73", 58, ["10 - 5 = 5", "5 + 3 = 8"]),
        ("-3 + 15", 12, ["7 + 5 = 12"]),
        ("20 + 30", 50, ["0 + 0 = 0"]),
    ],
)
def test_last_digits_by_hand(expression: str, answer: int, steps: list[str]) -> None:
    assert write_last_digits(read(make_item("chain_sum", answer, expression=expression))) == steps


def test_last_digits_end_as_every_sum_does_that_is_not_negative() -> None:
    for item in generate_items("chain_sum", 200, 3, {"min_terms": 2, "max_terms": 5, "min_digits": 1, "max_digits": 3}):
        if not item.ground_truth.startswith("-"):
            assert write_last_digits(read(item))[-1][-1] == item.ground_truth[-1]


def test_what_is_no_sum_is_refused() -> None:
    with pytest.raises(DataError, match=r"no sum of two or more whole numbers: '4 \* 5'"):
        think(make_item("chain_sum", 20, expression="4 * 5"), "direct")


def test_negative_terms_as_the_generator_writes_them() -> None:
    for item in generate_items("chain_sum", 100, 2, {"allow_negation": True, "max_digits": 2}):
        for style in list_styles("chain_sum"):
            assert write_trace(item, style, First()).endswith(f"<answer>{item.ground_truth}</answer>")
