"""Rewards: what ended by itself is verified, what has no verdict has no reward."""

from collections.abc import Sequence

import pytest

from abruzzi.data.items import Item
from abruzzi.data.procedural import generate_items
from abruzzi.nouns import FinishReason, Outcome, Verdict
from abruzzi.training.grpo.rewards import CUT, judge_replies, reward_of, verify_replies
from abruzzi.training.grpo.rollouts import Rollout, Sampled

ITEM = Item("sum", "What is 1 + 2?", "3", "math__own")


def rollout(outcome: Outcome, score: float = 0.0) -> Rollout:
    return Rollout(Sampled((1,), (-1.0,), FinishReason.STOP), "a", Verdict(outcome, score, None, ""))


def test_only_a_correct_answer_is_rewarded() -> None:
    assert {outcome: reward_of(rollout(outcome)) for outcome in Outcome} == {
        Outcome.CORRECT: 1.0,
        Outcome.WRONG: 0.0,
        Outcome.UNPARSED: 0.0,
        Outcome.TIMEOUT: 0.0,
        Outcome.ERROR: 0.0,
    }
    assert reward_of(rollout(Outcome.WRONG, score=0.9)) == 0.0, "partial credit is not rewarded"


def test_only_three_outcomes_say_something_of_the_rollout() -> None:
    judged = {outcome for outcome in Outcome if rollout(outcome).is_judged}
    assert judged == {Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED}


def test_what_was_cut_is_not_verified() -> None:
    asked: list[str] = []

    def verify(replies: Sequence[tuple[Item, str]]) -> list[Verdict]:
        asked.extend(text for _, text in replies)
        return [Verdict(Outcome.CORRECT, 1.0, text, "") for _, text in replies]

    stop, length = FinishReason.STOP, FinishReason.LENGTH
    replies = [(ITEM, "a", length), (ITEM, "b", stop), (ITEM, "c", length), (ITEM, "d", stop)]
    verdicts = judge_replies(replies, verify)
    assert asked == ["b", "d"]
    assert [verdict.extracted for verdict in verdicts] == [None, "b", None, "d"]
    assert verdicts[0] == verdicts[2] == CUT
    assert CUT.outcome is Outcome.UNPARSED


def test_a_verifier_that_loses_replies_is_not_believed() -> None:
    with pytest.raises(ValueError, match="shorter"):
        judge_replies([(ITEM, "a", FinishReason.STOP)], lambda replies: [])


def test_the_real_verifiers_are_those_of_evaluation() -> None:
    (item,) = generate_items("chain_sum", 1, 5, {})
    broken = Item("odd", "?", "1", "no such source")
    replies = [
        (ITEM, "<answer>3</answer>"),
        (ITEM, "<answer>4</answer>"),
        (ITEM, ""),
        (item, f"<think>so</think>\n<answer>{item.ground_truth}</answer>"),
        (item, "<answer>0.5</answer>"),
        (broken, "<answer>1</answer>"),
    ]
    outcomes = [verdict.outcome for verdict in verify_replies(replies)]
    assert outcomes == [
        Outcome.CORRECT,
        Outcome.WRONG,
        Outcome.UNPARSED,
        Outcome.CORRECT,
        Outcome.WRONG,
        Outcome.ERROR,
    ]
