"""The adapters that are shipped: whole, on record, and better than the base at what their cards say."""

import hashlib
import json
from typing import Any

import pytest

from abruzzi.engine.adapters import shipped_adapter
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.reasoning.judge import judge_messages, read_judge_reply
from abruzzi.reasoning.sample import solver_messages
from tests.engine.asking import chat

SUMS = ("2 + 3 + 4", "7 + 7 + 7", "5 + 0 + 6", "1 + 8 + 5", "8 - 2 - 3")
QUESTION = "State the final answer to the following arithmetic problem: {} ="


@pytest.mark.parametrize("role", ["solver", "judge"])
def test_what_is_shipped_is_what_its_record_says(role: str) -> None:
    adapter = shipped_adapter(role)
    assert adapter is not None
    record = json.loads(adapter.with_suffix(".abruzzi.json").read_text())
    assert record["base"]["spec"] == "embedded"
    assert record["sha256"] == {adapter.name: hashlib.sha256(adapter.read_bytes()).hexdigest()}
    assert f"## {adapter.name}" in (adapter.parent / "README.md").read_text()


def test_a_role_without_a_file_plays_on_the_base() -> None:
    assert shipped_adapter("critic") is None


@pytest.mark.engine
def test_the_solver_adds_where_the_base_does_not(engine: Engine) -> None:
    solver = shipped_adapter("solver")
    assert solver is not None
    settings = EngineSettings(
        model=engine.settings.model, adapters=(Adapter("solver", solver),), slots=2, context_tokens=512, threads=1
    )

    def is_right(trained: Engine, terms: str, scale: float) -> bool:
        asked = [{"role": m.role, "content": m.content} for m in solver_messages(QUESTION.format(terms), "")]
        greedy: dict[str, Any] = {"temperature": 0, "max_tokens": 60, "lora": [{"id": 0, "scale": scale}]}
        (text,) = chat(trained, "", messages=asked, **greedy).texts()
        return text.rpartition("<answer>")[2].removesuffix("</answer>") == str(eval(terms))

    with Engine(settings) as trained:
        assert sum(is_right(trained, terms, 1.0) for terms in SUMS) >= 3
        assert sum(is_right(trained, terms, 0.0) for terms in SUMS) <= 1


@pytest.mark.engine
def test_the_judge_tells_right_from_wrong_where_the_base_does_not(engine: Engine) -> None:
    judge = shipped_adapter("judge")
    assert judge is not None
    settings = EngineSettings(
        model=engine.settings.model, adapters=(Adapter("judge", judge),), slots=2, context_tokens=1024, threads=1
    )

    def is_right(trained: Engine, terms: str, slip: int, scale: float) -> bool:
        """True where the verdict names the right answer in both orders."""
        right, wrong = f"<answer>{eval(terms)}", f"<answer>{eval(terms) + slip}"
        orders = {"first": (right, wrong), "second": (wrong, right)}
        said: dict[str, str | None] = {}
        for place, shown in orders.items():
            asked = judge_messages(QUESTION.format(terms), *shown, mark="5ec2e7")
            greedy: dict[str, Any] = {"temperature": 0, "max_tokens": 128, "lora": [{"id": 0, "scale": scale}]}
            messages = [{"role": m.role, "content": m.content} for m in asked]
            (text,) = chat(trained, "", messages=messages, **greedy).texts()
            reply = read_judge_reply(text)
            said[place] = None if reply is None else reply.verdict
        return all(place == verdict for place, verdict in said.items())

    slips = (1, -3, 4, -1, 2)
    with Engine(settings) as trained:
        assert sum(is_right(trained, terms, slip, 1.0) for terms, slip in zip(SUMS, slips, strict=True)) >= 4
        assert sum(is_right(trained, terms, slip, 0.0) for terms, slip in zip(SUMS, slips, strict=True)) <= 1
