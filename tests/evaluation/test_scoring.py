"""Scoring replies: a reply that was cut holds an answer only where it says so itself."""

import anyio
import anyio.lowlevel
import pytest

from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.evaluation.scoring import score_candidate, score_candidates, verify_item
from abruzzi.nouns import Candidate, FinishReason, Outcome, Verdict
from tests.evaluation.making import judge_by_text, make_item

MATHS = make_item(truth="42")
CUT, ENDED = FinishReason.LENGTH, FinishReason.STOP


def say(text: str, finish: FinishReason = ENDED, index: int = 0) -> Candidate:
    return Candidate(index, text, "", None, finish, None, 1.0)


class Seen:
    """A judge that calls everything correct, and remembers what it was shown."""

    def __init__(self) -> None:
        self.replies: list[str] = []

    async def __call__(self, item: Item, reply: str) -> Verdict:
        self.replies.append(reply)
        return Verdict(Outcome.CORRECT, 1.0, reply, item.id)


def score(item: Item, candidate: Candidate) -> tuple[Outcome, list[str]]:
    judge = Seen()
    return anyio.run(score_candidate, item, candidate, judge).outcome, judge.replies


@pytest.mark.parametrize(
    "text",
    [
        "First 17 + 25.\nThat is 42",  # the last number is where it happened to be cut
        "17 + 25 = 42",
        "<think>It must be \\boxed{42}, or",  # still thinking
        "So the answer is \\boxed{42",  # the box is cut: 42 may be 421
        "",
    ],
)
def test_a_cut_reply_without_a_stated_answer_is_unparsed_and_no_verifier_is_asked(text: str) -> None:
    assert score(MATHS, say(text, CUT)) == (Outcome.UNPARSED, [])


@pytest.mark.parametrize(
    "text",
    [
        "It is \\boxed{42}. Let me check whether 17 +",
        "<answer>42</answer> To be sure, 17",
        "The answer is 42. Since 17",
    ],
)
def test_a_cut_reply_that_had_stated_its_answer_is_verified(text: str) -> None:
    assert score(MATHS, say(text, CUT)) == (Outcome.CORRECT, [text])


@pytest.mark.parametrize("text", ["That is 42", "17 + 25 = 42", ""])
def test_a_reply_that_ended_by_itself_is_verified_as_it_is(text: str) -> None:
    assert score(MATHS, say(text)) == (Outcome.CORRECT, [text])


@pytest.mark.parametrize("source", ["codegen__leetcode", "simulation__cruxeval-o", "ood__ifeval"])
def test_where_the_whole_reply_is_the_answer_a_cut_one_is_verified_whole(source: str) -> None:
    text = "def add(a, b):\n    return a + b\n# and now 42"
    assert score(make_item(data_source=source), say(text, CUT)) == (Outcome.CORRECT, [text])


def test_each_candidate_has_a_verdict_in_order_and_what_did_not_end_has_none() -> None:
    candidates = [
        say("<answer>42", index=0),
        say("<answer>42", FinishReason.CANCELLED, index=1),
        say("<answer>41", index=2),
        say("<answer>42", FinishReason.ERROR, index=3),
        say("so 42", CUT, index=4),
    ]
    verdicts = anyio.run(score_candidates, MATHS, candidates, judge_by_text)
    assert [verdict and verdict.outcome for verdict in verdicts] == [
        Outcome.CORRECT,
        None,
        Outcome.WRONG,
        None,
        Outcome.UNPARSED,
    ]
    nobody: list[Candidate] = []
    assert anyio.run(score_candidates, MATHS, nobody, judge_by_text) == ()


def test_candidates_are_verified_side_by_side() -> None:
    under_way = most = 0

    async def judge(item: Item, reply: str) -> Verdict:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.lowlevel.checkpoint()
        under_way -= 1
        return await judge_by_text(item, reply)

    verdicts = anyio.run(score_candidates, MATHS, [say(f"<answer>{k}") for k in (41, 42, 43)], judge)
    assert most == 3
    assert [verdict and verdict.score for verdict in verdicts] == [0.0, 1.0, 0.0]


def test_the_verifiers_of_training_judge() -> None:
    async def main() -> list[Outcome]:
        replies = ["<answer>\\frac{84}{2}", "<answer>41", "I do not know"]
        return [(await verify_item(MATHS, reply)).outcome for reply in replies]

    assert anyio.run(main) == [Outcome.CORRECT, Outcome.WRONG, Outcome.WRONG]


def test_an_item_that_no_verifier_takes_is_refused() -> None:
    with pytest.raises(DataError, match="unknown data source 'poetry'"):
        anyio.run(verify_item, make_item(data_source="poetry"), "<answer>42")


def test_so_are_the_candidates_of_such_an_item() -> None:
    with pytest.raises(DataError, match="unknown data source 'poetry'"):
        anyio.run(score_candidates, make_item(data_source="poetry"), [say("<answer>42")], judge_by_text)
