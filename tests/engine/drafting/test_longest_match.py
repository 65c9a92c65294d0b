"""The group's drafts."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from abruzzi.engine.drafting.draft import Draft, DraftLimits
from abruzzi.engine.drafting.longest_match import LongestMatch
from abruzzi.engine.drafting.text import Part, Source, Text

LIMITS = DraftLimits(ngram_tokens=1, max_draft_tokens=8)
PROMPT = [Part(Source.OTHER, (100,)), Part(Source.QUESTION, (1, 2, 3, 4)), Part(Source.OTHER, (101,))]


def make(*completions: Sequence[int], shares: bool = True, limits: DraftLimits = LIMITS) -> LongestMatch:
    """Write completions one after the other, each after the common prompt."""
    texts = [Text(PROMPT) for _ in completions]
    drafter = LongestMatch(texts, limits, shares=shares)
    for reader, ids in enumerate(completions):
        for token in ids:
            texts[reader].grow(token)
            drafter.note(reader)
    return drafter


def test_a_draft_is_as_long_as_its_match() -> None:
    assert make([1]).draft(0, 99) == Draft((2,), (Source.QUESTION,))
    assert make([1, 2]).draft(0, 99) == Draft((3, 4), (Source.QUESTION,) * 2)


def test_of_two_matches_the_longer_wins_and_of_equal_ones_the_latest() -> None:
    assert make([2, 3, 9, 3, 8, 2, 3]).draft(0, 99).ids == (9, 3)
    assert make([1, 2, 5, 2, 6, 1, 2]).draft(0, 99).ids == (5, 2)
    assert make([7, 5, 7, 6, 7]).draft(0, 99).ids == (6,)


def test_siblings_are_read_by_name_and_only_where_they_are_shared() -> None:
    first, second = [7, 8, 9, 10], [7, 8]
    # The match is 101 7 8: the prompt's last token is common to both.
    assert make(first, second).draft(1, 99) == Draft((9, 10), (Source.SIBLING,) * 2)
    assert make(first, second, shares=False).draft(1, 99) == Draft()


def test_a_sibling_is_copied_up_to_its_end_and_the_prompt_runs_on_into_it() -> None:
    assert make([7, 8, 9], [7, 8]).draft(1, 99).ids == (9,)
    assert make([7, 8, 9], [6, 3, 4]).draft(1, 99) == Draft((101, 7), (Source.OTHER, Source.SIBLING))


def test_a_loop_is_drafted_beyond_its_own_end() -> None:
    drafter = make([5, 6, 5, 6, 5, 6])
    assert drafter.draft(0, 99) == Draft((5, 6, 5, 6), (Source.OWN,) * 4)


def test_room_limit_and_least_match_hold() -> None:
    assert make([5, 6, 5, 6, 5, 6]).draft(0, 1).ids == (5,)
    assert make([5, 6, 5, 6, 5, 6]).draft(0, 0).ids == ()
    assert make([5, 6, 5, 6, 5, 6], limits=DraftLimits(1, 2)).draft(0, 99).ids == (5, 6)
    assert make([9, 1], limits=DraftLimits(2, 8)).draft(0, 99).ids == ()


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=3), st.integers(1, 3))
def test_the_index_finds_what_a_search_of_everything_finds(completions: list[list[int]], least: int) -> None:
    drafter = make(*completions, limits=DraftLimits(least, 99))
    texts = [[100, 1, 2, 3, 4, 101, *ids] for ids in completions]
    reader = len(texts) - 1
    own = texts[reader]

    def longest(text: list[int], place: int) -> int:
        length = 0
        while length < min(place, len(own)) and text[place - 1 - length] == own[-1 - length]:
            length += 1
        return length

    found = [longest(text, place) for text in texts for place in range(1, len(text))]
    expected = max(found)
    drafted = drafter.draft(reader, 99).ids
    if expected < least:
        assert drafted == ()
    else:
        # A sibling's end may cut the draft; what is drafted follows a match of the greatest length.
        assert 1 <= len(drafted) <= expected
        assert any(
            longest(text, place) == expected and text[place] == drafted[0]
            for text in texts
            for place in range(1, len(text))
        )
