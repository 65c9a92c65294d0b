import re
from random import Random

import pytest

from abruzzi.data.items import Item
from abruzzi.data.procedural import generate_items
from abruzzi.data.traces import list_families, list_styles, write_trace
from abruzzi.training.faults import FaultKind, correct_result, find_faults, is_sound
from tests.training.doubles import make_sum, think

SETTINGS: dict[str, dict[str, int]] = {
    "chain_sum": {"min_terms": 2, "max_terms": 5, "min_digits": 1, "max_digits": 3},
    "leg_counting": {"min_animals": 1, "max_animals": 4},
    "letter_counting": {"min_words": 1, "max_words": 6},
    "products": {"min_digits": 1, "max_digits": 3},
}
TRACES = [(task, style) for task in list_families() for style in list_styles(task)]

SUM = make_sum("43 + 14 - 10")
PRODUCT = Item("p", "98 * 93 =", "9114", "reasoning_gym", {"task": "products", "metadata": {"expression": "98 * 93"}})
ZOO = Item(
    "z",
    "How many legs?",
    "168",
    "reasoning_gym",
    {"task": "leg_counting", "metadata": {"animals": {"tiger": 1, "butterfly": 14, "crab": 8}}},
)
WORDS = Item(
    "w",
    "How often n?",
    "3",
    "reasoning_gym",
    {"task": "letter_counting", "metadata": {"target_letter": "n", "span": ["Nine", "thousand", "I"]}},
)
OWN = Item("o", "Ann has 12 eggs and uses 5. How many are left?", "7", "math__own")


@pytest.mark.parametrize(
    ("item", "steps", "answer", "kind", "says"),
    [
        (SUM, "43 + 14 = 57, 57 - 10 = 40", 40, "equation", "57 - 10 is 47, not 40"),
        (SUM, "43 + 14 - 10 = 57", 57, "equation", "43 + 14 - 10 is 47, not 57"),
        (SUM, "34 + 14 = 48\n48 - 10 = 38", 38, "numbers", "43 is not used"),
        (SUM, "43 + 14 = 57\n75 - 10 = 65", 65, "numbers", "75 is neither given nor computed"),
        (SUM, "Tens: 40 + 10 = 50, 50 - 10 = 40\nOnes: 3 + 5 = 8\n40 + 8 = 48", 48, "numbers", "14 is not used"),
        (SUM, "43 + 14 = 57, 57 - 10 = 47", 74, "ending", "the steps end at 47, not 74"),
        (
            PRODUCT,
            "Round: 93 * 100 = 9300\n93 * 2 = 187\n9300 - 187 = 9113",
            9113,
            "equation",
            "93 * 2 is 186, not 187",
        ),
        (PRODUCT, "98 * 90 = 8820\n98 * 4 = 392\n8820 + 392 = 9212", 9212, "numbers", "93 is not used"),
        (ZOO, "Legs: tiger 4, butterfly 6, crab 8\n1 * 4 + 14 * 6 + 8 * 8 = 152", 152, "fact", "crab: 10 legs, not 8"),
        (ZOO, "tiger: 1 * 4 = 4, butterfly: 14 * 6 = 84\n4 + 84 = 88", 88, "fact", "crab is left out"),
        (
            ZOO,
            "tiger: 1 * 4 = 4, butterfly: 4 * 6 = 24, crab: 6 * 10 = 60\n4 + 24 = 28\n28 + 60 = 88",
            88,
            "fact",
            "crab: 8 of them, not 6",
        ),
        (ZOO, "tiger: 1 * 4 = 4, butterfly: 14 * 6 = 84, bee: 8 * 6 = 48", 136, "fact", "no bee is asked about"),
        (WORDS, "n i n e: 1\nt h o u s a n d: 1\ni: 0\n1 + 1 = 2", 2, "fact", "n in nine: 2, not 1"),
        (WORDS, "n i n e: 2\nt h o s a n d: 1\n2 + 1 = 3", 4, "fact", "thosand is not one of the words"),
        (WORDS, "Per word: nine 2, thousand 2, i 0\n2 + 2 = 4", 4, "fact", "n in thousand: 1, not 2"),
        (WORDS, "n(1) i n e\nt h o u s a n(2) d\ni\nTotal: 2", 2, "fact", "n in nine: 2, not 1"),
        (WORDS, "n(1) i n(2) e\nt h o u s a n(2) d\ni\nTotal: 2", 2, "fact", "after 2 comes 3, not 2"),
        (WORDS, "n i n e: 2\nTotal: 2", 2, "fact", "thousand is left out"),
        (OWN, "12 - 5 = 8", 8, "equation", "12 - 5 is 7, not 8"),
        (OWN, "12 - 5 = 7", 8, "ending", "the steps end at 7, not 8"),
    ],
)
def test_the_first_fault_by_hand(item: Item, steps: str, answer: int, kind: str, says: str) -> None:
    fault = next(find_faults(item, think(steps, answer)))
    assert (fault.kind, fault.statement) == (FaultKind(kind), says)


@pytest.mark.parametrize(
    ("item", "response"),
    [
        (OWN, think("12 + 5 = 17", 17)),
        (OWN, "I think it is 8."),
        (ZOO, think("That makes 158 legs.", 158)),
        (WORDS, think('"n" comes 2 times.', 2)),
        (SUM, think("I say 12.", 12)),
        (SUM, "<think>43 + 14"),
    ],
)
def test_where_no_check_fails_nothing_is_said(item: Item, response: str) -> None:
    assert list(find_faults(item, response)) == []


@pytest.mark.parametrize(("task", "style"), TRACES)
def test_right_traces_have_no_fault(task: str, style: str) -> None:
    for item in generate_items(task, 150, 21, SETTINGS[task]):
        trace = write_trace(item, style, Random(item.id))
        assert list(find_faults(item, trace)) == [], trace
        assert is_sound(item, trace), trace


@pytest.mark.parametrize(("task", "style"), [(task, style) for task, style in TRACES if style != "direct"])
def test_most_slips_in_a_trace_are_found(task: str, style: str) -> None:
    """One number of the thoughts is changed, whichever; in some places that changes nothing that can be checked."""
    items, found = generate_items(task, 150, 22, SETTINGS[task]), 0
    for item in items:
        trace, rng = write_trace(item, style, Random(item.id)), Random(item.id)
        place = rng.choice(list(re.finditer(r"\d+", trace.partition("</think>")[0])))
        slip = str(int(place[0]) + rng.choice((-1, 1, 10)))
        found += next(find_faults(item, trace[: place.start()] + slip + trace[place.end() :]), None) is not None
    assert found >= 0.5 * len(items)


@pytest.mark.parametrize(
    ("item", "wrong", "says"),
    [
        (SUM, "57", ["43 + 14 = 57, 57 - 10 = 47, not 57", "the answer is 47, not 57"]),
        (SUM, "44", ["3 + 4 = 7, 7 - 0 = 7: ends in 7, not 4", "the answer is 47, not 44"]),
        (SUM, "-44", ["43 + 14 = 57, 57 - 10 = 47, not -44", "the answer is 47, not -44"]),
        (make_sum("43 - 99 + 8"), "-49", ["43 - 99 = -56, -56 + 8 = -48, not -49", "the answer is -48, not -49"]),
        (make_sum("7 - 9 + 8"), "5", ["7 - 9 = -2, -2 + 8 = 6, not 5", "the answer is 6, not 5"]),
        (PRODUCT, "9104", ["98 * 93 is 9114, not 9104", "the answer is 9114, not 9104"]),
        (
            ZOO,
            "158",
            [
                "tiger: 1 * 4 = 4, butterfly: 14 * 6 = 84, crab: 8 * 10 = 80, 4 + 84 = 88, 88 + 80 = 168, not 158",
                "the answer is 168, not 158",
            ],
        ),
        (WORDS, "4", ["n in nine 2, thousand 1: 3, not 4", "the answer is 3, not 4"]),
        (WORDS, "many", ["the answer is 3, not many"]),
        (OWN, "8", ["the answer is 7, not 8"]),
    ],
)
def test_what_tells_right_from_wrong_is_worked_out(item: Item, wrong: str, says: list[str]) -> None:
    assert [fault.statement for fault in correct_result(item, right=item.ground_truth, wrong=wrong)] == says


def test_a_task_beyond_its_traces_is_checked_like_any_other_question() -> None:
    odd = Item("x", "2 * 3 * 4 =", "24", "reasoning_gym", {"task": "products", "metadata": {"expression": "2 * 3 * 4"}})
    assert [f.statement for f in find_faults(odd, think("2 * 3 = 5, 5 * 4 = 20", 20))] == ["2 * 3 is 6, not 5"]
    assert [f.kind for f in correct_result(odd, right="24", wrong="20")] == [FaultKind.ANSWER]


def test_a_response_is_sound_when_every_equals_sign_was_checked_and_holds() -> None:
    assert is_sound(SUM, think("43 + 14 = 57, 57 - 10 = 47", 47))
    assert is_sound(SUM, think("I see it.", 47))
    assert not is_sound(SUM, think("43 + 14 = 57, 57 - 10 = 40", 47))
    assert not is_sound(SUM, think("43 + 14 = 5At once: 47", 47))
    assert not is_sound(SUM, "<think>43 + 14 = 57</think>\n57 - 10 = 46\n<answer>47</answer>")
