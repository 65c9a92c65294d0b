"""Making one sample: what is waited out, what is given up, what is paid for, and what is the model's own answer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from abruzzi.data.items import Item
from abruzzi.errors import AccessError, DataError, EndpointError, RateLimitError, UnreachableError
from abruzzi.evaluation.attempt import Bench, draw_seed, make_sample
from abruzzi.evaluation.samples import Sample, SampleOutcome
from abruzzi.ledger import CallOutcome
from abruzzi.models.chat import ChatRequest
from abruzzi.models.scripted import Line, ScriptedChat, fail, hang, reply
from abruzzi.nouns import DecidedBy, FinishReason, Outcome, PlanOutcome, Role
from tests.evaluation.making import Naps, Rambler, make_bench, make_item
from tests.models.virtual_time import run_virtual
from tests.reasoning.asking import FIRST, PLAN, SECOND, scripted

ITEM = make_item(truth="42")
RIGHT, WRONG = "<answer>42", "<answer>41"
GONE, BUSY = UnreachableError("gone"), EndpointError("busy", 503)
TURNED_DOWN = EndpointError("no such model", 404)


def make(bench: Bench, item: Item = ITEM, repeat: int = 0) -> Sample:
    async def main() -> Sample:
        return await make_sample(bench, item, repeat)

    return run_virtual(main)


def in_turn(*replies: Line) -> Callable[[ChatRequest], list[Line]]:
    """A script that gives all choices of its first request the first reply, and so on."""
    left = iter(replies)
    return lambda request: [next(left)] * request.n


def test_an_endpoint_that_fails_twice_gives_one_sample_and_all_its_tries_are_paid_for() -> None:
    solver = scripted(solver=[fail(GONE, text="I was saying"), fail(BUSY), reply("So <answer>42")])
    naps = Naps()
    sample = make(make_bench(solver, sleep=naps))
    assert (sample.outcome, sample.score, sample.answer) == (SampleOutcome.CORRECT, 1.0, "42")
    assert (sample.item, sample.repeat, sample.decided_by) == ("s1", 0, DecidedBy.ONLY_CANDIDATE)
    assert naps.pauses == [1.0, 2.0]
    assert [call.outcome for call in sample.calls[1:]] == [CallOutcome.ERROR, CallOutcome.OK]
    # Three words before the connection broke, none, and "So", "<answer>42".
    assert [call.usage.completion_tokens for call in sample.calls] == [3, 0, 2]
    assert sample.usage.completion_tokens == 5
    assert len(sample.candidates) == len(sample.verdicts) == 1


def test_a_request_that_is_turned_down_fails_at_once() -> None:
    naps = Naps()
    sample = make(make_bench(scripted(solver=fail(TURNED_DOWN)), sleep=naps))
    assert (sample.outcome, sample.reason, sample.is_scored) == (SampleOutcome.FAILED, "no such model", False)
    assert naps.pauses == []
    assert len(sample.calls) == 1


def test_patience_that_is_used_up_leaves_the_reason_and_the_bill() -> None:
    naps = Naps()
    sample = make(make_bench(scripted(solver=fail(RateLimitError("slow down"))), sleep=naps, patience_s=10))
    assert (sample.outcome, sample.reason) == (SampleOutcome.FAILED, "slow down")
    assert naps.pauses == [1.0, 2.0, 4.0]  # another 8 s would make 15
    assert len(sample.calls) == 4
    assert sample.candidates == ()


def test_a_refused_key_ends_more_than_this_sample() -> None:
    with pytest.raises(AccessError, match="wrong key"):
        make(make_bench(scripted(solver=fail(AccessError("wrong key", 401)))))


@pytest.mark.parametrize("part", ["planner", "judge"])
def test_a_planners_or_judges_refused_key_is_not_waited_out(part: str) -> None:
    naps = Naps()
    lines: dict[str, Any] = {
        "planner": reply(json=PLAN),
        "solver": [reply(RIGHT), reply(WRONG)],
        "judge": reply(json=FIRST),
    }
    model = scripted(**{**lines, part: fail(AccessError("wrong key", 401))})
    with pytest.raises(AccessError, match=f"the {part} failed: .*wrong key"):
        make(make_bench(model, n=2, plan="always", sleep=naps))
    assert naps.pauses == []


@pytest.mark.parametrize(
    ("error", "pauses"), [(TURNED_DOWN, []), (BUSY, [1.0, 2.0]), (RateLimitError("slow down"), [1.0, 2.0])]
)
def test_a_planner_that_fails_is_waited_out_while_it_may_pass(error: EndpointError, pauses: list[float]) -> None:
    naps = Naps()
    model = scripted(planner=fail(error), solver=reply(RIGHT))
    sample = make(make_bench(model, plan="always", sleep=naps, patience_s=4))
    assert (sample.outcome, naps.pauses) == (SampleOutcome.FAILED, pauses)


@pytest.mark.parametrize("question", ["", " \n"])
def test_a_question_that_cannot_be_asked_is_no_sample(question: str) -> None:
    solver = scripted(solver=RIGHT)
    with pytest.raises(DataError, match="the question is empty"):
        make(make_bench(solver), make_item(question=question))
    assert solver.requests == []


def test_one_candidate_that_failed_makes_the_whole_sample_be_made_again() -> None:
    lines: list[Line] = [WRONG, WRONG, fail(GONE, text="So"), RIGHT, RIGHT, RIGHT]
    naps = Naps()
    sample = make(make_bench(ScriptedChat({Role.SOLVER: lines}), sleep=naps, n=3))
    assert [candidate.answer for candidate in sample.candidates] == ["42", "42", "42"]
    assert (sample.outcome, sample.decided_by) == (SampleOutcome.CORRECT, DecidedBy.AGREEMENT)
    assert naps.pauses == [1.0]
    assert len(sample.calls) == 2


def test_a_planner_that_failed_makes_the_whole_sample_be_made_again() -> None:
    planner = scripted(planner=[fail(GONE), reply(json=PLAN)])
    sample = make(make_bench(scripted(solver=RIGHT), planner=planner, plan="always"))
    assert sample.plan.outcome is PlanOutcome.PLANNED
    told = [(call.role, call.outcome) for call in sample.calls]
    assert told == [
        (Role.PLANNER, CallOutcome.ERROR),
        (Role.SOLVER, CallOutcome.OK),
        (Role.PLANNER, CallOutcome.OK),
        (Role.SOLVER, CallOutcome.OK),
    ]


def test_a_judge_that_failed_makes_the_whole_sample_be_made_again() -> None:
    solver = scripted(solver=[RIGHT, WRONG] * 2)
    judge = scripted(judge=[reply(json=FIRST), fail(GONE), reply(json=FIRST), reply(json=SECOND)])
    sample = make(make_bench(solver, judge=judge, n=2))
    assert (sample.chosen, sample.decided_by, sample.outcome) == (0, DecidedBy.JUDGE, SampleOutcome.CORRECT)
    assert len(judge.requests) == 4
    assert len(sample.judgements) == 1
    assert sum(call.role is Role.JUDGE for call in sample.calls) == 4


def test_a_judge_that_rambles_has_answered() -> None:
    """Its reply is the system's own weakness: no other try would be the same system."""
    solver, judge = scripted(solver=[RIGHT, WRONG]), scripted(judge="Both are fine.")
    naps = Naps()
    sample = make(make_bench(solver, judge=judge, n=2, sleep=naps))
    assert (sample.chosen, sample.decided_by) == (0, DecidedBy.FIRST)
    assert naps.pauses == []
    assert any("is not a verdict" in warning for warning in sample.warnings)


def test_a_planner_that_cannot_write_a_plan_has_answered() -> None:
    """Asked again with the same seed, it would say the same for an hour."""
    naps = Naps()
    planner = Rambler({Role.PLANNER: "First add, then check."})
    sample = make(make_bench(scripted(solver=RIGHT), planner=planner, plan="always", sleep=naps))
    assert (sample.outcome, sample.plan.outcome) == (SampleOutcome.CORRECT, PlanOutcome.FAILED)
    assert (naps.pauses, len(sample.calls)) == ([], 2)


def test_replies_that_are_all_empty_are_an_answer_and_not_a_failure() -> None:
    naps = Naps()
    sample = make(make_bench(scripted(solver=""), n=3, sleep=naps))
    assert (sample.outcome, sample.score, sample.is_scored) == (SampleOutcome.UNPARSED, 0.0, True)
    assert "all replies were empty" in sample.reason
    assert naps.pauses == []
    assert len(sample.candidates) == 3
    assert sample.verdicts == (None, None, None)
    assert len(sample.calls) == 1


def test_empty_replies_after_a_failed_plan_are_made_again() -> None:
    planner = scripted(planner=[fail(GONE), reply(json=PLAN)])
    sample = make(make_bench(scripted(solver=in_turn("", RIGHT)), planner=planner, plan="always"))
    assert (sample.outcome, len(sample.calls)) == (SampleOutcome.CORRECT, 4)


def test_empty_replies_beside_a_failed_one_are_made_again() -> None:
    solver = scripted(solver=["", "", fail(GONE), RIGHT, RIGHT, RIGHT])
    naps = Naps()
    sample = make(make_bench(solver, n=3, sleep=naps))
    assert (sample.outcome, naps.pauses) == (SampleOutcome.CORRECT, [1.0])


def test_equal_seeds_give_equal_samples_and_repeats_have_seeds_of_their_own() -> None:
    solver = ScriptedChat(lambda request: [reply(f"<answer>{request.seed}", seconds=2.0)] * request.n)
    bench = make_bench(solver)

    def told(sample: Sample) -> tuple[Any, ...]:
        calls = [(call.role, call.outcome, call.usage) for call in sample.calls]
        candidates = [replace(candidate, seconds=0.0) for candidate in sample.candidates]  # the ledger's clock is real
        return replace(sample, calls=(), candidates=()), calls, candidates

    first, again, other = make(bench), make(bench), make(bench, repeat=1)
    assert told(first) == told(again)
    assert first.seconds == 2.0
    seeds = [request.seed for request in solver.requests]
    assert seeds[0] == seeds[1] != seeds[2]
    assert other.answer == str(seeds[2])
    assert make(bench, make_item("s2")).answer != first.answer
    assert make(replace(bench, ask=bench.ask.model_copy(update={"seed": 6}))).answer != first.answer


def test_a_seed_is_31_bits_of_a_hash() -> None:
    # printf '5\ns1\n0' | sha256sum begins with 65c92832; its half is the seed.
    assert draw_seed(5, "s1", 0) == 0x65C92832 >> 1
    assert all(0 <= draw_seed("many", k) < 2**31 for k in range(100))


def test_a_try_that_is_made_again_has_the_same_seed() -> None:
    solver = scripted(solver=[fail(BUSY), RIGHT])
    make(make_bench(solver))
    assert len({request.seed for request in solver.requests}) == 1


def test_a_chosen_candidate_that_a_deadline_cut_is_judged_by_what_it_had_said() -> None:
    solver = scripted(solver=[hang("It must be <answer>42", seconds=1.0)])
    sample = make(make_bench(solver, soft_deadline_s=5, hard_deadline_s=9))
    assert (sample.outcome, sample.score, sample.decided_by) == (SampleOutcome.CORRECT, 1.0, DecidedBy.FALLBACK)
    assert sample.candidates[0].finish_reason is FinishReason.CANCELLED
    assert sample.verdicts == (None,)
    assert sample.seconds == 9.0
    assert any("hard deadline" in warning for warning in sample.warnings)


def test_every_candidate_has_a_verdict_and_the_chosen_one_is_the_sample() -> None:
    lines: list[Line] = [WRONG, RIGHT, RIGHT]
    sample = make(make_bench(scripted(solver=lines), n=3))
    assert [verdict and verdict.outcome for verdict in sample.verdicts] == [
        Outcome.WRONG,
        Outcome.CORRECT,
        Outcome.CORRECT,
    ]
    assert (sample.chosen, sample.outcome, sample.has_correct) == (1, SampleOutcome.CORRECT, True)
