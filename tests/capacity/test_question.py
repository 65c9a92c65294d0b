from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.capacity.lengths import order_means
from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.passes import decode_pass, prefill_seconds
from abruzzi.capacity.question import Ask, Lengths, predict_question
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.shapes import SHAPES
from abruzzi.capacity.speculation import Speculation, expected_tokens
from abruzzi.errors import ConfigError
from tests.capacity.shapes import SMALL, TOY

LENGTHS = Lengths(
    plan_instructions=30,
    solve_instructions=20,
    judge_instructions=40,
    plan_frame=10,
    match_frame=15,
    question=12,
    plan=8,
    candidate=100,
    response=6,
    verdict=5,
    spread=0.0,
)
REPLICA = Replica(SMALL, TOY)
LARGE = Replica(SHAPES["Qwen/Qwen2.5-32B"], find_machine("8xh100"))
LONG = replace(LENGTHS, candidate=8000, spread=0.4)


def pass_s(sequences: int, context: float) -> float:
    return decode_pass(REPLICA, sequences=sequences, context_tokens=context).seconds


def test_a_judged_question_by_hand() -> None:
    question = predict_question(REPLICA, Ask(LENGTHS))
    plan, solve, first, second = question.phases
    assert [phase.name for phase in question.phases] == ["plan", "solve", "judge, round 1", "judge, round 2"]
    middle = 20 + 12 + 10 + 8 + 50
    # The plan: 12 tokens of question after 30 cached ones; 8 tokens, alone.
    assert plan.prefill_s == pytest.approx(prefill_seconds(REPLICA, tokens=12, cached_tokens=30))
    assert plan.decode_s == pytest.approx(8 * pass_s(1, 30 + 12 + 4))
    assert (plan.prompt_tokens, plan.completion_tokens) == (12, 8)
    # Solving: question, frame and plan after 20 cached tokens, once for all three; then 100 passes of three.
    assert solve.prefill_s == pytest.approx(prefill_seconds(REPLICA, tokens=30, cached_tokens=20))
    assert solve.decode_s == pytest.approx(100 * pass_s(3, middle))
    assert (solve.prompt_tokens, solve.completion_tokens) == (30, pytest.approx(300))
    assert question.ttft_s == solve.prefill_s
    # Three clusters: one match in either order, then the winner against the one that had no match.
    match = prefill_seconds(REPLICA, tokens=15 + 12, cached_tokens=40 + 12)
    assert second.prefill_s == pytest.approx(2 * match)
    assert first.prefill_s == pytest.approx(2 * match + prefill_seconds(REPLICA, tokens=12, cached_tokens=40))
    assert first.decode_s == second.decode_s == pytest.approx(5 * pass_s(2, 40 + 12 + 27 + 2.5))
    assert (first.prompt_tokens, second.prompt_tokens) == (2 * 27 + 12, 2 * 27)
    assert question.seconds == pytest.approx(sum(phase.prefill_s + phase.decode_s for phase in question.phases))


def test_a_lone_question_has_the_machine_to_itself() -> None:
    question = predict_question(REPLICA, Ask(LENGTHS))
    assert question.machine_s == pytest.approx(question.seconds)


def test_other_questions_share_passes_and_their_cost() -> None:
    plan, solve, judge, _ = predict_question(REPLICA, Ask(LENGTHS, batch=9)).phases
    # Beside six sequences in the middle of solving: one that plans, three that solve, two that judge.
    assert plan.decode_s == pytest.approx(8 * pass_s(7, (46 + 6 * 100) / 7))
    assert plan.machine_s == pytest.approx(plan.prefill_s + plan.decode_s / 7)
    assert solve.decode_s == pytest.approx(100 * pass_s(9, 100))
    assert solve.machine_s == pytest.approx(solve.prefill_s + solve.decode_s * 3 / 9)
    assert judge.machine_s == pytest.approx(judge.prefill_s + judge.decode_s * 2 / 8)


def test_agreement_waits_for_the_second_of_three_and_asks_no_judge() -> None:
    spread = replace(LENGTHS, spread=0.4)
    shortest, middle, _ = order_means(3, 0.4)
    question = predict_question(REPLICA, Ask(spread, is_judged=False))
    solve = question.phases[-1]
    assert solve.name == "solve"
    assert solve.decode_s == pytest.approx(100 * middle * pass_s(3, 100))
    # The third is cut when the second ends.
    assert solve.completion_tokens == pytest.approx(100 * (shortest + 2 * middle))


@pytest.mark.parametrize(("n", "calls"), [(1, []), (2, [2]), (3, [2, 2]), (4, [4, 2]), (8, [8, 4, 2]), (5, [4, 2, 2])])
def test_a_knock_out_has_a_match_less_than_clusters(n: int, calls: list[int]) -> None:
    question = predict_question(REPLICA, Ask(LENGTHS, n=n, batch=n))
    judged = [phase.completion_tokens / 5 for phase in question.phases if phase.name.startswith("judge")]
    assert judged == calls
    assert sum(calls) == 2 * (n - 1)


def test_without_a_plan_the_prompt_is_shorter() -> None:
    question = predict_question(REPLICA, Ask(LENGTHS, plans=False))
    assert question.phases[0].name == "solve"
    assert question.phases[0].prompt_tokens == 12


def test_speed_and_cost_by_hand() -> None:
    question = predict_question(REPLICA, Ask(LENGTHS, batch=6))
    assert question.tokens_per_second == pytest.approx(1 / pass_s(6, 100))
    assert question.total_tokens_per_second == pytest.approx(6 / pass_s(6, 100))
    assert question.cost(7200.0) == pytest.approx(2 * question.machine_s)


def test_drafts_shorten_decoding_by_what_a_pass_yields() -> None:
    plain = predict_question(LARGE, Ask(LONG)).phases[1]
    drafted = predict_question(LARGE, Ask(LONG, speculation=Speculation(0.6, 3))).phases[1]
    # Reading binds both, so that a pass costs hardly more.
    assert plain.decode_s / drafted.decode_s == pytest.approx(expected_tokens(0.6, 3), rel=0.02)
    assert drafted.completion_tokens == plain.completion_tokens


@given(st.integers(1, 20))
def test_company_makes_a_question_slower_and_cheaper(times: int) -> None:
    few = predict_question(LARGE, Ask(LONG, batch=3 * times))
    many = predict_question(LARGE, Ask(LONG, batch=3 * times + 3))
    assert many.seconds >= few.seconds
    assert many.machine_s < few.machine_s


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="do not fit"):
        predict_question(LARGE, Ask(LONG, batch=1000))


@pytest.mark.parametrize(("n", "batch", "message"), [(0, 3, "n is 0"), (4, 3, "does not hold 4 candidates")])
def test_impossible_questions_are_refused(n: int, batch: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Ask(LENGTHS, n=n, batch=batch)
