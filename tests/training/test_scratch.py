"""The tokenizer that is learnt from the texts of a run: what it keeps apart, what it puts together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.nouns import Message
from abruzzi.training.scratch import make_tokenizer
from abruzzi.training.tokens import encode_prompt

WORDING = "How many legs do they have in total"
TEXTS = ["<think>1 + 2 = 3</think>", *(f"{WORDING}: {count} dogs, {count + 1} praying mantis?" for count in range(8))]
TOKENIZER = make_tokenizer(TEXTS)


def split(text: str) -> list[str]:
    ids: list[int] = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    return [TOKENIZER.decode([number]) for number in ids]


def test_what_all_texts_say_is_one_token_up_to_a_mark_or_digit() -> None:
    assert split(TEXTS[4]) == [WORDING, ":", " 3", " dogs", ",", " 4", " praying mantis", "?"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("1 + 24 = 25", ["1", " +", " 2", "4", " =", " 2", "5"]),
        (
            "<think>-3</think>\n<answer>-3</answer>",
            ["<think>", "-", "3", "</think>", "\n", "<answer>", "-", "3", "</answer>"],
        ),
    ],
)
def test_digits_and_marks_are_tokens_of_their_own(text: str, tokens: list[str]) -> None:
    assert split(text) == tokens


def test_roles_are_one_token_each() -> None:
    ids = encode_prompt(TOKENIZER, [Message("user", WORDING)])
    assert [TOKENIZER.decode([number]) for number in ids] == [
        *("<|im_start|>", "user", "\n", WORDING, "<|im_end|>", "\n"),
        *("<|im_start|>", "assistant", "\n"),
    ]


@given(st.text(max_size=40))
def test_any_text_comes_back(text: str) -> None:
    ids: Any = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(ids) == text


def test_the_same_texts_give_the_same_tokenizer() -> None:
    assert make_tokenizer(TEXTS).get_vocab() == TOKENIZER.get_vocab()
