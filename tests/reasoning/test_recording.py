"""Events survive the way to disk and back."""

import json

import pytest

from abruzzi.errors import RecordError
from abruzzi.models.scripted import reply
from abruzzi.reasoning.events import CandidateDelta, PlanDelta, Warned
from abruzzi.reasoning.recording import event_to_row, is_delta, row_to_event
from tests.reasoning.asking import FIRST, PLAN, SECOND, ask, scripted


def test_every_event_of_a_question_comes_back_equal() -> None:
    model = scripted(
        planner=[reply(json=PLAN)],
        solver=["<answer>1</answer>", "<answer>2</answer>", ""],
        judge=[reply(json=SECOND), reply(json=FIRST)],
    )
    events = ask(model).events
    assert len({type(event) for event in events}) >= 8
    for event in events:
        row = json.loads(json.dumps(event_to_row(event, 1.5)))
        assert row["at_s"] == 1.5
        assert row_to_event(row) == event


def test_deltas_are_told_apart() -> None:
    assert is_delta(PlanDelta("x"))
    assert is_delta(CandidateDelta(0, "x", is_reasoning=True))
    assert not is_delta(Warned("x"))


@pytest.mark.parametrize("row", [{"event": "nonsense"}, {}, {"event": "warned"}])
def test_a_row_of_another_version_is_a_clear_error(row: dict[str, str]) -> None:
    with pytest.raises(RecordError, match="record"):
        row_to_event(row)
