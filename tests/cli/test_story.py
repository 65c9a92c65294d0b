"""The story that all views read."""

import json

from abruzzi.cli.story import Story
from abruzzi.models.scripted import fail, hang, reply
from abruzzi.reasoning.events import CandidateDelta, CandidateRestarted, CandidatesStarted, Failed
from abruzzi.reasoning.settings import AskSettings
from tests.reasoning.asking import FIRST, PLAN, SECOND, ask, scripted

KEYS = {
    "question",
    "plan",
    "candidates",
    "judgements",
    "choices",
    "answer",
    "chosen",
    "decided_by",
    "warnings",
    "error",
    "ledger",
    "seconds",
}


def tell(**script: object) -> Story:
    asked = ask(scripted(**script), settings=AskSettings(soft_deadline_s=5, hard_deadline_s=9))
    story = Story(asked.run.question)
    for number, event in enumerate(asked.events):
        story.hear(event, float(number))
    return story


def test_a_whole_question_becomes_one_json_object() -> None:
    story = tell(
        planner=[reply(json=PLAN)],
        solver=["<answer>1</answer>", "<answer>2</answer>", ""],
        judge=[reply(json=SECOND), reply(json=FIRST)],
    )
    found = json.loads(json.dumps(story.to_object()))
    assert set(found) == KEYS
    assert (found["answer"], found["decided_by"], found["chosen"]) == ("2", "judge", 1)
    assert set(found["candidates"][0]) >= {
        "index",
        "text",
        "reasoning",
        "answer",
        "finish_reason",
        "cluster",
        "seconds",
    }
    assert len(found["ledger"]["calls"]) == found["ledger"]["totals"]["num_calls"] == 4
    assert found["plan"]["text"] == PLAN["plan"]


def test_a_failed_question_keeps_what_it_has() -> None:
    story = tell(planner=[reply(json=PLAN)], solver=[fail("down")] * 3)
    story.hear(Failed("ModelError", "down"), 9.0)
    found = story.to_object()
    assert (found["answer"], found["decided_by"]) == (None, None)
    assert found["error"] == {"kind": "ModelError", "message": "down"}
    assert [c["error"] for c in found["candidates"]] == ["down"] * 3


def test_clusters_are_counted_as_they_grow() -> None:
    story = tell(planner=[reply(json=PLAN)], solver=["<answer>7</answer>", hang("x"), "<answer>7</answer>"])
    assert story.clusters() == [("7", [0, 2])]
    assert story.settled is not None


def test_speed_is_measured_between_pieces_and_forgotten_on_a_restart() -> None:
    story = Story("q")
    story.hear(CandidatesStarted(1, "m"), 0.0)
    for second in (1.0, 2.0, 3.0):
        story.hear(CandidateDelta(0, "x ", is_reasoning=False), second)
    assert story.growing[0].pieces_per_second == 1.0
    story.hear(CandidateRestarted(0, "cut"), 4.0)
    assert (story.growing[0].text, story.growing[0].pieces_per_second) == ("", None)
