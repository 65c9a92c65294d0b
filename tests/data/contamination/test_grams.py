from collections import Counter
from math import inf

import pytest

from abruzzi.data.contamination.grams import (
    MAX_HOLDERS,
    Limits,
    agree_on_fixed_words,
    collect_grams,
    count_fixed_words,
    find_frame,
)
from abruzzi.data.contamination.normalise import normalise


def test_grams_stay_within_sentences_and_a_short_sentence_is_one() -> None:
    sentences = (("red", "green", "blue", "white"), ("why", "not"))
    assert collect_grams(sentences, 3) == {("red", "green", "blue"), ("green", "blue", "white"), ("why", "not")}


def test_the_order_of_sentences_changes_nothing() -> None:
    one = normalise("He has 3 red hats. She has 4. How many have both?")
    other = normalise("How many have both? She has 4. He has 3 red hats.")
    assert collect_grams(one, 3) == collect_grams(other, 3)


def test_what_many_questions_of_a_benchmark_share_is_its_frame() -> None:
    common, rare = ("give", "the", "letter"), ("of", "a", "cat")
    grams = [{common} for _ in range(MAX_HOLDERS + 1)] + [{rare} for _ in range(MAX_HOLDERS)]
    everyone = range(len(grams))
    assert find_frame(grams, [everyone]) == {common}
    assert find_frame(grams, [everyone[::2], everyone[1::2]]) == set()


@pytest.mark.parametrize(("num_words", "limit"), [(11, inf), (12, 0.9), (24, 0.9), (25, 0.5), (100, 0.5)])
def test_a_short_question_has_a_strict_limit(num_words: int, limit: float) -> None:
    assert Limits(lowest=0.5, min_words=12, strict=0.9).of(num_words) == limit


def test_fixed_words_count_where_a_gram_holds_them() -> None:
    sentences = normalise("it has 3 red hats and 5 + 5 blue hats")
    assert count_fixed_words(sentences, 3, {("has", "3", "red"), ("5", "+", "5")}) == Counter({"3": 1, "5": 2, "+": 1})
    assert count_fixed_words(sentences, 3, {("red", "hats", "and")}) == Counter()


def test_a_number_that_stands_once_less_is_missed() -> None:
    item = normalise("find x for z^4 + z^2 + 1 = 0 now")
    same, other = normalise("so find x for z^4+z^2+1 = 0 now"), normalise("so find x for z^4 + z^4 + 1 = 0 now")
    telling = collect_grams(item, 3)
    assert agree_on_fixed_words(item, telling, same, 3)
    assert not agree_on_fixed_words(item, telling, other, 3)


def test_a_figure_counts_only_where_both_have_one() -> None:
    item = normalise("What is the area? [asy]draw(1,2);[/asy]")
    telling = collect_grams(item, 3)
    assert agree_on_fixed_words(item, telling, normalise("What is the area? [asy] draw(1, 2); [/asy]"), 3)
    assert agree_on_fixed_words(item, telling, normalise("What is the area?"), 3)
    assert not agree_on_fixed_words(item, telling, normalise("What is the area? [asy]draw(1,3);[/asy]"), 3)
