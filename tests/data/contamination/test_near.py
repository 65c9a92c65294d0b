from collections.abc import Sequence
from typing import Any

import datasketch
import pytest

from abruzzi.data.contamination.grams import Limits
from abruzzi.data.contamination.near import BAND_ROWS, BANDS, NUM_PERMUTATIONS, NearIndex
from abruzzi.data.contamination.normalise import normalise

ITEM = (
    "A train leaves the old station at 9 and drives to the coast at 80 miles per hour. A second train leaves the coast "
    "at 10 and drives to the old station at 60 miles per hour. The way is 430 miles long. When do the two trains meet?"
)


def index(*texts: str, n: int = 3, limits: Limits | None = None) -> NearIndex:
    return NearIndex(
        [normalise(text) for text in texts], [range(len(texts))], n=n, limits=limits or Limits(0.5, min_words=12)
    )


def find(found: NearIndex, row: str) -> Sequence[tuple[int, float]]:
    return list(found.find(normalise(row)))


def test_the_score_is_the_jaccard_similarity() -> None:
    # Six 3-grams each, four of them shared: 4 / (6 + 6 - 4).
    item, row = "red green blue black white brown gray pink", "red green blue black white brown then gold"
    loose = Limits(0.5, min_words=1, strict_words=0)
    assert find(index(item, limits=loose), row) == [(0, 0.5)]
    tight = Limits(0.51, min_words=1, strict_words=0)
    assert find(index(item, limits=tight), row) == []


def test_a_question_made_of_the_frame_alone_is_left_out() -> None:
    frame = "If you follow these instructions to the letter, do you return to the starting point? Turn left."
    texts = [f"{frame} Take {number} steps." for number in range(2, 20)]
    assert find(index(*texts), f"{frame} Take 3 steps. Take 5 steps.") == []


def test_the_order_of_sentences_does_not_matter() -> None:
    parts = ITEM.removesuffix("?").split(". ")
    assert find(index(ITEM), f"{parts[3]}? {parts[2]}. {parts[0]}. {parts[1]}.") == [(0, 1.0)]


def test_other_words_lower_the_score() -> None:
    row = ITEM.replace("The way is", "The whole distance is").replace("When do", "At what time do")
    ((number, score),) = find(index("What is 2+2?", ITEM), row)
    assert number == 1
    assert 0.5 <= score < 1


@pytest.mark.parametrize(
    "row",
    [
        ITEM.replace("80", "70"),
        ITEM.replace("430", "450"),
        ITEM.replace("10 and", "11 and").replace("at 9 and", "at 10 and"),
        ITEM.split(". ", maxsplit=1)[0] + ".",
        "A farmer keeps hens and ducks in one yard. Each hen lays eggs in a week, and so does each duck, but fewer.",
        "",
    ],
)
def test_other_numbers_and_other_texts_are_not_near(row: str) -> None:
    assert find(index(ITEM), row) == []


def test_numbers_that_change_places_in_equal_surroundings_are_not_noticed() -> None:
    """A known limit: "at 80 miles per hour" and "at 60 miles per hour" both stand there still."""
    row = ITEM.replace("80", "?").replace("60", "80").replace("?", "60", 1)
    assert find(index(ITEM), row) == [(0, pytest.approx(0.889, abs=0.001))]


def test_short_questions_are_left_out_or_held_strictly() -> None:
    assert find(index("What is the sum of 2 and 3?"), "What is the sum of 2 and 3?") == []
    item = "What is the largest value of x for which the square of x is at most 50?"
    assert find(index(item), item) == [(0, 1.0)]
    assert find(index(item), item.replace("largest", "smallest")) == []


def test_a_short_question_with_its_clauses_turned_round_is_near() -> None:
    item = "If 6 potatoes make 36 hash browns, how many hash browns can you make out of 96 potatoes?"
    row = "How many hash browns can you make out of 96 potatoes, if 6 potatoes make 36 hash browns?"
    strict = Limits(0.5, min_words=12, strict=0.9)
    ((number, score),) = find(index(item, limits=strict), row)
    assert (number, score < 0.9) == (0, True)
    assert find(index(item, limits=strict), row.replace("make out", "get out")) == []
    assert find(index(item, limits=strict), row.replace("96", "36").replace("36 hash browns?", "96 hash browns?")) == []


def test_a_row_much_longer_than_any_question_is_passed_over() -> None:
    assert find(index(ITEM), ITEM + " Here is more text about trains." * 300) == []


def test_a_candidate_of_half_the_similarity_is_hardly_missed() -> None:
    assert BANDS * BAND_ROWS <= NUM_PERMUTATIONS
    missed = (1 - 0.5**BAND_ROWS) ** BANDS
    assert missed == pytest.approx(0.00367, abs=1e-5)


def test_the_library_estimates_what_we_compute() -> None:
    """The signatures are only a sieve, yet must not be nonsense: an estimate lies within four standard errors."""
    one, other = ({f"word{number}" for number in range(start, start + 300)} for start in (0, 100))
    signatures: list[Any] = [datasketch.MinHash(num_perm=NUM_PERMUTATIONS) for _ in range(2)]
    for signature, words in zip(signatures, (one, other), strict=True):
        signature.update_batch([word.encode() for word in sorted(words)])
    assert signatures[0].jaccard(signatures[1]) == pytest.approx(0.5, abs=4 * (0.25 / NUM_PERMUTATIONS) ** 0.5)
