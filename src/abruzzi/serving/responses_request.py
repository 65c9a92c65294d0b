"""Reads a request of ``/v1/responses`` by writing it in chat's terms: one set of rules for both protocols.

``previous_response_id`` is served from the store: the earlier conversation, its reply and then the new input. Earlier
instructions are not carried over, as OpenAI's are not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from pydantic import ValidationError

from abruzzi.config import describe_problem
from abruzzi.errors import RecordError
from abruzzi.nouns import ToolCall
from abruzzi.reasoning.events import Answered, CandidateEnded
from abruzzi.reasoning.recording import row_to_event
from abruzzi.serving.asked import Asked
from abruzzi.serving.chat_body import ChatBody
from abruzzi.serving.chat_request import read_chat
from abruzzi.serving.keys import Key
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.refusal import Refusal, RefusalType
from abruzzi.serving.responses_body import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
    NamedTool,
    ReasoningItem,
    ResponsesBody,
    SchemaFormat,
    TextPart,
)
from abruzzi.serving.server import Server

_NAMES = (
    ("response_format.json_schema", "text.format"),
    ("max_tokens", "max_output_tokens"),
    ("messages", "input"),
)
"""Where a parameter stands in chat, and where here."""
_TYPES: Mapping[int, RefusalType] = {400: "invalid_request_error", 404: "not_found_error"}


async def read_responses(body: ResponsesBody, server: Server, key: Key) -> Asked:
    """Read a request.

    Raises:
        Refusal: a parameter contradicts another, the model's name or the operator's limits; names it.
        RecordError: the store does not say what came before.
    """
    earlier = await _find_earlier(body.previous_response_id, server, key)
    if isinstance(body.input, str) and not body.input.strip():
        _refuse("the input is empty", "input")
    messages = [*earlier, *write_messages(body.input)]
    instructions = [] if body.instructions is None else [{"role": "system", "content": body.instructions}]
    try:
        asked = read_chat(_write_chat(body, [*instructions, *messages]), server)
    except Refusal as error:
        raise _rename(error) from error
    except ValidationError as error:  # none or too many messages, once all of them are put together
        _refuse(f"the input makes no conversation: {describe_problem(error)}", "input")
    notes = {**asked.notes, "instructions": body.instructions} if body.instructions is not None else asked.notes
    return replace(asked, messages=tuple(messages), notes=notes)


def write_messages(given: str | Sequence[InputItem]) -> list[dict[str, Any]]:
    """Write input items as chat messages; calls that follow each other are one message's."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[dict[str, Any]] = []
    for item in given:
        match item:
            case InputMessage():
                messages.append({"role": item.role, "content": _join(item.content)})
            case FunctionCall():
                if not messages or messages[-1]["role"] != "assistant":
                    messages.append({"role": "assistant", "content": None})
                messages[-1].setdefault("tool_calls", []).append(
                    write_call(ToolCall(item.call_id, item.name, item.arguments))
                )
            case FunctionCallOutput():
                messages.append({"role": "tool", "content": item.output, "tool_call_id": item.call_id})
            case ReasoningItem():
                pass
    return messages


def write_call(call: ToolCall) -> dict[str, Any]:
    """Write a call of a tool in chat's form."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _write_chat(body: ResponsesBody, messages: list[dict[str, Any]]) -> ChatBody:
    form = None if body.text is None else body.text.format
    response_format: dict[str, Any] | None = None
    if isinstance(form, SchemaFormat):
        fields = {"name": form.name, "schema": form.body, "description": form.description, "strict": form.strict}
        response_format = {"type": "json_schema", "json_schema": fields}
    elif form is not None:
        response_format = {"type": form.type}
    choice = body.tool_choice
    return ChatBody.model_validate(
        {
            "model": body.model,
            "messages": messages,
            "stream": body.stream,
            "temperature": body.temperature,
            "top_p": body.top_p,
            "max_tokens": body.max_output_tokens,
            "tools": [{"type": "function", "function": tool.model_dump(exclude={"type"})} for tool in body.tools or ()]
            or None,
            "tool_choice": {"type": "function", "function": {"name": choice.name}}
            if isinstance(choice, NamedTool)
            else choice,
            "parallel_tool_calls": body.parallel_tool_calls,
            "response_format": response_format,
            "user": body.user,
            "metadata": body.metadata or None,
            "store": body.store,
            "abruzzi": None if body.abruzzi is None else body.abruzzi.model_dump(),
        }
    )


async def _find_earlier(previous_id: str | None, server: Server, key: Key) -> list[dict[str, Any]]:
    """Find the conversation that a request goes on from."""
    if previous_id is None:
        return []
    if server.store is None:
        _refuse("this server keeps no records; send the whole conversation as input", "previous_response_id")
    record = await server.store.get(previous_id, owner=key.name)
    if record is None or record.status is not Status.ANSWERED:
        raise Refusal(
            f"there is no finished response {previous_id[:100]!r}",
            status=404,
            type="invalid_request_error",
            code="previous_response_not_found",
            param="previous_response_id",
        )
    calls = _find_calls(record)
    reply: dict[str, Any] = {"role": "assistant", "content": record.answer}
    if calls:
        reply["tool_calls"] = [write_call(call) for call in calls]
    return [*record.messages, reply]


def _find_calls(record: QuestionRecord) -> tuple[ToolCall, ...]:
    """Find the calls of tools that a recorded reply asked for."""
    calls: tuple[ToolCall, ...] = ()
    for row in record.events:
        try:
            event = row_to_event(row)
        except RecordError:
            continue  # written by another version; its answer stands in the record all the same
        match event:
            case CandidateEnded(candidate):
                calls = candidate.tool_calls  # of the plain upstream, which has no answer event
            case Answered(answer):
                return answer.tool_calls
            case _:
                pass
    return calls


def _join(content: str | Sequence[TextPart]) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _rename(error: Refusal) -> Refusal:
    """Name the parameter as it is called here."""
    param = error.param
    for chat, here in _NAMES:
        if param is not None and param.startswith(chat):
            param = here + param.removeprefix(chat)
            break
    return Refusal(str(error), status=error.status, type=_TYPES[error.status], code=error.code, param=param)


def _refuse(message: str, param: str) -> NoReturn:
    raise Refusal(message, status=400, type="invalid_request_error", code="invalid_value", param=param)
