"""The adapters that are shipped: whole, on record, and better than the base (slow) at what their cards say."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from abruzzi.engine.adapters import shipped_adapter
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.nouns import Completion, FinishReason, Message, PlanOutcome
from abruzzi.reasoning.judge import judge_messages, read_judge_reply
from abruzzi.reasoning.plan import planner_messages, read_plan
from abruzzi.reasoning.sample import solver_messages
from tests.engine.asking import chat

SUMS = ("2 + 3 + 4", "7 + 7 + 7", "5 + 0 + 6", "1 + 8 + 5", "8 - 2 - 3")
SLIPS = (1, -3, 4, -1, 2)
QUESTION = "State the final answer to the following arithmetic problem: {} ="


@pytest.mark.parametrize("role", ["solver", "planner", "judge"])
def test_what_is_shipped_is_what_its_record_says(role: str) -> None:
    adapter = shipped_adapter(role)
    assert adapter is not None
    record = json.loads(adapter.with_suffix(".abruzzi.json").read_text())
    assert record["base"]["spec"] == "embedded"
    assert record["sha256"] == {adapter.name: hashlib.sha256(adapter.read_bytes()).hexdigest()}
    assert f"## {adapter.name}" in (adapter.parent / "README.md").read_text()


def test_a_role_without_a_file_plays_on_the_base() -> None:
    assert shipped_adapter("critic") is None


def open_engine(engine: Engine, role: str, context_tokens: int) -> Engine:
    """Make an engine for the base under a role's shipped adapter."""
    adapter = shipped_adapter(role)
    assert adapter is not None
    settings = EngineSettings(
        model=engine.settings.model,
        adapters=(Adapter(role, adapter),),
        slots=2,
        context_tokens=context_tokens,
        threads=1,
    )
    return Engine(settings)


def say(trained: Engine, asked: Sequence[Message], scale: float, max_tokens: int) -> str:
    """Let it answer greedily, with so much of the adapter: 0 is the base."""
    messages = [{"role": message.role, "content": message.content} for message in asked]
    greedy: dict[str, Any] = {"temperature": 0, "max_tokens": max_tokens, "lora": [{"id": 0, "scale": scale}]}
    (text,) = chat(trained, "", messages=messages, **greedy).texts()
    return text


def adds(trained: Engine, terms: str, scale: float) -> bool:
    """True where the solver's answer to a sum is right."""
    text = say(trained, solver_messages(QUESTION.format(terms), ""), scale, 60)
    return text.rpartition("<answer>")[2].removesuffix("</answer>") == str(eval(terms))


def tells_apart(trained: Engine, terms: str, slip: int, scale: float) -> bool:
    """True where the judge names the right answer to a sum in both orders."""
    right, wrong = f"<answer>{eval(terms)}", f"<answer>{eval(terms) + slip}"
    for place, shown in (("first", (right, wrong)), ("second", (wrong, right))):
        asked = judge_messages(QUESTION.format(terms), *shown, mark="5ec2e7")
        reply = read_judge_reply(say(trained, asked, scale, 128))
        if reply is None or reply.verdict != place:
            return False
    return True


@pytest.mark.engine
def test_the_solver_adds(engine: Engine) -> None:
    with open_engine(engine, "solver", 512) as trained:
        assert sum(adds(trained, terms, 1.0) for terms in SUMS) >= 3


@pytest.mark.engine
def test_the_judge_tells_right_from_wrong(engine: Engine) -> None:
    with open_engine(engine, "judge", 1024) as trained:
        assert sum(tells_apart(trained, terms, slip, 1.0) for terms, slip in zip(SUMS[:3], SLIPS, strict=False)) >= 2


@pytest.mark.engine
@pytest.mark.slow
def test_the_base_does_neither_and_the_judge_is_right_in_four_of_five(engine: Engine) -> None:
    with open_engine(engine, "solver", 512) as trained:
        assert sum(adds(trained, terms, 0.0) for terms in SUMS) <= 1
    with open_engine(engine, "judge", 1024) as trained:
        assert sum(tells_apart(trained, terms, slip, 1.0) for terms, slip in zip(SUMS, SLIPS, strict=True)) >= 4
        assert sum(tells_apart(trained, terms, slip, 0.0) for terms, slip in zip(SUMS, SLIPS, strict=True)) <= 1


@pytest.mark.engine
def test_the_planner_says_the_facts_and_sees_where_no_plan_is_needed(engine: Engine) -> None:
    zoo = (
        "Your task is to count how many legs there are in total when given a list of animals.\n\n"
        "Now, how many legs are there in total if you have {}?\n"
    )
    with open_engine(engine, "planner", 512) as trained:

        def plan(question: str) -> tuple[PlanOutcome, str]:
            reply = Completion(0, say(trained, planner_messages(question), 1.0, 64), "", FinishReason.STOP, 0.0)
            made = read_plan(reply, question)
            return made.outcome, made.text

        for animals, facts in (
            ("7 spiders, 2 dogs", ("spider 8", "dog 4")),
            ("3 lobsters, 5 bees, 1 snake", ("lobster 10", "bee 6", "snake 0")),
        ):
            outcome, text = plan(zoo.format(animals))
            assert outcome is PlanOutcome.PLANNED
            assert all(fact in text for fact in facts), text
        assert {plan(QUESTION.format(terms))[0] for terms in SUMS} == {PlanOutcome.NOT_NEEDED}
