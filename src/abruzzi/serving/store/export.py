"""Writes the store's records as JSON Lines, for people and for ``abruzzi train`` and ``abruzzi eval``.

    records    everything, a record a line
    examples   conversations with the reply that was given, for SFT (``kind = "examples"``)
    items      questions with the answer that was given, for ``eval run`` and GRPO (``kind = "items"``)

The answers are the model's own and nobody has checked them: as ground truth they are pseudo-labels. ``is_agreed_only``
keeps those that a majority of the candidates agreed on, which are right more often. What a form cannot hold (images,
tools, several turns in an item) is left out and counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from abruzzi.data.examples import Example
from abruzzi.errors import RecordError
from abruzzi.nouns import Answer, DecidedBy, Message
from abruzzi.reasoning.events import Answered
from abruzzi.reasoning.recording import row_to_event
from abruzzi.records import WholeLines
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.store import Store

Form = Literal["records", "examples", "items"]

_ROLES: Mapping[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of the records."""

    num_written: int
    num_left_out: int
    """Without an answer, or of a kind that the form cannot hold."""


async def export_store(
    store: Store, path: Path, form: Form, *, owner: str | None = None, is_agreed_only: bool = False
) -> Exported:
    """Write the records of an owner, or of all, in whole or not at all.

    Args:
        store: whose records.
        path: the JSON Lines file.
        form: see above.
        owner: None is everybody.
        is_agreed_only: leave out what no majority agreed on; of no meaning for ``records``.

    Raises:
        RecordError: the database fails, or the file cannot be written.
    """
    writer = _WRITERS[form]
    num_left_out = 0
    with WholeLines(path) as lines:
        async for record in store.each(owner=owner):
            row = writer(record, is_agreed_only)
            if row is None:
                num_left_out += 1
            else:
                lines.write(row)
    return Exported(lines.num_rows, num_left_out)


def to_example(record: QuestionRecord, *, is_agreed_only: bool = False) -> Example | None:
    """Make an example of a record; the thoughts are the chosen candidate's. None where it does not make one."""
    answered = find_answer(record)
    messages = [_to_message(message) for message in record.messages]
    if record.status is not Status.ANSWERED or not record.answer.strip() or not messages:
        return None
    if is_agreed_only and (answered is None or answered.decided_by is not DecidedBy.AGREEMENT):
        return None
    kept = tuple(message for message in messages if message is not None)
    if len(kept) < len(messages) or kept[-1].role != "user":
        return None
    thoughts = "" if answered is None else answered.candidates[answered.chosen].reasoning
    completion = f"<think>{thoughts}</think>\n{record.answer}" if thoughts else record.answer
    return Example(id=record.id, messages=kept, completion=completion, family=record.model)


def to_item(record: QuestionRecord, *, is_agreed_only: bool = False) -> dict[str, Any] | None:
    """Make a row of an item of a record: one question, asked alone, and the short answer that was found."""
    answered = find_answer(record)
    example = to_example(record, is_agreed_only=is_agreed_only)
    if answered is None or example is None or len(example.messages) != 1 or not answered.answer.strip():
        return None
    return {"id": record.id, "question": example.messages[0].content, "answer": answered.answer}


def find_answer(record: QuestionRecord) -> Answer | None:
    """Find how the question was decided; None where the pipeline did not decide it or an older version wrote it."""
    for row in reversed(record.events):
        if row.get("event") == "answered":
            try:
                event = row_to_event(row)
            except RecordError:
                return None
            return event.answer if isinstance(event, Answered) else None
    return None


def _to_message(message: Mapping[str, Any]) -> Message | None:
    """Read a message as the client sent it; None where it is more than text."""
    role = _ROLES.get(str(message.get("role")))
    content: object = message.get("content")
    if isinstance(content, list):
        parts = cast("list[Mapping[str, Any]]", content)
        content = "".join(str(part.get("text")) if part.get("type") == "text" else "\x00" for part in parts)
    if role is None or not isinstance(content, str) or "\x00" in content or message.get("tool_calls"):
        return None
    return Message(role, content)


def _write_record(record: QuestionRecord, is_agreed_only: bool) -> dict[str, Any]:
    return asdict(record)


def _write_example(record: QuestionRecord, is_agreed_only: bool) -> dict[str, Any] | None:
    example = to_example(record, is_agreed_only=is_agreed_only)
    if example is None:
        return None
    messages = [{"role": message.role, "content": message.content} for message in example.messages]
    return asdict(example) | {"messages": messages}


def _write_item(record: QuestionRecord, is_agreed_only: bool) -> dict[str, Any] | None:
    return to_item(record, is_agreed_only=is_agreed_only)


_WRITERS: Mapping[Form, Callable[[QuestionRecord, bool], dict[str, Any] | None]] = {
    "records": _write_record,
    "examples": _write_example,
    "items": _write_item,
}
