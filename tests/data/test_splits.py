from collections import Counter
from random import Random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.data.examples import Example
from abruzzi.data.items import Item
from abruzzi.data.procedural import generate_items
from abruzzi.data.splits import (
    choose_side,
    drop_asked,
    get_question,
    hash_question,
    normalise_question,
    split_items,
)
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message


def make_item(key: str, question: str) -> Item:
    return Item(key, question, "1", "math__own")


def make_example(*turns: str, system: str = "") -> Example:
    roles: tuple[Literal["user", "assistant"], ...] = ("user", "assistant")
    messages = [Message(roles[place % 2], turn) for place, turn in enumerate(turns)]
    return Example("x", (*([Message("system", system)] if system else []), *messages), "<answer>1</answer>")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("What is 1 + 1?", "  what\tIS 1 + 1?\n", True),
        ("Straße", "STRASSE", True),
        ("ﬁve", "five", True),
        ("What is 1 + 1?", "What is 1 + 2?", False),
        ("a b", "ab", False),
        ("3 - 4", "3 + 4", False),
    ],
)
def test_copies_of_a_question_are_the_same_and_others_are_not(one: str, other: str, is_same: bool) -> None:
    assert (normalise_question(one) == normalise_question(other)) is is_same
    assert (hash_question(one, 3) == hash_question(other, 3)) is is_same


def test_a_hash_is_fixed_for_all_time() -> None:
    # printf '7\000what is 1 + 1?' | sha256sum
    assert hash_question("What is 1 + 1?", 7) == "ec4ac539902e1c79fe422445519299ecb6d5d9b7bf80e6d4f6f09b8d07f8c327"


@given(st.text())
def test_normalising_twice_changes_nothing_and_any_text_has_a_hash(question: str) -> None:
    once = normalise_question(question)
    assert normalise_question(f"\n {once}  ") == once
    assert len(hash_question(question)) == 64


def test_half_a_surrogate_pair_has_a_hash_too() -> None:
    assert len(hash_question("\ud800")) == 64


def test_an_example_asks_what_its_first_user_turn_asks() -> None:
    assert get_question(make_item("a", "Q?")) == "Q?"
    assert get_question(make_example("Q?", system="Be brief.")) == "Q?"
    assert get_question(make_example("Q?", "A.", "And?")) == "Q?"
    tagged = make_example("<question>\nQ?\n</question>\n\nA plan:\n<plan>\nAdd.\n</plan>")
    assert normalise_question(get_question(tagged)) == "q?"


def test_shares_come_out_as_asked_and_a_question_keeps_its_side() -> None:
    questions = [f"What is {number} + 1?" for number in range(4_000)]
    sides = [choose_side(question, validation=0.1, test=0.2, seed=1) for question in questions]
    counts = Counter(sides)
    assert abs(counts["validation"] / 4_000 - 0.1) < 0.019  # four standard errors
    assert abs(counts["test"] / 4_000 - 0.2) < 0.026
    assert sides == [choose_side(question.upper(), validation=0.1, test=0.2, seed=1) for question in questions]
    assert sides != [choose_side(question, validation=0.1, test=0.2, seed=2) for question in questions]


@given(st.text(), st.integers())
def test_all_or_nothing_shares(question: str, seed: int) -> None:
    assert choose_side(question, validation=0, test=0, seed=seed) == "train"


def test_growing_the_test_share_moves_questions_into_it_only() -> None:
    for number in range(300):
        if choose_side(str(number), validation=0, test=0.2, seed=1) == "test":
            assert choose_side(str(number), validation=0, test=0.4, seed=1) == "test"


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.5), (0.5, -0.1), (0.5, 0.5), (1, 0), (float("nan"), 0)])
def test_shares_that_make_no_sense_are_refused(validation: float, test: float) -> None:
    with pytest.raises(ConfigError, match="must be shares that sum to less than 1"):
        choose_side("Q?", validation=validation, test=test, seed=1)


QUESTIONS = st.lists(st.sampled_from([f"Q{number}" for number in range(12)]), min_size=1, max_size=40)


@given(QUESTIONS, st.randoms(use_true_random=False), st.integers(0, 11), st.integers(0, 3))
def test_held_out_questions_are_exact_distinct_unseen_and_independent_of_order(
    questions: list[str], rng: Random, held_out: int, seed: int
) -> None:
    items = [make_item(str(number), question) for number, question in enumerate(questions)]
    if held_out and len(set(questions)) <= held_out:
        with pytest.raises(DataError, match="too few to hold out"):
            split_items(items, held_out=held_out, seed=seed)
        return
    split = split_items(items, held_out=held_out, seed=seed)
    hidden = {item.question for item in split.held_out}
    assert len(split.held_out) == len(hidden) == held_out
    assert [item for item in items if item.question not in hidden] == list(split.train)
    shuffled = list(items)
    rng.shuffle(shuffled)
    again = split_items(shuffled, held_out=held_out, seed=seed)
    assert again.held_out == split.held_out
    assert {item.id for item in again.train} == {item.id for item in split.train}


def test_a_generator_that_repeats_itself_cannot_leak() -> None:
    items = generate_items("products", 300, 1, {"max_digits": 1})  # a hundred products, three times over
    assert len({item.question for item in items}) < 100
    train, held_out = split_items(items, held_out=30, seed=7)
    assert len({item.question for item in held_out}) == 30
    assert not {item.question for item in train} & {item.question for item in held_out}
    assert len(train) < 270, "copies of what is held out are dropped, not trained on"
    other = split_items(generate_items("products", 300, 2, {"max_digits": 1}), held_out=30, seed=7)
    assert {item.question for item in other.held_out} & {item.question for item in held_out}


def test_another_seed_holds_out_others() -> None:
    items = [make_item(str(number), f"Q{number}") for number in range(100)]
    assert split_items(items, held_out=10, seed=1).held_out != split_items(items, held_out=10, seed=2).held_out


def test_too_few_questions_are_refused_with_both_numbers() -> None:
    items = [make_item(str(number), f"Q{number % 3}") for number in range(9)]
    with pytest.raises(
        DataError, match="9 items ask 3 different questions, too few to hold out 3 and train on the rest"
    ):
        split_items(items, held_out=3, seed=1)
    with pytest.raises(ConfigError, match="held_out must be a number from 0 up, got -1"):
        split_items(items, held_out=-1, seed=1)


def test_examples_that_ask_a_held_out_question_are_dropped_with_and_without_a_plan() -> None:
    hidden = [make_item("h", "What is 1 + 1?")]
    plain, planned = (
        make_example("what is 1 + 1?"),
        make_example("<question>What is 1 +  1?</question><plan>Add</plan>"),
    )
    other = make_example("What is 1 + 2?")
    assert drop_asked([plain, other, planned], hidden) == [other]
