import random
from dataclasses import replace

import pytest

from abruzzi.capacity.machines import find_machine
from abruzzi.capacity.question import Ask, Lengths, predict_question
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.shapes import SHAPES
from abruzzi.capacity.stages import ledger_stages, predicted_stages
from abruzzi.ledger import Call, CallOutcome
from abruzzi.nouns import Role, Usage


def call(role: Role, started_s: float, ttft_s: float | None, seconds: float) -> Call:
    return Call(
        role=role,
        model="m",
        outcome=CallOutcome.OK,
        num_choices=1,
        attempt=1,
        usage=Usage(),
        is_exact=True,
        started_s=started_s,
        ttft_s=ttft_s,
        seconds=seconds,
    )


QUESTION = [
    call(Role.PLANNER, 0.5, 1.0, 2.0),  # to 2.5
    call(Role.SOLVER, 3.0, 4.0, 9.0),  # prompt to 7, candidates to 12
    call(Role.JUDGE, 12.0, 1.0, 3.0),  # to 15
    call(Role.JUDGE, 13.0, 3.0, 5.0),  # beside it, to 18
]


def test_stages_of_a_ledger_by_hand() -> None:
    stages = ledger_stages(QUESTION, 20.0)
    assert stages == {"plan": 2.0, "prefill": 4.0, "decode": 5.0, "judge": 6.0, "rest": 3.0}


def test_the_order_of_the_calls_does_not_matter() -> None:
    shuffled = random.Random(1).sample(QUESTION, len(QUESTION))
    assert ledger_stages(shuffled, 20.0) == ledger_stages(QUESTION, 20.0)


def test_candidates_of_several_requests_are_decoded_while_the_first_one_is() -> None:
    # While one decodes and the other still reads its prompt, the second is the prompt's: the earlier stage.
    calls = [call(Role.SOLVER, 0.0, 2.0, 6.0), call(Role.SOLVER, 0.0, 5.0, 8.0)]
    assert ledger_stages(calls, 8.0) == {"plan": 0.0, "prefill": 5.0, "decode": 3.0, "judge": 0.0, "rest": 0.0}


def test_a_call_without_a_token_was_all_waiting_and_a_probe_is_the_rest() -> None:
    calls = [call(Role.PROBE, 0.0, None, 1.0), call(Role.SOLVER, 1.0, None, 2.0)]
    assert ledger_stages(calls, 3.0) == {"plan": 0.0, "prefill": 2.0, "decode": 0.0, "judge": 0.0, "rest": 1.0}


def test_the_published_gate_is_part_of_the_plan() -> None:
    assert ledger_stages([call(Role.TOPICS, 0.0, 1.0, 2.0)], 2.0)["plan"] == 2.0


def test_stages_of_a_prediction_are_its_phases() -> None:
    lengths = Lengths(plan_instructions=50, solve_instructions=40, judge_instructions=60, plan_frame=10, match_frame=20)
    ask = Ask(lengths)
    question = predict_question(Replica(SHAPES["Qwen/Qwen2.5-32B"], find_machine("8xh100")), ask)
    stages = predicted_stages(question)
    plan, solve, *rounds = question.phases
    assert stages["plan"] == plan.seconds
    assert (stages["prefill"], stages["decode"]) == (solve.prefill_s, solve.decode_s)
    assert stages["judge"] == pytest.approx(sum(phase.seconds for phase in rounds))
    assert sum(stages.values()) == pytest.approx(question.seconds)
    agreed = predict_question(
        Replica(SHAPES["Qwen/Qwen2.5-32B"], find_machine("8xh100")), replace(ask, plans=False, is_judged=False)
    )
    assert predicted_stages(agreed)["plan"] == predicted_stages(agreed)["judge"] == 0
