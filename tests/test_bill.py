"""The bill of real questions on the real engine, held against the engine's own counters, to the token."""

import random
from dataclasses import dataclass

import anyio
import pytest

from abruzzi.engine.counters import EngineCounters, read_counters
from abruzzi.engine.process import Engine
from abruzzi.errors import ModelError
from abruzzi.ledger import Ledger, Totals
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.reasoning.agreement import open_agreement
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings


@dataclass(frozen=True, slots=True)
class Bill:
    totals: Totals
    before: EngineCounters
    after: EngineCounters
    num_answers: int


def ask_many(engine: Engine, num_questions: int, *, seed: int = 7) -> Bill:
    """Ask sums; every third question runs into a deadline somewhere, so that calls are cut at any point."""
    rng = random.Random(seed)
    ledger = Ledger()

    async def ask(chat: OpenAIChat, number: int) -> bool:
        limit_s = rng.uniform(0.2, 2.0) if number % 3 == 2 else 60.0
        settings = AskSettings(
            max_tokens=24,
            plan_tokens=48,
            judge_tokens=24,
            soft_deadline_s=limit_s,
            hard_deadline_s=limit_s,
            stop=(),
            seed=rng.randrange(1 << 30),
        )
        question = f"What is {rng.randrange(10, 99)} + {rng.randrange(10, 99)}?"
        async with open_agreement() as agree:
            run = Run(question, Roles(chat, chat, chat), settings, agree, ledger=ledger)
            try:
                await answer(run)
            except ModelError:
                return False
        return True

    async def main() -> Bill:
        before = read_counters(engine)
        async with OpenAIChat(
            engine.base_url, model=engine.model, api_key=engine.api_key, dialect="llama.cpp", max_n=3
        ) as chat:
            answers = [await ask(chat, number) for number in range(num_questions)]
        after = read_counters(engine)
        return Bill(ledger.totals(), before, after, sum(answers))

    return anyio.run(main)


def check(bill: Bill) -> None:
    usage, before, after = bill.totals.usage, bill.before, bill.after
    assert bill.totals.is_exact
    assert after.process_id == before.process_id
    assert usage.prompt_tokens == after.prompt_tokens - before.prompt_tokens
    assert usage.cached_tokens == after.cached_tokens - before.cached_tokens
    assert usage.completion_tokens == after.completion_tokens - before.completion_tokens


@pytest.mark.engine
def test_a_few_questions_with_cancellations_add_up(engine: Engine) -> None:
    bill = ask_many(engine, 3)
    check(bill)
    assert bill.totals.num_cancelled >= 1


@pytest.mark.engine
@pytest.mark.slow
def test_twenty_questions_with_cancellations_add_up(engine: Engine) -> None:
    bill = ask_many(engine, 20)
    check(bill)
    assert bill.totals.num_cancelled >= 3
