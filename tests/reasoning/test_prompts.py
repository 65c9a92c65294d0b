"""Prompts: versioned by their words, filled without losing a dollar."""

import pytest

from abruzzi.reasoning.prompts import fill, prompt_versions, read_prompt

NAMES = {
    "judge",
    "paper_ideas",
    "paper_judge",
    "paper_plan",
    "paper_solve",
    "paper_topics",
    "plan",
    "plan_always",
    "solve",
    "solve_plan",
}


def test_every_prompt_has_a_version() -> None:
    versions = prompt_versions()
    assert set(versions) == NAMES
    assert all(len(version) == 12 for version in versions.values())
    assert len(set(versions.values())) == len(NAMES)


def test_those_of_conversations_are_kept_apart_from_what_scores_depend_on() -> None:
    versions = prompt_versions("conversation")
    names = {"json", "schema", "tools", "tools_json", "turns"}
    assert set(versions) == {f"conversation/{name}" for name in names}
    assert all(any(read_prompt(name)) for name in versions)


def test_system_and_user_are_told_apart() -> None:
    assert all(read_prompt("judge"))
    assert read_prompt("paper_plan")[0] == ""


def test_values_may_hold_dollars_and_marks() -> None:
    assert fill("Q: $question", question="costs $5 or $question") == "Q: costs $5 or $question"


def test_a_forgotten_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill("$question $plan", question="q")
