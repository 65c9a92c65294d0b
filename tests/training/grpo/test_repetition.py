"""Repeated n-grams by hand, in loops, and in text that repeats nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import ConfigError
from abruzzi.training.grpo.repetition import repeated_share


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a b a b a", 1 / 2),  # pairs ab ba ab ba: two of four stood before
        ("A b a B a", 1 / 2),
        ("a b c d", 0),
        ("7 7 7 7", 2 / 3),  # 77 77 77
        ("7777", 2 / 3),  # a digit is a piece
        ("no-no-no", 1 / 2),  # no- -no no- -no
        ("a", 0),
        ("", 0),
    ],
)
def test_pairs_by_hand(text: str, share: float) -> None:
    assert repeated_share(text, n=2) == pytest.approx(share)


@pytest.mark.parametrize(
    "unit", ["we check it again and find that it is the same as before. ", "7", "wait, ", "[0, 0], ", "啊", "haha"]
)
def test_a_loop_is_nearly_all_repeated(unit: str) -> None:
    assert repeated_share(unit * 1000) > 0.95


def test_a_text_of_k_rounds_has_about_all_but_one_of_them_repeated() -> None:
    once = " ".join(f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(400))
    assert repeated_share(once) == 0
    assert repeated_share(" ".join([once] * 4)) == pytest.approx(0.75, abs=0.01)


@given(st.text(max_size=300), st.integers(1, 10))
def test_it_is_a_share(text: str, n: int) -> None:
    assert 0 <= repeated_share(text, n=n) < 1


def test_a_gram_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="n = 0"):
        repeated_share("a b", n=0)
