"""Writes a response again from its record, as ``GET /v1/responses/{id}`` gives it.

The answer is what the client was given. The thoughts are told anew from the record's events, by the narrator and under
the guard of today; the ids of items are those of a reply that was not streamed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from abruzzi.errors import RecordError
from abruzzi.ledger import Ledger
from abruzzi.reasoning.events import Answered, CandidateEnded, Event
from abruzzi.reasoning.recording import row_to_event
from abruzzi.serving.narration import Narrator
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.reading import read_messages
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.reply import Choice, Reply, choose, take
from abruzzi.serving.responses_body import ResponsesBody
from abruzzi.serving.responses_reply import write_frame, write_output, write_response
from abruzzi.serving.server import Server
from abruzzi.serving.usage import write_responses_usage

PREFIX = "resp_"
"""Of the ids of responses; a record of another protocol is none."""
ASKED = "response"
"""Key of a record's settings under which ``ECHOED`` are kept."""
ECHOED = (
    "max_output_tokens",
    "parallel_tool_calls",
    "previous_response_id",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
)
"""What a response says of its request, beyond what stands in the record anyway."""


def keep_echo(frame: Mapping[str, Any]) -> dict[str, Any]:
    """Take out of a new response what its record is to keep of the request."""
    return {ASKED: {name: frame[name] for name in ECHOED}}


async def write_kept(server: Server, record: QuestionRecord, ledger: Ledger) -> dict[str, Any]:
    """Write the response of a record.

    Args:
        server: whose guard passes the thoughts.
        record: of a response.
        ledger: gets the calls of the guard's model.
    """
    frame = _write_frame(record)
    match record.status:
        case Status.ANSWERED:
            choice = await _find_choice(server, record, ledger)
            reply = Reply((choice,), record.usage or {})
            return write_response(frame, reply, write_output(choice, record.id))
        case Status.RUNNING:
            return frame
        case Status.CANCELLED:
            ending: dict[str, Any] = {"status": "cancelled"}
        case Status.REFUSED:
            ending = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
        case Status.FAILED | Status.LOST:
            message = (
                "the server went down before it answered" if record.status is Status.LOST else "it was not answered"
            )
            ending = {"status": "failed", "error": {"code": "server_error", "message": message}}
    usage = None if record.usage is None else write_responses_usage(record.usage)
    return {**frame, **ending, "usage": usage}


def _write_frame(record: QuestionRecord) -> dict[str, Any]:
    blank = ResponsesBody(model=record.model, input="-")
    frame = write_frame(blank, question_id=record.id, created=int(record.asked_at), is_kept=True)
    settings = record.settings
    return {
        **frame,
        **settings.get(ASKED, {}),
        "instructions": settings.get("instructions"),
        "metadata": settings.get("metadata") or {},
    }


async def _find_choice(server: Server, record: QuestionRecord, ledger: Ledger) -> Choice:
    """Find the answer and the thoughts that led to it."""
    events = _read_events(record)
    guard, messages = server.guard, read_messages(record)
    choice = Choice(0, record.answer, "", (), "stop")
    narrator = Narrator(is_live=False, is_upstream=not any(isinstance(event, Answered) for event in events))
    thoughts: list[str] = []
    for event in events:
        match event:
            case CandidateEnded(candidate) if narrator.is_upstream:
                choice = take(candidate)
            case Answered(answer):
                choice = choose(answer)
            case _:
                pass
        thoughts += [piece.text for piece in narrator.hear(event)]
    reasoning, calls = "".join(thoughts) + choice.reasoning, choice.tool_calls
    if guard is not None:
        try:
            reasoning = await guard.check_reasoning(reasoning, messages=messages, ledger=ledger) if reasoning else ""
        except Refusal:
            reasoning = ""
        calls = tuple(
            [
                replace(call, arguments=await guard.check_answer(call.arguments, messages=messages, ledger=ledger))
                for call in calls
            ]
        )
    return replace(choice, content=record.answer, reasoning=reasoning, tool_calls=calls)


def _read_events(record: QuestionRecord) -> list[Event]:
    """Read a record's events; those that another version of Abruzzi wrote, and this cannot read, are left out."""
    events: list[Event] = []
    for row in record.events:
        try:
            events.append(row_to_event(row))
        except RecordError:
            continue
    return events
