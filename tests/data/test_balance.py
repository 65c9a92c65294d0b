"""Known answers of drawing items so that no guess pays."""

from collections import Counter

import pytest

from abruzzi.data.balance import balance_answers
from abruzzi.data.items import Item
from abruzzi.errors import DataError


def make_items(answers: str) -> list[Item]:
    return [
        Item(id=str(number), question=f"q{number}", ground_truth=answer, data_source="d")
        for number, answer in enumerate(answers)
    ]


def kept(items: list[Item]) -> str:
    return "".join(str(item.ground_truth) for item in items)


@pytest.mark.parametrize(
    ("answers", "share", "limit", "expected"),
    [
        ("1111112233", 1.0, None, "1111112233"),
        ("1111112233", 0.4, None, "112233"),  # of 7 no answer may be more than 2; of 6 as well
        ("1111112233", 0.5, None, "11112233"),
        ("1112131415", 1 / 3, 6, "112345"),  # filled up with the rarer ones
        ("1212121212", 0.5, 4, "1212"),
        ("", 0.1, None, ""),
    ],
)
def test_keeps_what_the_share_allows(answers: str, share: float, limit: int | None, expected: str) -> None:
    assert kept(balance_answers(make_items(answers), share, limit)) == expected


def test_a_third_of_three_hundred_is_a_hundred() -> None:
    items = make_items("1" * 300 + "2" * 300 + "3" * 300)
    assert Counter(kept(balance_answers(items, 1 / 3, 300))) == {"1": 100, "2": 100, "3": 100}


def test_answers_that_cannot_be_balanced_are_refused() -> None:
    with pytest.raises(DataError, match=r"2 different answers cannot each be at most 0\.25"):
        balance_answers(make_items("1112"), 0.25)
