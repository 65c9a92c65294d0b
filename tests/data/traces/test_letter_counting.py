import pytest

from abruzzi.errors import DataError
from tests.data.traces.making import make_item, think


@pytest.mark.parametrize(
    ("style", "thoughts"),
    [
        ("direct", '"n" comes 3 times.'),
        ("words", "Per word: nine 2, thousand 1, i 0\n2 + 1 = 3"),
        ("spell", "Spell: n i n e: 2\nt h o u s a n d: 1\ni: 0\n2 + 1 = 3"),
        ("mark", "Mark: n(1) i n(2) e\nt h o u s a n(3) d\ni\nTotal: 3"),
        ("hits", 'With "n": nine, thousand\nn i n e: 2\nt h o u s a n d: 1\n2 + 1 = 3'),
    ],
)
def test_styles_by_hand(style: str, thoughts: str) -> None:
    item = make_item("letter_counting", 3, target_letter="n", span=["Nine", "thousand", "I"])
    assert think(item, style) == thoughts


@pytest.mark.parametrize(("letter", "span"), [("", ["a"]), ("ab", ["ab"]), ("a", []), ("a", "text")])
def test_what_asks_for_no_letter_in_words_is_refused(letter: str, span: object) -> None:
    with pytest.raises(DataError, match="asks for no letter in words"):
        think(make_item("letter_counting", 1, target_letter=letter, span=span), "spell")
