"""The pipeline from question to answer, and everything that may go wrong on the way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abruzzi.errors import DataError, ModelTimeoutError, NoCandidateError
from abruzzi.ledger import CallOutcome
from abruzzi.models.scripted import Reply, ScriptedChat, fail, hang, reply
from abruzzi.nouns import DecidedBy, FinishReason, Role
from abruzzi.reasoning.events import Answered, CallEnded
from abruzzi.reasoning.settings import AskSettings
from tests.reasoning.asking import FIRST, PLAN, SECOND, TIE, ask, scripted

PLANNER = [reply(json=PLAN, seconds=1)]


def answers(*values: object, seconds: float = 1.0) -> list[Reply]:
    return [reply(f"<think>so</think><answer>{value}</answer>", seconds=seconds) for value in values]


def test_agreement_takes_two_calls_and_no_judge() -> None:
    asked = ask(scripted(planner=PLANNER, solver=answers(42, 42, 41)))
    assert (asked.answer.answer, asked.answer.decided_by) == ("42", DecidedBy.AGREEMENT)
    assert [call.role for call in asked.run.ledger.calls] == [Role.PLANNER, Role.SOLVER]


def test_calls_by_number_of_different_answers_where_n_is_not_honoured() -> None:
    def count(*values: object) -> int:
        judge = [reply(json=TIE)] * 8
        model = ScriptedChat({Role.PLANNER: PLANNER, Role.SOLVER: answers(*values), Role.JUDGE: judge}, honours_n=False)
        return len(ask(model).run.ledger.calls)

    assert count(42, 42, 42) == 4
    assert count(42, 42, 41) == 4
    assert count(42, 41, "") == 6
    assert count(42, 41, 40) == 8


def test_the_winner_of_the_tournament_is_the_answer() -> None:
    # 0 and 1 tie on strength, so 0 rests; 1 meets 2 (2 wins), then 0 meets 2 (2 wins again).
    verdicts = [reply(json=SECOND), reply(json=FIRST)] * 2
    asked = ask(scripted(planner=PLANNER, solver=answers(40, 41, 42), judge=verdicts))
    assert (asked.answer.answer, asked.answer.decided_by) == ("42", DecidedBy.JUDGE)
    assert [(j.first, j.second, j.winner) for j in asked.answer.judgements] == [(1, 2, 2), (0, 2, 2)]


def test_one_candidate_needs_nobody() -> None:
    asked = ask(scripted(solver=answers(42)), settings=AskSettings(n=1, plan="off"))
    assert asked.answer.decided_by is DecidedBy.ONLY_CANDIDATE


def test_one_complete_candidate_is_the_only_one() -> None:
    asked = ask(scripted(solver=[*answers(42), fail("x", text="y"), reply("")]), settings=AskSettings(plan="off"))
    assert asked.answer.decided_by is DecidedBy.ONLY_CANDIDATE


def test_without_a_judge_size_then_likelihood_then_order_decide() -> None:
    off = AskSettings(n=4, plan="off", judge=False)
    by_size = ask(scripted(solver=answers(1, 2, 2, 3)), settings=off)
    assert (by_size.answer.answer, by_size.answer.decided_by) == ("2", DecidedBy.CLUSTER_SIZE)
    likely = [reply("<answer>1</answer>", mean_logprob=-0.5), reply("<answer>2</answer>", mean_logprob=-0.4)]
    by_likelihood = ask(scripted(solver=likely), settings=off.model_copy(update={"n": 2}))
    assert (by_likelihood.answer.answer, by_likelihood.answer.decided_by) == ("2", DecidedBy.LIKELIHOOD)
    by_order = ask(scripted(solver=answers(1, 2)), settings=off.model_copy(update={"n": 2}))
    assert (by_order.answer.answer, by_order.answer.decided_by) == ("1", DecidedBy.FIRST)


def test_no_complete_candidate_falls_back_to_the_best_there_is() -> None:
    cut = reply("<think>long</think> it is 41 or", finish_reason=FinishReason.LENGTH)
    asked = ask(scripted(solver=[cut, reply(""), fail("x", text="y")]), settings=AskSettings(plan="off"))
    assert asked.answer.decided_by is DecidedBy.FALLBACK
    assert asked.answer.chosen == 0


def test_candidates_without_any_text_are_a_typed_error() -> None:
    asked = ask(scripted(solver=[reply(""), reply(" "), reply("")]), settings=AskSettings(plan="off"))
    assert isinstance(asked.error, NoCandidateError)


def test_the_hard_deadline_keeps_what_was_said() -> None:
    limits = AskSettings(plan="off", soft_deadline_s=5, hard_deadline_s=10)
    asked = ask(scripted(solver=[hang("I am sure it is 42"), hang(), hang()]), settings=limits)
    assert asked.answer.decided_by is DecidedBy.FALLBACK
    assert asked.answer.seconds == 10
    assert [call.outcome for call in asked.run.ledger.calls] == [CallOutcome.CANCELLED]


def test_the_hard_deadline_without_a_word_is_a_timeout() -> None:
    limits = AskSettings(plan="off", soft_deadline_s=5, hard_deadline_s=10)
    assert isinstance(ask(scripted(solver=[hang()] * 3), settings=limits).error, ModelTimeoutError)


def test_a_hanging_judge_is_cut_off_at_the_soft_deadline() -> None:
    limits = AskSettings(plan="off", soft_deadline_s=5, hard_deadline_s=10)
    asked = ask(scripted(solver=answers(1, 2, 3), judge=[hang()] * 2), settings=limits)
    assert (asked.answer.answer, asked.answer.decided_by, asked.answer.seconds) == ("1", DecidedBy.FIRST, 5)


def test_a_budget_leaves_the_judge_out_first() -> None:
    limits = AskSettings(plan="off", token_budget=2000)
    asked = ask(scripted(solver=answers(1, 2, 3)), settings=limits)
    assert asked.answer.decided_by is DecidedBy.FIRST
    assert any("no room left for the judge" in warning for warning in asked.answer.warnings)


def test_a_leaking_plan_is_counted() -> None:
    leaking = PLAN | {"plan": "Remember that forty-two is written 42."}
    asked = ask(scripted(planner=[reply(json=leaking)], solver=answers(42, 42, 42)))
    assert asked.answer.plan.leaked
    assert any("the plan held an answer" in warning for warning in asked.answer.warnings)
    assert not ask(scripted(planner=PLANNER, solver=answers(42, 42, 42))).answer.plan.leaked


@pytest.mark.parametrize(
    ("question", "said"), [("  \n", "empty"), ("x" * 1_000_000, "1,000,000"), ("x" * 20_000, "2,048")]
)
def test_an_impossible_question_costs_no_call(question: str, said: str) -> None:
    asked = ask(ScriptedChat({}, max_context=2048), question=question)
    assert isinstance(asked.error, DataError)
    assert said in str(asked.error)
    assert asked.run.ledger.calls == []


def test_the_ledger_and_the_answer_are_told_as_events() -> None:
    asked = ask(scripted(planner=PLANNER, solver=answers(42, 42, 42)))
    assert [event.call for event in asked.events if isinstance(event, CallEnded)] == asked.run.ledger.calls
    assert asked.events[-1] == Answered(asked.answer)


REPLIES = st.sampled_from(
    [
        reply("<answer>1</answer>", seconds=1),
        reply("<answer>2</answer>", seconds=2),
        reply("<answer>3</answer>", seconds=3),
        reply("<answer>1", finish_reason=FinishReason.LENGTH, seconds=2),
        reply("", seconds=1),
        fail("down"),
        fail("cut", text="<answer>2", seconds=2),
        hang("thinking"),
    ]
)
JUDGES = st.sampled_from([reply(json=FIRST), reply(json=SECOND), reply(json=TIE), reply("?"), fail("down"), hang()])


@settings(max_examples=150, deadline=None)
@given(st.lists(REPLIES, min_size=3, max_size=3), st.lists(JUDGES, min_size=4, max_size=4), st.booleans())
def test_every_mixture_ends_in_an_answer_or_a_typed_error(
    solver: list[Reply], judge: list[Reply], is_shared: bool
) -> None:
    limits = AskSettings(soft_deadline_s=50, hard_deadline_s=100, share_prefix=is_shared)
    asked = ask(scripted(planner=PLANNER, solver=solver, judge=judge), settings=limits)
    assert len(asked.run.candidates) == 3
    assert asked.seconds <= 100
    if asked.result is None:
        assert asked.error is not None
        assert not any(c.is_complete for c in asked.run.candidates.values())
    elif any(c.is_complete for c in asked.answer.candidates):
        assert asked.answer.candidates[asked.answer.chosen].is_complete
