import json
from collections.abc import Sequence

import pytest

from abruzzi.errors import DataError
from abruzzi.nouns import Message
from abruzzi.statistics.intervals import clustered_mean
from abruzzi.training.judge_accuracy import (
    choose_by_likelihood,
    choose_by_majority,
    compare_choices,
    judge_accuracy,
)
from abruzzi.training.judge_data import Answered, Pair, draw_pairs, read_groups
from tests.training.doubles import make_group, make_sum, think

FIRST, SECOND, TIE, NONE = ('{"verdict": "first"}', '{"verdict": "second"}', '{"verdict": "tie"}', "I like both.")


def group(number: int, *answers: int, logprobs: Sequence[float] = (), family: str = "sums") -> Answered:
    """Replies to "n + n"; no two have the same text."""
    item = make_sum(f"{number} + {number}", name=f"{family}/{number}")
    texts = [think(f"thought {place}", answer) for place, answer in enumerate(answers)]
    (one,) = read_groups([make_group(item, *texts, family=family, logprobs=logprobs)])
    return one


def pairs_of(answered: Sequence[Answered]) -> list[Pair]:
    return draw_pairs(answered, per_item=9, seed=1, is_sound_only=False)


def say(*replies: str):
    """A judge that says this, in order."""

    def ask(requests: Sequence[tuple[Message, ...]]) -> list[str]:
        assert len(requests) == len(replies)
        return list(replies)

    return ask


FOUR = [group(number, 2 * number, 2 * number + 1) for number in (1, 2, 3, 4)]


def test_a_judge_that_knows_is_always_right() -> None:
    def ask(requests: Sequence[tuple[Message, ...]]) -> list[str]:
        replies: list[str] = []
        for messages in requests:
            asked = messages[-1].content
            number = int(asked.partition("answer to ")[2].partition(" +")[0])
            right, wrong = asked.index(f"<answer>{2 * number}\n"), asked.index(f"<answer>{2 * number + 1}\n")
            replies.append(json.dumps({"reasoning": "", "verdict": "first" if right < wrong else "second"}))
        return replies

    score = judge_accuracy(pairs_of(FOUR), ask)
    assert score.choices.scores == (1.0, 1.0, 1.0, 1.0)
    assert (score.votes_right.value, score.unparsed.value, score.num_ties) == (1, 0, 0)
    assert score.flip_rate is not None
    assert score.flip_rate.value == 0
    assert score.first_share is not None
    assert score.first_share.value == 0.5


def test_a_judge_that_always_names_the_first_is_right_half_the_time_and_always_flips() -> None:
    score = judge_accuracy(pairs_of(FOUR), say(*[FIRST] * 8))
    assert score.choices.scores == (0.5, 0.5, 0.5, 0.5)
    assert score.votes_right.value == 0.5
    assert score.flip_rate is not None
    assert score.first_share is not None
    assert (score.flip_rate.value, score.first_share.value) == (1, 1)


def test_mixed_votes_by_hand() -> None:
    # Right reply first, then second: right, wrong, flipped, one without a verdict.
    votes = [FIRST, SECOND, SECOND, FIRST, SECOND, SECOND, NONE, TIE]
    score = judge_accuracy(pairs_of(FOUR), say(*votes))
    assert score.choices.scores == (1.0, 0.0, 0.5, 0.5)
    assert score.choices.accuracy.value == 0.5
    assert score.votes_right.value == pytest.approx(3 / 8)
    assert score.flip_rate is not None
    assert score.flip_rate.value == pytest.approx(1 / 3)
    assert score.first_share is not None
    assert score.first_share.value == pytest.approx(1 / 3)
    assert (score.unparsed.value, score.num_ties) == (pytest.approx(1 / 8), 1)
    assert score.votes[3].verdicts == (None, "tie")


def test_a_judge_without_a_single_verdict_has_no_flips_and_no_place() -> None:
    score = judge_accuracy(pairs_of(FOUR), say(*[NONE] * 8))
    assert (score.flip_rate, score.first_share) == (None, None)
    assert (score.votes_right.value, score.unparsed.value, score.choices.accuracy.value) == (0, 1, 0.5)


def test_pairs_of_one_item_are_one_observation() -> None:
    answered = [group(1, 2, 3, 4, 5), group(2, 4, 5), group(3, 6, 7)]
    pairs = pairs_of(answered)
    assert len(pairs) == 5
    score = judge_accuracy(pairs, say(*[FIRST, SECOND] * 3, *[SECOND, FIRST] * 2))
    assert score.choices.accuracy == clustered_mean([[1.0] * 3, [0.0], [0.0]])


def test_families_are_told_apart() -> None:
    answered = [group(1, 2, 3), group(2, 4, 5, family="more")]
    score = judge_accuracy(pairs_of(answered), say(FIRST, SECOND, SECOND, FIRST))
    assert {family: estimate.value for family, estimate in score.choices.by_family.items()} == {"sums": 1, "more": 0}


def test_majority_and_likelihood_by_hand() -> None:
    answered = [
        group(1, 2, 2, 3, logprobs=(-0.9, -0.9, -0.1)),  # two right, one wrong; the wrong one is likelier
        group(2, 4, 5, 5, logprobs=(-0.1, -0.9, -0.9)),  # one right, two wrong
        group(3, 6, 7, 8, logprobs=(-0.5, -0.5, -0.9)),  # one each
    ]
    pairs = pairs_of(answered)
    by_answer = {pair.wrong.answer: place for place, pair in enumerate(pairs)}
    majority = choose_by_majority(pairs, answered)
    assert [majority.scores[by_answer[a]] for a in ("3", "5", "7", "8")] == [1.0, 0.0, 0.5, 0.5]
    assert majority.accuracy.value == pytest.approx(0.5)
    likelihood = choose_by_likelihood(pairs)
    assert likelihood is not None
    assert [likelihood.scores[by_answer[a]] for a in ("3", "5", "7", "8")] == [0.0, 1.0, 0.5, 1.0]
    difference = compare_choices(pairs, likelihood, majority)
    assert difference.value == pytest.approx((-1 + 1 + 0.25) / 3)


def test_replies_read_from_a_record_have_no_likelihood() -> None:
    (one,) = [group(1, 2, 3)]
    stripped = Answered(one.item, one.family, tuple(type(r)(r.text, r.answer, r.is_correct) for r in one.replies))
    assert choose_by_likelihood(pairs_of([stripped])) is None


def test_each_request_needs_its_reply_and_there_must_be_pairs() -> None:
    with pytest.raises(DataError, match="3 replies to 8 requests"):
        judge_accuracy(pairs_of(FOUR), lambda _: [FIRST] * 3)
    with pytest.raises(DataError, match="no pair to judge"):
        judge_accuracy([], lambda _: [])


def test_marks_differ_between_pairs_and_are_drawn_by_the_seed() -> None:
    seen: list[str] = []

    def ask(requests: Sequence[tuple[Message, ...]]) -> list[str]:
        seen.extend(messages[1].content.split("The mark is ")[1][:16] for messages in requests)
        return [FIRST] * len(requests)

    for seed in (0, 0, 1):
        judge_accuracy(pairs_of(FOUR), ask, seed=seed)
    assert seen[:8:2] == seen[1:8:2]  # both orders of a pair
    assert len(set(seen[:8])) == 4
    assert seen[:8] == seen[8:16]
    assert not set(seen[:8]) & set(seen[16:])
