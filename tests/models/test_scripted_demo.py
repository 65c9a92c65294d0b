"""The demonstration plays every role without a model."""

import json

import pytest

from abruzzi.models.chat import ChatRequest, Schema
from abruzzi.models.scripted_demo import PLAN, demonstrate
from abruzzi.nouns import Completion, Message, Role
from tests.models.test_scripted import play

ANY = Schema("any", {"type": "object"})


def ask(role: Role, content: str, n: int = 1, schema: Schema | None = None) -> tuple[Completion, ...]:
    request = ChatRequest(role=role, messages=(Message("user", content),), n=n, schema=schema, logprobs=True)
    return play(demonstrate(), request)[0]


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("What is 17 + 25?", ["42", "43", "42"]),
        ("What is 17-25?", ["-8", "-7", "-8"]),
        ("6 × 7 =", ["42", "43", "42"]),
    ],
)
def test_most_candidates_are_right(question: str, answers: list[str]) -> None:
    completions = ask(Role.SOLVER, question, n=3)
    assert [completion.text for completion in completions] == [f"<answer>{answer}</answer>" for answer in answers]
    assert all(completion.reasoning and completion.mean_logprob is not None for completion in completions)


def test_it_knows_its_limits() -> None:
    (completion,) = ask(Role.SOLVER, "Why is the sky blue?")
    assert "canned demonstration" in completion.text


def test_the_plan_comes_as_json_or_in_tags() -> None:
    assert json.loads(ask(Role.PLANNER, "17 + 25", schema=ANY)[0].text)["plan"] == PLAN
    assert ask(Role.PLANNER, "17 + 25")[0].text == f"<plan>{PLAN}</plan>"
    assert json.loads(ask(Role.TOPICS, "17 + 25")[0].text)["is_hard_problem"] is True


@pytest.mark.parametrize(
    ("first", "second", "verdict"), [("42", "43", "first"), ("43", "42", "second"), ("43", "44", "tie")]
)
def test_the_judge_works_it_out(first: str, second: str, verdict: str) -> None:
    prompt = f"What is 17 + 25?\n<answer>{first}</answer>\n<answer>{second}</answer>"
    reply = json.loads(ask(Role.JUDGE, prompt)[0].text)
    assert reply["verdict"] == verdict
    assert reply["index"] == int(verdict == "second")
