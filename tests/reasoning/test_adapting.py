"""The adapting pipeline: never above a budget, and the fixed one where nothing binds."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abruzzi.errors import ModelError, NoCandidateError
from abruzzi.models.chat import ChatRequest
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.scripted import Reply, ScriptedChat, fail, reply
from abruzzi.models.simulated import TimedReply, open_simulated, read_schema_name
from abruzzi.nouns import DecidedBy, FinishReason, PlanOutcome, Role
from abruzzi.reasoning.adaptive import Action, choose_next
from abruzzi.reasoning.events import Chose
from abruzzi.reasoning.lengths import History
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings
from abruzzi.statistics.costs import Price, price_usage
from tests.models.virtual_time import run_virtual
from tests.reasoning.asking import FIRST, PLAN, TIE, Asked, ask, same, scripted

FREELY = AskSettings(n=5, adapt=True)
PLANNER = [reply(json=PLAN, seconds=1)]


def answers(*values: object, seconds: float = 1.0) -> list[Reply]:
    return [reply(f"<think>so</think><answer>{value}</answer>", seconds=seconds) for value in values]


def chosen(asked: Asked) -> list[tuple[Action, int]]:
    assert [event.choice for event in asked.events if isinstance(event, Chose)] == asked.run.choices
    return [(choice.action, choice.n) for choice in asked.run.choices]


def test_two_that_agree_are_all_that_is_asked_for() -> None:
    model = scripted(planner=PLANNER, solver=answers(42, 42))
    asked = ask(model, settings=FREELY)
    assert chosen(asked) == [(Action.PLAN, 0), (Action.SAMPLE, 2), (Action.DECIDE, 0)]
    assert (asked.answer.answer, asked.answer.decided_by) == ("42", DecidedBy.AGREEMENT)
    assert [request.n for request in model.requests] == [1, 2]


def test_waves_go_on_until_a_majority_is_safe_and_share_one_clustering() -> None:
    model = scripted(solver=answers(41, 42, 42, 42))
    asked = ask(model, settings=FREELY.model_copy(update={"plan": "off", "seed": 7}))
    assert chosen(asked) == [(Action.SAMPLE, 2), (Action.SAMPLE, 2), (Action.DECIDE, 0)]
    assert [(request.n, request.seed) for request in model.requests] == [(2, 7), (2, 9)]
    assert [c.cluster for c in asked.answer.candidates] == [0, 1, 1, 1]
    assert asked.answer.seconds == 2


def test_disagreement_with_nothing_to_bind_it_is_the_fixed_pipeline() -> None:
    script = {"planner": PLANNER, "solver": answers(1, 2, 3, 4, 5), "judge": [reply(json=FIRST), reply(json=TIE)] * 4}
    adapted, fixed = (
        ask(scripted(**script), settings=AskSettings(n=5, adapt=is_adapting)) for is_adapting in (True, False)
    )
    assert chosen(adapted) == [
        (Action.PLAN, 0),
        (Action.SAMPLE, 2),
        (Action.SAMPLE, 2),
        (Action.SAMPLE, 1),
        (Action.JUDGE, 5),
    ]
    assert not fixed.run.choices
    same_but_time = replace(
        adapted.answer,
        seconds=fixed.answer.seconds,
        candidates=tuple(
            replace(c, seconds=other.seconds)
            for c, other in zip(adapted.answer.candidates, fixed.answer.candidates, strict=True)
        ),
    )
    assert same_but_time == fixed.answer


def test_a_plan_that_is_too_dear_is_left_out() -> None:
    asked = ask(scripted(solver=answers(42, 42)), settings=FREELY.model_copy(update={"token_budget": 800}))
    assert chosen(asked) == [(Action.SKIP_PLAN, 0), (Action.SAMPLE, 1), (Action.SAMPLE, 1), (Action.DECIDE, 0)]
    assert asked.answer.plan.outcome is PlanOutcome.OFF
    assert asked.run.choices[0].reason == "a plan may take 2,048 of 800 tokens, more than a quarter"


def test_a_budget_for_nothing_is_a_typed_error() -> None:
    penny = AskSettings(adapt=True, money=1e-9, prompt_price=1, completion_price=1)
    asked = ask(scripted(), settings=penny)
    assert isinstance(asked.error, NoCandidateError)
    assert "the budget is too small for a candidate" in str(asked.error)
    assert asked.run.ledger.calls == []


def test_an_endpoint_that_is_down_is_its_own_error() -> None:
    asked = ask(scripted(solver=[fail("no such model")] * 2), settings=FREELY.model_copy(update={"plan": "off"}))
    assert type(asked.error) is ModelError
    assert "no such model" in str(asked.error)


def test_a_failing_second_wave_leaves_the_first() -> None:
    solver = [*answers(1, 2), *[fail("down")] * 3]
    off = FREELY.model_copy(update={"plan": "off", "judge": False})
    asked = ask(scripted(solver=solver), settings=off)
    assert (asked.answer.answer, len(asked.answer.candidates)) == ("1", 5)


def test_rate_limits_are_asked_of_what_holds_them() -> None:
    seen: list[tuple[int, int, int]] = []

    def afford(n: int, prompt_tokens: int, tokens_each: int) -> int:
        seen.append((n, prompt_tokens, tokens_each))
        return 2 if len(seen) == 1 else 1

    model = scripted(solver=answers(1, 2, 3, 3))
    limits = AskSettings(n=4, adapt=True, plan="off", judge=False, max_tokens=300)

    async def main() -> Run:
        run = Run("What is 17 + 25?", Roles(model, model, model, afford=afford), limits, same)
        await answer(run)
        return run

    run = run_virtual(main)
    assert [choice.n for choice in run.choices] == [2, 1, 1, 0]
    assert [n for n, _, _ in seen] == [4, 2, 1]
    # Once the first call is billed, its prompt is known to the token.
    assert [prompt for _, prompt, _ in seen[1:]] == [run.ledger.calls[0].usage.prompt_tokens] * 2
    assert seen[0][1] > seen[1][1]
    assert {each for _, _, each in seen} == {300}


def test_the_lengths_of_past_questions_open_the_first_wave() -> None:
    history = History()
    model = scripted(solver=answers(42, 42, 42, 42))
    limits = AskSettings(adapt=True, plan="off", judge=False, token_budget=60)

    async def ask_twice() -> list[list[int]]:
        waves: list[list[int]] = []
        for _ in range(2):
            run = Run("What is 17 + 25?", Roles(model, model, model, history=history), limits, same)
            await answer(run)
            waves.append([choice.n for choice in run.choices if choice.action is Action.SAMPLE])
        return waves

    assert run_virtual(ask_twice) == [[1, 1], [2]]
    assert history.of("scripted") == (1, 1, 1, 1)


# ---------------------------------------------------------------- never above a budget


class Talker:
    """Scripts replies of random lengths that stop at the request's limit, as an endpoint's would."""

    def __init__(self, seed: int, *, mean: float, num_answers: int, is_faulty: bool) -> None:
        self._draw = random.Random(seed)
        self._mean = mean
        self._num_answers = num_answers
        self._is_faulty = is_faulty

    def __call__(self, request: ChatRequest) -> Sequence[Reply]:
        return [self._say(request) for _ in range(request.n)]

    def _say(self, request: ChatRequest) -> Reply:
        draw = self._draw
        length = max(1, round(draw.lognormvariate(0, 0.8) * self._mean))
        seconds = length / draw.uniform(5, 50)
        if self._is_faulty and draw.random() < 0.2:
            return fail("down", text="" if draw.random() < 0.5 else "Well", seconds=seconds)
        limit = length if request.max_tokens is None else min(length, request.max_tokens)
        if limit < length:
            seconds *= limit / length
            return reply("I think", seconds=seconds, num_tokens=limit, finish_reason=FinishReason.LENGTH)
        if request.role is Role.PLANNER:
            return reply(json=PLAN, seconds=seconds, num_tokens=length)
        if request.role is Role.JUDGE:
            return reply(json=draw.choice((FIRST, TIE)), seconds=seconds, num_tokens=length)
        return reply(f"<answer>{draw.randrange(self._num_answers)}</answer>", seconds=seconds, num_tokens=length)


TALKERS = st.builds(
    Talker,
    st.integers(0, 10**6),
    mean=st.sampled_from([5, 30, 120]),
    num_answers=st.integers(1, 6),
    is_faulty=st.booleans(),
)
LIMITS = st.fixed_dictionaries(
    {
        "adapt": st.just(True),
        "n": st.integers(1, 6),
        "plan": st.sampled_from(["auto", "off"]),
        "plan_tokens": st.just(64),
        "judge_tokens": st.just(64),
        "share_prefix": st.booleans(),
        "max_tokens": st.none() | st.integers(10, 300),
        "token_budget": st.none() | st.integers(1, 1500),
        "money": st.none() | st.floats(1e-4, 2e-2),
        "prompt_price": st.sampled_from([0.0, 0.5, 3.0]),
        "completion_price": st.sampled_from([0.0, 1.0, 10.0]),
        "soft_deadline_s": st.sampled_from([2.0, 20.0, 1200.0]),
    }
).map(AskSettings.model_validate)


SCENARIOS = given(TALKERS, LIMITS, st.booleans(), st.none() | st.just(4096))


@settings(max_examples=60, deadline=None)
@SCENARIOS
def test_no_scenario_is_above_its_budget(
    talker: Talker, limits: AskSettings, honours_n: bool, context: int | None
) -> None:
    play(talker, limits, honours_n, context)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@SCENARIOS
def test_none_of_a_thousand_scenarios_is_above_its_budget(
    talker: Talker, limits: AskSettings, honours_n: bool, context: int | None
) -> None:
    play(talker, limits, honours_n, context)


def play(talker: Talker, limits: AskSettings, honours_n: bool, context: int | None) -> None:
    """Ask once; check the bill, the number of candidates and what was reported of the choices."""
    asked = ask(ScriptedChat(talker, honours_n=honours_n, max_context=context), settings=limits)
    used = asked.run.ledger.totals().usage
    assert limits.token_budget is None or used.completion_tokens <= limits.token_budget
    price = Price(limits.prompt_price or 0, limits.completion_price or 0)
    assert limits.money is None or price_usage(used, price) <= limits.money
    assert len(asked.run.candidates) <= limits.n
    for choice in asked.run.choices:
        assert choose_next(choice.state) == choice
    sampled = [choice for choice in asked.run.choices if choice.action is Action.SAMPLE]
    assert sum(choice.n for choice in sampled) == len(asked.run.candidates)
    if asked.result is None:
        assert not any(c.is_complete for c in asked.run.candidates.values())
        assert isinstance(asked.error, ModelError)
    else:
        assert asked.run.choices[-1].action in (Action.JUDGE, Action.DECIDE)
        judged = asked.run.choices[-1].action is Action.JUDGE
        assert judged or not asked.answer.judgements


def test_a_real_connection_keeps_the_budget_too() -> None:
    draw = random.Random(3)

    def respond(body: Mapping[str, Any]) -> TimedReply:
        assert not read_schema_name(body)
        num = min(draw.randrange(20, 60), body["max_tokens"])
        return TimedReply(f"<answer>{draw.randrange(4)}</answer>", 0.01, num)

    async def main() -> list[Run]:
        runs: list[Run] = []
        async with open_simulated(respond) as endpoint, OpenAIChat(endpoint.base_url) as chat:
            for budget in (40, 100, 200, 400):
                limits = AskSettings(n=6, adapt=True, plan="off", judge=False, token_budget=budget)
                run = Run("What is 17 + 25?", Roles(chat, chat, chat), limits, same)
                await answer(run)
                runs.append(run)
        return runs

    for run in anyio.run(main):
        used = run.ledger.totals()
        assert used.is_exact
        assert used.usage.completion_tokens <= (run.settings.token_budget or 0)
        assert run.choices[-1].action is Action.DECIDE
