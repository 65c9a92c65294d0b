"""Reading the planner's reply, whatever it is."""

import json

import pytest

from abruzzi.models.scripted import fail, hang, reply
from abruzzi.nouns import Completion, FinishReason, Message, PlanOutcome, Role
from abruzzi.reasoning.plan import PLAN_SCHEMA, planner_messages, read_plan
from abruzzi.reasoning.prompts import fill, read_prompt
from abruzzi.reasoning.settings import AskSettings
from tests.reasoning.asking import PLAN, ask, scripted


def completion(text: str, finish_reason: FinishReason = FinishReason.STOP) -> Completion:
    return Completion(0, text, "", finish_reason, 1.0)


def test_a_plan_is_read() -> None:
    plan = read_plan(completion(json.dumps(PLAN)), "What is 17 + 25?")
    assert (plan.outcome, plan.text) == (PlanOutcome.PLANNED, "Add the tens.\nAdd the ones.")


def test_what_stands_beside_the_plan_is_passed_over() -> None:
    plan = read_plan(completion(json.dumps({"topics": ["addition"]} | PLAN)), "What is 17 + 25?")
    assert (plan.outcome, plan.text) == (PlanOutcome.PLANNED, "Add the tens.\nAdd the ones.")


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_plan_says_that_none_is_needed(empty: str) -> None:
    easy = completion(json.dumps({"plan": empty}))
    assert read_plan(easy, "q").outcome is PlanOutcome.NOT_NEEDED
    assert read_plan(easy, "q", is_forced=True).outcome is PlanOutcome.UNUSABLE


def test_a_reply_that_is_cut_before_its_plan_does_not_say_so() -> None:
    assert read_plan(completion('{"plan": "', FinishReason.LENGTH), "q").outcome is PlanOutcome.UNUSABLE


def test_a_truncated_reply_keeps_its_whole_lines() -> None:
    cut = '{"plan": "Do this.\\nDo that.\\nAnd then per'
    plan = read_plan(completion(cut, FinishReason.LENGTH), "q")
    assert (plan.outcome, plan.text) == (PlanOutcome.PLANNED, "Do this.\nDo that.")


def test_a_looping_planner_is_shown_once() -> None:
    looping = PLAN | {"plan": "Add them.\n" * 50}
    assert read_plan(completion(json.dumps(looping)), "q").text == "Add them."


def test_answers_are_taken_out_and_counted() -> None:
    leaking = PLAN | {"plan": "Add them.\nThe answer is 42."}
    plan = read_plan(completion(json.dumps(leaking)), "What is 17 + 25?")
    assert (plan.text, plan.num_redactions) == ("Add them.\nThe answer is […].", 1)


@pytest.mark.parametrize(
    "text", ["", "I would add them.", "{not json", '{"plan": 3}', "[1, 2]", '{"topics": ["sums"]}', '{"pl']
)
def test_a_reply_that_is_no_plan_is_unusable(text: str) -> None:
    plan = read_plan(completion(text), "q")
    assert plan.outcome is PlanOutcome.UNUSABLE
    assert plan.reason


def test_the_planner_is_asked_once_with_the_schema_and_greedily() -> None:
    model = scripted(planner=[reply(json=PLAN)], solver=["<answer>42</answer>"] * 3)
    ask(model)
    (request,) = model.requests_of(Role.PLANNER)
    assert (request.n, request.schema, request.temperature) == (1, PLAN_SCHEMA, 0.0)
    assert request.messages == planner_messages("What is 17 + 25?")


def test_the_planner_is_asked_in_the_words_of_its_prompt() -> None:
    system, user = read_prompt("plan")
    assert planner_messages("Why $5?") == (Message("system", system), Message("user", fill(user, question="Why $5?")))


def test_where_a_plan_is_wanted_in_any_case_nothing_is_said_of_a_gate() -> None:
    model = scripted(planner=[reply(json=PLAN)], solver=["<answer>42</answer>"] * 3)
    ask(model, settings=AskSettings(plan="always"))
    (request,) = model.requests_of(Role.PLANNER)
    assert request.messages == planner_messages("What is 17 + 25?", is_forced=True)
    asked, forced = (planner_messages("q", is_forced=is_forced)[0].content for is_forced in (False, True))
    assert ("empty string" in asked, "empty string" in forced) == (True, False)


def test_a_failing_planner_does_not_stop_the_question() -> None:
    asked = ask(scripted(planner=[fail("the planner is down")], solver=["<answer>42</answer>"] * 3))
    assert asked.answer.answer == "42"
    assert asked.answer.plan.outcome is PlanOutcome.FAILED
    assert any("the planner is down" in warning for warning in asked.answer.warnings)


def test_a_hanging_planner_gets_a_third_of_the_soft_deadline() -> None:
    asked = ask(
        scripted(planner=[hang("{")], solver=["<answer>42</answer>"] * 3),
        settings=AskSettings(soft_deadline_s=30, hard_deadline_s=60),
    )
    assert asked.answer.plan.outcome is PlanOutcome.FAILED
    assert asked.answer.seconds == pytest.approx(10)  # pyright: ignore[reportUnknownMemberType] -- pytest's stub


def test_no_plan_makes_no_call() -> None:
    asked = ask(scripted(solver=["<answer>42</answer>"] * 3), settings=AskSettings(plan="off"))
    assert asked.answer.plan.outcome is PlanOutcome.OFF
    assert [call.role for call in asked.run.ledger.calls] == [Role.SOLVER]
