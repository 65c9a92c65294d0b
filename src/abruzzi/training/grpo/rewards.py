"""Rewards: the verifiers of evaluation and answering, put to rollouts in processes that can be killed.

A rollout that was cut at its limit states no answer and is not verified. A verifier that times out or breaks says
nothing about the rollout: such a one has no reward, is masked from the loss and counted, and is never a silent 0.
"""

from collections.abc import Callable, Sequence

from abruzzi.data.items import Item
from abruzzi.nouns import FinishReason, Outcome, Verdict
from abruzzi.training.grpo.rollouts import Rollout
from abruzzi.verifiers import Row, verify_many

Verify = Callable[[Sequence[tuple[Item, str]]], Sequence[Verdict]]
"""Holds replies against their items' ground truths, in order; takes its time, never hangs."""

CUT = Verdict(Outcome.UNPARSED, 0.0, None, "cut at its token limit")


def verify_replies(replies: Sequence[tuple[Item, str]]) -> list[Verdict]:
    """Verify replies side by side, one process a core."""
    rows = (Row(item.id, item.data_source, text, item.ground_truth, item.extra) for item, text in replies)
    return list(verify_many(rows))


def judge_replies(replies: Sequence[tuple[Item, str, FinishReason]], verify: Verify = verify_replies) -> list[Verdict]:
    """Verify the replies that ended by themselves; the others are ``unparsed``."""
    ended = [place for place, reply in enumerate(replies) if reply[2] is FinishReason.STOP]
    verdicts = [CUT] * len(replies)
    for place, verdict in zip(ended, verify([replies[place][:2] for place in ended]), strict=True):
        verdicts[place] = verdict
    return verdicts


def reward_of(rollout: Rollout) -> float:
    """The reward of a judged rollout: 1 for a correct answer, else 0; partial credit is not rewarded."""
    return 1.0 if rollout.verdict.outcome is Outcome.CORRECT else 0.0
