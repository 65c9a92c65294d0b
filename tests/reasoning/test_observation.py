"""What is read off a run: bills at their worst, prompts, lengths, speed."""

import json
from dataclasses import replace

import anyio

from abruzzi.ledger import Call, CallOutcome, Ledger
from abruzzi.models.chat import ChatRequest
from abruzzi.models.scripted import ScriptedChat, reply
from abruzzi.nouns import Candidate, FinishReason, Message, Role, Usage
from abruzzi.reasoning.adaptive import Part, Rate, Stock
from abruzzi.reasoning.lengths import History, Lengths
from abruzzi.reasoning.observation import (
    bound_prompt,
    charge,
    count_tokens,
    learn_prompt,
    measure_rate,
    observe,
    remember,
)
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.plan import PLAN_SCHEMA
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings
from tests.models.virtual_time import run_virtual
from tests.reasoning.asking import same

CALL = Call(
    role=Role.SOLVER,
    model="m",
    outcome=CallOutcome.OK,
    num_choices=2,
    attempt=1,
    usage=Usage(prompt_tokens=100, cached_tokens=90, completion_tokens=60),
    is_exact=True,
    started_s=0.0,
    ttft_s=0.5,
    seconds=3.0,
)
CUT = replace(CALL, is_exact=False, outcome=CallOutcome.CANCELLED, usage=Usage())
CANDIDATE = Candidate(0, "x" * 30, "", "1", FinishReason.STOP, 0, 1.0)


def test_an_uncertain_bill_counts_at_the_most_it_may_be() -> None:
    most = {Role.SOLVER: Part(prompt_tokens=150, max_tokens=80)}
    assert charge([CALL, CUT], most) == Usage(prompt_tokens=250, completion_tokens=220)
    partly = replace(CUT, usage=Usage(prompt_tokens=170, completion_tokens=30))
    assert charge([partly], most) == Usage(prompt_tokens=170, completion_tokens=160)


def test_a_prompt_is_bounded_by_its_bytes_until_a_call_has_told() -> None:
    request = ChatRequest(role=Role.SOLVER, messages=(Message("system", "ab"), Message("user", "é")))
    assert bound_prompt(request) == 64 + 2 * 16 + 2 + 2
    assert bound_prompt(replace(request, schema=PLAN_SCHEMA)) == 64 + 2 * 16 + 2 + 2 + len(json.dumps(PLAN_SCHEMA.body))
    assert learn_prompt([CUT], 77) == (77, 1)
    assert learn_prompt([CALL, replace(CALL, num_choices=1), CUT], 77) == (100, 2)


def test_lengths_are_the_endpoints_own_or_shares_of_its_sum() -> None:
    longer = replace(CANDIDATE, index=1, text="x" * 60)
    cut = replace(CANDIDATE, index=2, finish_reason=FinishReason.CANCELLED, num_tokens=9)
    assert count_tokens([replace(CANDIDATE, num_tokens=7), cut], [CALL]) == [7]
    assert count_tokens([CANDIDATE, longer], [CALL]) == [20, 40]
    assert count_tokens([CANDIDATE], []) == []


def test_the_slowest_call_tells_the_speed_and_how_many_ran_beside_it() -> None:
    assert measure_rate([CUT]) is None
    assert measure_rate([CALL]) == Rate(10.0, 2)
    beside = replace(CALL, num_choices=1, usage=Usage(completion_tokens=15), started_s=1.0, seconds=3.0)
    # The one beside it began before the middle of the first: three ran together then.
    assert measure_rate([beside, CALL]) == Rate(5.0, 3)
    later = replace(beside, started_s=10.0)
    assert measure_rate([CALL, later]) == Rate(5.0, 1)


def test_the_state_of_a_run_before_and_after_a_candidate() -> None:
    model = ScriptedChat({Role.SOLVER: [reply("<answer>42</answer>", seconds=4, num_tokens=40)]}, max_context=2000)
    limits = AskSettings(n=1, plan="off", judge=False, adapt=True, token_budget=100, soft_deadline_s=60)
    history = History()

    async def main() -> None:
        run = Run("What?", Roles(model, model, model, history=history), limits, same, ledger=Ledger(anyio.current_time))
        run.start()
        before = observe(run, may_plan=True)
        assert (before.votes, before.tokens, before.seconds) == ((), Stock(100, 100), Stock(60, 60))
        assert (before.lengths, before.rate, before.headroom, before.money) == (None, None, None, None)
        assert before.max_tokens == 2000 - before.prompt_tokens
        assert before.planner is not None
        assert before.judge is None
        await answer(run)
        after = observe(run, may_plan=False)
        assert (after.votes, after.tokens, after.seconds) == ((0,), Stock(100, 60), Stock(60, 56))
        assert (after.rate, after.planner) == (Rate(10.0, 1), None)
        assert after.prompt_tokens == run.ledger.calls[0].usage.prompt_tokens < before.prompt_tokens
        # The history holds the question's own by now, so it counts twice.
        assert after.lengths == Lengths(p50=40, p90=80, num_own=1, num_past=1)
        remember(run)
        assert history.of("scripted") == (40, 40)

    run_virtual(main)
