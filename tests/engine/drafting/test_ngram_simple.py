"""The engine's rules, one by one; ``test_engine_counts`` holds them to the engine itself."""

from abruzzi.engine.drafting.draft import Draft, DraftLimits
from abruzzi.engine.drafting.ngram_simple import NgramSimple
from abruzzi.engine.drafting.text import Part, Source, Text

LIMITS = DraftLimits(ngram_tokens=2, max_draft_tokens=3)


def draft(*ids: int, room: int = 99, limits: DraftLimits = LIMITS) -> tuple[int, ...]:
    return NgramSimple([Text([Part(Source.OTHER, ids)])], limits).draft(0, room).ids


def test_what_followed_the_latest_occurrence_is_copied() -> None:
    assert draft(9, 1, 2, 3, 4, 5, 1, 2, 6, 7, 8, 1, 2) == (6, 7, 8)


def test_without_an_occurrence_there_is_no_draft() -> None:
    assert draft(9, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11) == ()


def test_the_last_token_is_never_copied() -> None:
    # 1 2 occurs at 5; behind it stand 6, 1 and 2, the last.
    assert draft(9, 8, 7, 5, 4, 1, 2, 6, 1, 2) == (6, 1)


def test_less_than_n_tokens_are_no_draft_even_where_an_earlier_place_had_more() -> None:
    assert draft(9, 1, 1, 1, 7, 8, 4, 5, 1, 1, 1, 1) == ()
    assert draft(9, 1, 1, 1, 7, 8, 4, 5, 1, 1, 1, 1, limits=DraftLimits(1, 3)) == (1,)


def test_the_first_ngram_of_a_text_is_no_match() -> None:
    assert draft(1, 2, 3, 4, 5, 6, 7, 1, 2) == ()
    assert draft(9, 1, 2, 3, 4, 5, 6, 7, 1, 2) == (3, 4, 5)


def test_a_short_text_gives_no_draft() -> None:
    # n + m + 1 = 6 tokens before the last are too few, 7 are enough.
    assert draft(9, 1, 2, 3, 4, 1, 2) == ()
    assert draft(9, 1, 2, 3, 4, 5, 1, 2) == (3, 4, 5)


def test_the_room_cuts_a_draft() -> None:
    assert draft(9, 1, 2, 3, 4, 5, 6, 7, 1, 2, room=1) == (3,)
    assert draft(9, 1, 2, 3, 4, 5, 6, 7, 1, 2, room=0) == ()


def test_a_growing_text_is_read_as_it_grows_and_siblings_are_strangers() -> None:
    texts = [Text([Part(Source.QUESTION, (9, 5, 6, 7, 8, 4))]) for _ in range(2)]
    drafter = NgramSimple(texts, LIMITS)
    for token in (1, 2, 3, 0, 1, 2):
        texts[0].grow(token)
        drafter.note(0)
    assert drafter.draft(0, 99) == Draft((3, 0, 1), (Source.OWN,) * 3)
    for token in (1, 2):
        texts[1].grow(token)
        drafter.note(1)
    assert drafter.draft(1, 99) == Draft()
