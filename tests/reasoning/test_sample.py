"""Sampling candidates and stopping in time."""

import pytest

from abruzzi.errors import ModelError
from abruzzi.ledger import CallOutcome
from abruzzi.models.scripted import ScriptedChat, fail, hang, reply
from abruzzi.nouns import Completion, FinishReason, Plan, PlanOutcome, Role
from abruzzi.reasoning.events import CandidateDelta, CandidateEnded, Settled
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.sample import read_candidate, solve_request
from abruzzi.reasoning.settings import AskSettings
from tests.reasoning.asking import ask, same, scripted

PLAIN = AskSettings(plan="off", judge=False)


def test_all_candidates_come_from_one_request() -> None:
    model = scripted(solver=["<answer>1</answer>", "<answer>2</answer>", "<answer>3</answer>"])
    asked = ask(model, settings=PLAIN)
    assert [request.n for request in model.requests] == [3]
    assert [c.answer for c in asked.answer.candidates] == ["1", "2", "3"]


def test_cuts_of_the_distribution_go_with_the_request_where_they_are_set() -> None:
    model = scripted(solver=["<answer>1</answer>", "<answer>2</answer>"])
    ask(model, settings=PLAIN.model_copy(update={"n": 1}))
    ask(model, settings=PLAIN.model_copy(update={"n": 1, "top_k": 0, "min_p": 0.1}))
    assert [request.sampling for request in model.requests] == [{}, {"top_k": 0, "min_p": 0.1}]


def test_without_a_shared_prefix_each_has_its_own() -> None:
    model = scripted(solver=["<answer>1</answer>", "<answer>2</answer>", "<answer>3</answer>"])
    asked = ask(model, settings=PLAIN.model_copy(update={"share_prefix": False}))
    assert [request.n for request in model.requests] == [1, 1, 1]
    assert sorted(str(c.answer) for c in asked.answer.candidates) == ["1", "2", "3"]
    assert [c.index for c in asked.answer.candidates] == [0, 1, 2]


def test_a_safe_majority_cancels_the_rest_upstream() -> None:
    solver = [reply("<answer>42</answer>", seconds=1), reply("<answer>42</answer>", seconds=2), hang("still at it")]
    asked = ask(scripted(solver=solver), settings=PLAIN)
    assert asked.answer.seconds == 2
    assert asked.answer.candidates[2].finish_reason is FinishReason.CANCELLED
    assert asked.answer.candidates[2].text == "still at it"
    assert [call.outcome for call in asked.run.ledger.calls] == [CallOutcome.CANCELLED]
    assert [event for event in asked.events if isinstance(event, Settled)] == [Settled(0, 2, 1)]


def test_without_early_stopping_all_are_awaited() -> None:
    solver = [reply("<answer>42</answer>", seconds=s) for s in (1, 2, 9)]
    asked = ask(scripted(solver=solver), settings=PLAIN.model_copy(update={"stop_early": False}))
    assert asked.answer.seconds == 9
    assert {c.cluster for c in asked.answer.candidates} == {0}


def test_a_truncated_candidate_does_not_vote() -> None:
    cut = reply("<answer>41</answer>", finish_reason=FinishReason.LENGTH)
    asked = ask(scripted(solver=[cut, cut, reply("<answer>42</answer>")]), settings=PLAIN)
    assert asked.answer.answer == "42"
    assert [c.cluster for c in asked.answer.candidates] == [None, None, 2]


def test_one_failing_candidate_leaves_its_siblings() -> None:
    solver = [fail("boom", text="half a"), reply("<answer>42</answer>"), reply("<answer>42</answer>", seconds=1)]
    asked = ask(scripted(solver=solver), settings=PLAIN)
    assert asked.answer.answer == "42"
    failed = asked.answer.candidates[0]
    assert (failed.finish_reason, failed.text, failed.error) == (FinishReason.ERROR, "half a", "boom")


def test_some_failing_requests_leave_the_others() -> None:
    solver = ScriptedChat({Role.SOLVER: [fail("down"), reply("<answer>42</answer>", seconds=1), fail("down")]})
    asked = ask(solver, settings=PLAIN.model_copy(update={"share_prefix": False}))
    assert asked.answer.answer == "42"
    assert sum(c.finish_reason is FinishReason.ERROR for c in asked.answer.candidates) == 2


def test_all_failing_raises_the_first_error() -> None:
    asked = ask(scripted(solver=[fail("no such model")] * 3), settings=PLAIN)
    assert isinstance(asked.error, ModelError)
    assert "no such model" in str(asked.error)
    assert len(asked.run.candidates) == 3


def test_after_the_soft_deadline_one_complete_candidate_is_enough() -> None:
    solver = [reply("<answer>1</answer>", seconds=2), hang(), hang()]
    settings = PLAIN.model_copy(update={"soft_deadline_s": 5.0, "hard_deadline_s": 60.0})
    asked = ask(scripted(solver=solver), settings=settings)
    assert (asked.answer.answer, asked.answer.seconds) == ("1", 5)


def test_after_the_soft_deadline_the_first_to_complete_ends_it() -> None:
    solver = [reply("<answer>1</answer>", seconds=20), hang(), hang()]
    settings = PLAIN.model_copy(update={"soft_deadline_s": 5.0, "hard_deadline_s": 60.0})
    asked = ask(scripted(solver=solver), settings=settings)
    assert (asked.answer.answer, asked.answer.seconds) == ("1", 20)


def test_a_budget_bounds_number_and_length() -> None:
    model = scripted(solver=["<answer>1</answer>", "<answer>1</answer>"])
    asked = ask(model, settings=PLAIN.model_copy(update={"token_budget": 40}))
    assert [(request.n, request.max_tokens) for request in model.requests] == [(2, 20)]
    assert any("enough for 2 of 3" in warning for warning in asked.answer.warnings)


def test_planned_and_plain_prompts_share_their_prefix() -> None:
    run = Run("What is 17 + 25?", Roles(*[scripted()] * 3), AskSettings(), same)
    plain = solve_request(run, Plan(PlanOutcome.OFF), 3, None)
    planned = solve_request(run, Plan(PlanOutcome.PLANNED, text="Add $x."), 3, None)
    assert planned.messages[0] == plain.messages[0]
    assert planned.messages[1].content.startswith(plain.messages[1].content)
    assert "Add $x." in planned.messages[1].content


def test_deltas_and_ends_are_told_in_order() -> None:
    asked = ask(scripted(solver=[reply("a b", seconds=2)]), settings=PLAIN.model_copy(update={"n": 1}))
    told = [event for event in asked.events if isinstance(event, CandidateDelta | CandidateEnded)]
    assert told[:2] == [CandidateDelta(0, "a ", is_reasoning=False), CandidateDelta(0, "b", is_reasoning=False)]
    assert isinstance(told[2], CandidateEnded)


@pytest.mark.parametrize(
    ("text", "finish_reason", "answer"),
    [
        ("<think>a</think><answer>42", FinishReason.STOP, "42"),
        ("<think>so it is 42", FinishReason.STOP, None),
        ("", FinishReason.STOP, None),
    ],
)
def test_read_candidate(text: str, finish_reason: FinishReason, answer: str | None) -> None:
    assert read_candidate(Completion(0, text, "", finish_reason, 1.0)).answer == answer
