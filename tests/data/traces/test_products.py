import pytest

from abruzzi.errors import DataError
from tests.data.traces.making import make_item, think


@pytest.mark.parametrize(
    ("style", "thoughts"),
    [
        ("direct", "98 * 93 = 9114"),
        ("split", "Split: 98 * 90 = 8820\n98 * 3 = 294\n8820 + 294 = 9114"),
        (
            "grid",
            "Grid: 90 * 90 = 8100\n90 * 3 = 270\n8 * 90 = 720\n8 * 3 = 24\n"
            "8100 + 270 = 8370\n8370 + 720 = 9090\n9090 + 24 = 9114",
        ),
        ("round", "Round: 93 * 100 = 9300\n93 * 2 = 186\n9300 - 186 = 9114"),
        (
            "column",
            "In writing: 8 * 3 = 24, 9 * 3 = 27, 27 + 2 = 29, 98 * 3 = 294\n"
            "8 * 9 = 72, 9 * 9 = 81, 81 + 7 = 88, 98 * 90 = 8820\n294 + 8820 = 9114",
        ),
    ],
)
def test_styles_by_hand(style: str, thoughts: str) -> None:
    assert think(make_item("products", 9114, expression="98 * 93"), style) == thoughts


@pytest.mark.parametrize(
    ("expression", "answer", "style", "thoughts"),
    [
        ("7 * 8", 56, "round", "Round: 7 * 10 = 70\n7 * 2 = 14\n70 - 14 = 56"),
        ("4 * 1", 4, "round", "Round: 4 * 1 = 4"),
        ("23 * 60", 1380, "round", "Round: 23 * 60 = 1380"),
        ("31 * 45", 1395, "round", "Round: 45 * 30 = 1350\n45 * 1 = 45\n1350 + 45 = 1395"),
        ("7 * 8", 56, "column", "In writing: 7 * 8 = 56"),
        ("23 * 60", 1380, "split", "Split: 23 * 60 = 1380"),
        ("0 * 6", 0, "grid", "0 * 6 = 0"),
    ],
)
def test_single_digits_and_round_numbers(expression: str, answer: int, style: str, thoughts: str) -> None:
    assert think(make_item("products", answer, expression=expression), style) == thoughts


@pytest.mark.parametrize("expression", ["2 * 3 * 4", "-2 * 3", "2 + 3"])
def test_other_expressions_are_refused(expression: str) -> None:
    with pytest.raises(DataError, match="no product of two whole numbers from 0 up"):
        think(make_item("products", 6, expression=expression), "direct")
