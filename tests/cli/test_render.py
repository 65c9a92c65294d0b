"""The story drawn in a terminal."""

import io
from dataclasses import replace

from rich.console import Console

from abruzzi.cli.render import clean, describe_bill, render_story
from abruzzi.cli.story import Story
from abruzzi.ledger import CallOutcome, DraftSources, Ledger
from abruzzi.models.scripted import fail, reply
from abruzzi.nouns import FinishReason, Role, Usage
from abruzzi.reasoning.events import CandidateDelta, CandidatesStarted, PlanDelta, PlanStarted
from tests.cli.test_story import tell
from tests.reasoning.asking import FIRST, PLAN, SECOND


def draw(story: Story, *, width: int = 120, is_full: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render_story(story, width=width, is_full=is_full))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_judged_question_shows_all_its_parts() -> None:
    story = tell(
        planner=[reply(json=PLAN)],
        solver=["<answer>1</answer>", "<answer>2</answer>", reply("cut", finish_reason=FinishReason.LENGTH)],
        judge=[reply(json=SECOND), reply(json=FIRST)],
    )
    drawn = draw(story)
    for part in (
        "Add the tens.",
        "candidate 1",
        "candidate 3",
        "(truncated)",
        "prefers 2",
        "candidate 2 wins",
        "the judge preferred it in both orders",
        "4 calls",
    ):
        assert part in drawn


def test_an_unfinished_question_shows_progress() -> None:
    story = Story("q")
    story.hear(PlanStarted("m"), 0.0)
    story.hear(PlanDelta("{"), 0.5)
    assert "planning with m … 1 tokens" in draw(story)
    story.hear(CandidatesStarted(3, "m"), 1.0)
    story.hear(CandidateDelta(1, "half a word", is_reasoning=False), 2.0)
    drawn = draw(story)
    assert "half a word" in drawn
    assert "1 tokens" in drawn


def test_a_failing_planner_and_its_warning_are_told() -> None:
    drawn = draw(tell(planner=[fail("planner down")], solver=["<answer>1</answer>"] * 3))
    assert "no plan (failed): planner down" in drawn
    assert "1 failed" in drawn


def test_a_reply_can_neither_style_nor_steer_the_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07[bold red]markup[/bold red]\u202e<answer>1</answer>"
    drawn = draw(tell(planner=[reply(json=PLAN)], solver=[hostile] * 3))
    assert "\x1b" not in drawn
    assert "\x07" not in drawn
    assert "\u202e" not in drawn
    assert "[bold red]markup" in drawn
    assert clean("a\x00b\tc\nd\ud800") == "ab\tc\nd"


def test_a_narrow_terminal_stacks_the_candidates() -> None:
    story = tell(planner=[reply(json=PLAN)], solver=["<answer>1</answer>"] * 3)
    assert max(len(line) for line in draw(story, width=40).splitlines()) <= 40


def test_full_shows_every_line() -> None:
    long = "\n".join(f"line {number}" for number in range(40)) + "\n<answer>1</answer>"
    story = tell(planner=[reply(json=PLAN)], solver=[long] * 3)
    assert "line 1 " not in draw(story)
    assert "line 1 " in draw(story, is_full=True)


def test_the_bill_says_when_it_is_a_lower_bound() -> None:
    story = tell(planner=[reply(json=PLAN)], solver=["<answer>1</answer>"] * 3)
    assert "at least" not in describe_bill(story)


def test_the_bill_says_where_accepted_tokens_came_from() -> None:
    ledger = Ledger()
    call = ledger.open(Role.SOLVER, "m").close(CallOutcome.OK, Usage(9, 0, 40, 0, 45, 11), is_exact=True)
    sources = DraftSources({"own": 3, "question": 7, "plan": 1}, is_exact=True)
    story = Story("How many?", calls=[replace(call, draft_sources=sources)])
    told = "11 of 45 drafted tokens accepted (7 from the question, 3 from its own text, 1 from the plan)"
    assert told in describe_bill(story)
    guessed = Story("How many?", calls=[replace(call, draft_sources=replace(sources, is_exact=False))])
    assert "accepted (by estimate 7 from the question" in describe_bill(guessed)
    assert "drafted tokens accepted, " in describe_bill(Story("How many?", calls=[call]))
