from collections.abc import Sequence

import pytest

from abruzzi.data.contamination.contained import ContainedIndex
from abruzzi.data.contamination.grams import Limits
from abruzzi.data.contamination.normalise import normalise

LONG = (
    "A farmer keeps 12 hens and 7 ducks in one yard. Each hen lays 5 eggs in a week, and each duck lays 4 eggs in a "
    "week. How many eggs does the farmer collect in 3 weeks?"
)


def index(*texts: str, n: int = 5, limits: Limits | None = None) -> ContainedIndex:
    return ContainedIndex(
        [normalise(text) for text in texts], [range(len(texts))], n=n, limits=limits or Limits(0.6, min_words=12)
    )


def find(found: ContainedIndex, row: str) -> Sequence[tuple[int, float]]:
    return list(found.find(normalise(row)))


def test_the_score_is_the_share_of_the_items_grams() -> None:
    # red-green, green-blue, blue-black are there; black-white and white-brown are not: three of five.
    loose = Limits(0.6, min_words=1, strict_words=0)
    row = "see red green blue black dogs"
    assert find(index("red green blue black white brown", n=2, limits=loose), row) == [(0, pytest.approx(0.6))]
    tight = Limits(0.61, min_words=1, strict_words=0)
    assert find(index("red green blue black white brown", n=2, limits=tight), row) == []


def test_an_item_is_found_inside_a_longer_text() -> None:
    row = f"Dear all, here is the task of today. {LONG} Please show every step, and draw the yard."
    assert find(index("What is 2+2?", LONG), row) == [(1, 1.0)]


def test_sentences_may_stand_apart_and_in_another_order() -> None:
    parts = LONG.split(". ")
    assert find(index(LONG), f"{parts[2]} Think first. {parts[1]}. Again: {parts[0]}.") == [(0, 1.0)]


@pytest.mark.parametrize(
    "row",
    [
        LONG.replace("12", "14"),
        LONG.replace("3 weeks", "2 weeks"),
        LONG.replace("12 hens and 7 ducks", "7 hens and 12 ducks"),
        LONG.replace("keeps 12 hens", "keeps -12 hens"),
        LONG.split(". ", maxsplit=1)[0] + ".",
        "How many eggs does the farmer collect in 3 weeks?",
    ],
)
def test_other_numbers_and_parts_are_not_the_item(row: str) -> None:
    assert find(index(LONG), f"A task. {row} Good luck with it.") == []


def test_a_short_item_must_stand_there_as_whole_sentences() -> None:
    found = index("What is 2 + 3?", "Simplify $\\sqrt{242}$. Show your work.")
    assert find(found, "First task: What is $2+3$? Answer it.") == [(0, 1.0)]
    assert find(found, "What is 2 + 3 * 4?") == []
    assert find(found, "Tell me what is 2 + 3?") == []
    assert find(found, "Easy. Simplify √242. Show your work. Thanks!") == [(1, 1.0)]
    assert find(found, "Simplify √242. Think. Show your work.") == []


def test_an_item_of_few_words_without_a_number_is_never_contained() -> None:
    found = index("What is x?", "Why?", "7", "Who was the first king of all France?")
    assert find(found, "Let 2x = 6. What is x? Why? Say 7. 7") == []
    assert find(found, "History. Who was the first king of all France? Be brief.") == [(3, 1.0)]


def test_two_items_of_the_same_few_words_are_both_found() -> None:
    frame = "Give it as a fraction in lowest terms."
    found = index("What is 2 + 3?", f"What is 2 + 3? {frame}", *(f"What is {n} + 7? {frame}" for n in range(15)))
    assert find(found, "Well: What is 2 + 3? Thanks.") == [(0, 1.0), (1, 1.0)]


def test_one_other_word_makes_a_short_question_another() -> None:
    item = "Write a function in python to find the length of the longest of all the given words."
    assert find(index(item), f"Hello. {item} Thanks.") == [(0, 1.0)]
    assert find(index(item), item.replace("words", "lists")) == []


def test_the_frame_of_a_benchmark_says_nothing() -> None:
    frame = "Read the following sentence with care and say which of the two given options fits it best by far: "
    texts = [
        f"{frame}the {word} ran home after its long and happy day in town."
        for word in ("cat", "dog", "cow", "pig", "fox")
    ]
    others = [f"{frame}it rained on day {day} of that year." for day in range(1, 8)]
    found = index(*texts, *others)
    assert find(found, frame + "my uncle sold his boat and bought a house by the sea.") == []
    assert find(found, "Dear friend, the cow ran home after its long and happy day in town. Was it tired?") != []
    assert find(found, "It rained on day 5 of that year.") == [(9, 1.0)]
