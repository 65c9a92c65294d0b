"""What goes to stdout and what to stderr."""

import io
import json

from rich.console import Console

from abruzzi.cli.story import Story
from abruzzi.cli.views import EventsView, JsonView, LiveView, PlainView, View
from abruzzi.models.scripted import reply
from tests.reasoning.asking import PLAN, ask, scripted


def watch(view: View) -> None:
    asked = ask(scripted(planner=[reply(json=PLAN)], solver=["<answer>42</answer>", "<answer>42</answer>", "?"]))
    story = Story(asked.run.question)
    for event in asked.events:
        story.hear(event, 1.0)
        view.hear(event, 1.0, story)
    view.finish(story)


def test_plain_prints_the_answer_alone_on_stdout() -> None:
    out, err = io.StringIO(), io.StringIO()
    watch(PlainView(out, err))
    assert out.getvalue() == "42\n"
    assert "candidate 1: stop, 42" in err.getvalue()
    assert "2 calls" in err.getvalue()


def test_json_prints_one_object() -> None:
    out = io.StringIO()
    watch(JsonView({"settings": {"n": 3}, "run": None}, out))
    found = json.loads(out.getvalue())
    assert (found["answer"], found["settings"], found["run"]) == ("42", {"n": 3}, None)


def test_events_prints_a_line_each_deltas_included() -> None:
    out = io.StringIO()
    watch(EventsView(out))
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert rows[-1]["event"] == "answered"
    assert {"plan_made", "candidate_delta", "candidate_ended", "call_ended"} <= {row["event"] for row in rows}


def test_live_leaves_the_last_state_standing() -> None:
    file = io.StringIO()
    watch(LiveView(Console(file=file, force_terminal=True, width=100)))
    assert "a majority agreed" in file.getvalue()
