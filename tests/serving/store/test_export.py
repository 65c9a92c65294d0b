"""What is exported is read by the readers that training and evaluation use."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from abruzzi.data.examples import read_examples
from abruzzi.data.items import read_items
from abruzzi.errors import RecordError
from abruzzi.nouns import Answer, Candidate, DecidedBy, FinishReason, Message, Plan, PlanOutcome
from abruzzi.reasoning.events import Answered
from abruzzi.reasoning.recording import event_to_row
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.export import Exported, Form, export_store, to_example, to_item
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.training.material import gather_lessons, gather_portions
from abruzzi.training.recipe import DataSettings, FileSource
from tests.serving.store.making import make_record


def answered(
    id: str,  # noqa: A002
    *messages: dict[str, Any],
    thoughts: str = "",
    decided_by: DecidedBy = DecidedBy.AGREEMENT,
) -> QuestionRecord:
    """A finished record as the pipeline leaves it."""
    record = make_record(id, question=f"What is 40 + {id}?")
    candidate = Candidate(0, "It is <answer>42</answer>.", thoughts, "42", FinishReason.STOP, 0, 1.0)
    answer = Answer(record.question, Plan(PlanOutcome.OFF), (candidate,), (), "42", 0, decided_by, 1.0)
    return replace(
        record,
        messages=messages or record.messages,
        status=Status.ANSWERED,
        events=({"event": "warned", "at_s": 0.1, "message": "m"}, event_to_row(Answered(answer), 1.0)),
        answer="It is 42.",
    )


def export(folder: Path, records: list[QuestionRecord], form: Form, **how: Any) -> tuple[Path, Exported]:
    async def main() -> Exported:
        store = await open_store(StoreSettings(url=str(folder / "q.db")), {})
        for record in records:
            await store.begin(record)
            await store.append(record.id, record.events)
            if record.status is not Status.RUNNING:
                await store.end(record.id, status=record.status, answer=record.answer, usage=None, seconds=1.0)
        done = await export_store(store, folder / "out" / "file.jsonl", form, **how)
        await store.close()
        return done

    return folder / "out" / "file.jsonl", anyio.run(main)


def test_training_reads_exported_examples(tmp_path: Path) -> None:
    records = [
        answered("1", thoughts="Forty and two."),
        answered("2", {"role": "developer", "content": "Be brief."}, {"role": "user", "content": "40 + 2?"}),
        answered("3", {"role": "user", "content": [{"type": "text", "text": "40 "}, {"type": "text", "text": "+ 2?"}]}),
        answered("picture", {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}),
        answered("tool", {"role": "user", "content": "?"}, {"role": "tool", "content": "4", "tool_call_id": "c"}),
        make_record("running"),
        replace(make_record("refused"), status=Status.REFUSED),
        replace(make_record("plain"), status=Status.ANSWERED, answer="From the plain upstream."),
    ]
    path, done = export(tmp_path, records, "examples")
    assert done == Exported(num_written=4, num_left_out=4)
    examples = {example.id: example for example in read_examples(path)}
    assert examples["1"].completion == "<think>Forty and two.</think>\nIt is 42."
    assert examples["2"].messages == (Message("system", "Be brief."), Message("user", "40 + 2?"))
    assert examples["3"].messages == (Message("user", "40 + 2?"),)
    assert examples["plain"].completion == "From the plain upstream."
    data = DataSettings(sources=(FileSource(kind="examples", path=str(path)),))
    assert {example.id for example in gather_lessons(data).examples} == set(examples)


def test_evaluation_reads_exported_items(tmp_path: Path) -> None:
    several = (
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    )
    records = [
        answered("2"),
        answered("3", decided_by=DecidedBy.JUDGE),
        answered("turns", *several),
        replace(make_record("plain"), status=Status.ANSWERED, answer="no short answer"),
    ]
    path, done = export(tmp_path, records, "items")
    assert done == Exported(num_written=2, num_left_out=2)
    items = read_items(path)
    assert [(item.id, item.question, item.ground_truth) for item in items] == [
        ("2", "What is 40 + 2?", "42"),
        ("3", "What is 40 + 3?", "42"),
    ]
    data = DataSettings(sources=(FileSource(kind="items", path=str(path)),), held_out=1)
    (portion,) = gather_portions(data)
    assert len(portion.train) + len(portion.held_out) == 2


def test_only_what_was_agreed_on_is_exported_if_told(tmp_path: Path) -> None:
    records = [answered("2"), answered("3", decided_by=DecidedBy.LIKELIHOOD)]
    path, done = export(tmp_path, records, "items", is_agreed_only=True)
    assert done == Exported(1, 1)
    assert [item.id for item in read_items(path)] == ["2"]
    assert to_example(records[1]) is not None
    assert to_example(records[1], is_agreed_only=True) is None


def test_whole_records_are_exported_as_they_are(tmp_path: Path) -> None:
    path, done = export(tmp_path, [answered("2"), make_record("running")], "records", owner="ann")
    assert done == Exported(2, 0)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {row["id"]: row["status"] for row in rows} == {"2": "answered", "running": "running"}
    assert next(row for row in rows if row["id"] == "2")["events"][1]["answer"]["answer"] == "42"


def test_a_record_of_another_version_is_no_item() -> None:
    record = replace(answered("2"), events=({"event": "answered", "at_s": 1.0, "answer": {"was": "other"}},))
    assert to_item(record) is None


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, no folder")
    with pytest.raises(RecordError, match="cannot write"):
        export(tmp_path, [], "items")
