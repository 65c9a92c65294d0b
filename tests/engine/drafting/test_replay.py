"""Replays, counted by hand."""

import random
from collections.abc import Sequence
from functools import partial

import pytest

from abruzzi.engine.drafting.draft import Draft, DraftLimits
from abruzzi.engine.drafting.longest_match import LongestMatch
from abruzzi.engine.drafting.ngram_simple import NgramSimple
from abruzzi.engine.drafting.replay import Completed, add_up, replay
from abruzzi.engine.drafting.text import Part, Source, Text
from abruzzi.errors import DataError

PROMPT = (Part(Source.QUESTION, (1, 2, 3, 4)), Part(Source.OTHER, (9,)))
GROUP = partial(LongestMatch, limits=DraftLimits(1, 8))


class Parrot:
    """Always proposes the same, and keeps what it saw."""

    def __init__(self, texts: Sequence[Text], ids: tuple[int, ...], seen: list[list[int]]) -> None:
        self._texts, self._ids, self._seen = texts, ids, seen

    def note(self, reader: int) -> None:
        """Nothing to learn."""

    def draft(self, reader: int, room: int) -> Draft:
        self._seen.append([text.num_own_tokens for text in self._texts])
        ids = self._ids[:room]
        return Draft(ids, (Source.OWN,) * len(ids))


def test_a_pass_keeps_the_draft_up_to_the_first_difference_and_adds_a_token() -> None:
    # 5 from the prompt's pass; [6 6 8] 6 6 + 7; [6 6 8] 6 + 5; [6 6 8] + 0.
    (found,) = replay([Completed(PROMPT, (5, 6, 6, 7, 6, 5, 0))], partial(Parrot, ids=(6, 6, 8), seen=[]))
    assert (found.num_tokens, found.num_passes) == (7, 3)
    assert (found.draft_tokens, found.accepted_tokens) == (9, 3)
    assert found.acceptance_rate == pytest.approx(1 / 3)
    assert found.tokens_per_pass == pytest.approx(2.0)


def test_nothing_beyond_the_end_is_accepted_and_nothing_beyond_the_limit_drafted() -> None:
    completed = Completed(PROMPT, (5, 6, 6))
    (free,) = replay([completed], partial(Parrot, ids=(6, 6, 6, 6), seen=[]))
    assert (free.num_passes, free.draft_tokens, free.accepted_tokens) == (1, 4, 2)
    (limited,) = replay([completed], partial(Parrot, ids=(6, 6, 6, 6), seen=[]), max_tokens=3)
    assert (limited.num_passes, limited.draft_tokens, limited.accepted_tokens) == (1, 1, 1)


def test_a_completion_of_one_token_needs_no_pass_and_an_empty_one_is_refused() -> None:
    (found,) = replay([Completed(PROMPT, (5,))], GROUP)
    assert (found.num_passes, found.tokens_per_pass, found.acceptance_rate) == (0, 1.0, 0.0)
    with pytest.raises(DataError, match="leave it out"):
        replay([Completed(PROMPT, ())], GROUP)


def test_a_group_goes_in_lock_step() -> None:
    seen: list[list[int]] = []
    group = [Completed(PROMPT, (5, 6, 7)), Completed(PROMPT, (5, 6, 6, 6, 8))]
    replay(group, partial(Parrot, ids=(6,), seen=seen))
    # Both draft before either grows; the first has ended after one pass.
    assert seen == [[1, 1], [1, 1], [3, 3]]


def test_sources_are_told_apart() -> None:
    plan = (*PROMPT, Part(Source.PLAN, (20, 21, 22)), Part(Source.OTHER, (23,)))
    # 1 | [2] ok + 3 | [4 9 20]: 4 ok, + 20 | [21] ok + 22
    (found,) = replay([Completed(plan, (1, 2, 3, 4, 20, 21, 22))], GROUP)
    assert found.accepted == {Source.QUESTION: 2, Source.PLAN: 1}
    assert found.drafted == {Source.QUESTION: 2, Source.OTHER: 1, Source.PLAN: 2}
    assert found.num_passes == 3


def test_equal_siblings_help_only_whoever_comes_later() -> None:
    said = (30, 31, 32, 33, 34, 35, 36, 37)
    together = replay([Completed(PROMPT, said), Completed(PROMPT, said)], GROUP)
    assert [one.accepted_tokens for one in together] == [0, 0]  # in lock step neither is ahead
    ahead = Completed((*PROMPT, Part(Source.OTHER, said)), (50,))
    late = replay([ahead, Completed(PROMPT, said)], GROUP)[1]
    # The five tokens of the prompt and 30 match: a draft of six, and the pass adds the last token.
    assert (late.accepted_tokens, late.num_passes) == (6, 1)


def test_adding_up_keeps_ratios_of_sums() -> None:
    parts = replay([Completed(PROMPT, (1, 2, 3)), Completed(PROMPT, (40, 41, 42, 43))], GROUP)
    total = add_up(parts)
    assert (total.num_tokens, total.num_completions) == (7, 2)
    assert total.num_passes == sum(part.num_passes for part in parts)
    assert total.tokens_per_pass == pytest.approx(5 / total.num_passes)
    assert add_up([]).tokens_per_pass == 1.0


def test_what_another_question_says_changes_nothing() -> None:
    rng = random.Random(3)
    ours = [Completed(PROMPT, tuple(rng.choices(range(1, 6), k=30))) for _ in range(3)]
    for new_drafter in (GROUP, partial(NgramSimple, limits=DraftLimits(2, 4))):
        alone = replay(ours, new_drafter)
        replay([Completed(PROMPT, tuple(rng.choices(range(1, 6), k=30)))], new_drafter)
        assert replay(ours, new_drafter) == alone


def test_every_token_is_emitted_once_whatever_is_drafted() -> None:
    rng = random.Random(5)
    group = [Completed(PROMPT, tuple(rng.choices(range(1, 5), k=rng.randint(1, 40)))) for _ in range(8)]
    for found, completed in zip(replay(group, GROUP, max_tokens=40), group, strict=True):
        assert found.num_passes + found.accepted_tokens in (len(completed.ids) - 1, len(completed.ids))
        assert found.accepted_tokens <= found.draft_tokens
