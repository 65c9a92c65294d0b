"""The replies of ``POST /v1/responses`` as the OpenAPI document describes them, and how a reply is written.

Fields after https://platform.openai.com/docs/api-reference/responses/object; ``usage.abruzzi`` is ours.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from abruzzi.nouns import ToolCall
from abruzzi.serving.chat_reply import Bill, CompletionDetails
from abruzzi.serving.reply import Choice, Reply
from abruzzi.serving.responses_body import ResponsesBody
from abruzzi.serving.usage import write_responses_usage


class SummaryText(BaseModel):
    """A piece of the thoughts."""

    type: Literal["summary_text"]
    text: str


class ReasoningOutput(BaseModel):
    """The plan and the steps; with one candidate, its own thoughts too."""

    type: Literal["reasoning"]
    id: str
    status: Literal["completed"]
    summary: list[SummaryText]


class OutputText(BaseModel):
    """A piece of the answer."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[Any]


class MessageOutput(BaseModel):
    """The answer."""

    type: Literal["message"]
    id: str
    role: Literal["assistant"]
    status: Literal["completed", "incomplete"]
    content: list[OutputText]


class FunctionCallOutput(BaseModel):
    """A call of a tool that the client is asked to make."""

    type: Literal["function_call"]
    id: str
    call_id: str
    name: str
    arguments: str
    status: Literal["completed"]


class InputDetails(BaseModel):
    """What of the prompt was not computed again."""

    cached_tokens: int
    cache_write_tokens: int


class ResponsesUsage(BaseModel):
    """The bill: sums over all upstream calls."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: CompletionDetails
    total_tokens: int
    abruzzi: Bill


class IncompleteDetails(BaseModel):
    """Why the answer is not whole."""

    reason: Literal["max_output_tokens"]


class ResponseObject(BaseModel):
    """A whole reply."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete"]
    error: None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: list[ReasoningOutput | MessageOutput | FunctionCallOutput]
    parallel_tool_calls: bool
    previous_response_id: str | None
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_p: float | None
    store: bool
    usage: ResponsesUsage


class ResponseError(BaseModel):
    """Why a response has no answer."""

    code: Literal["server_error"]
    message: str


class KeptIncompleteDetails(BaseModel):
    """Why the answer of a response that is kept is not whole, or withheld."""

    reason: Literal["max_output_tokens", "content_filter"]


class KeptResponse(ResponseObject):
    """A response as it is read again: also one that is still being answered, or that has no answer."""

    status: Literal["completed", "incomplete", "in_progress", "failed", "cancelled"]  # pyright: ignore[reportIncompatibleVariableOverride]
    error: ResponseError | None  # pyright: ignore[reportIncompatibleVariableOverride]
    incomplete_details: KeptIncompleteDetails | None  # pyright: ignore[reportIncompatibleVariableOverride]
    usage: ResponsesUsage | None  # pyright: ignore[reportIncompatibleVariableOverride]


def write_frame(body: ResponsesBody, *, question_id: str, created: int, is_kept: bool) -> dict[str, Any]:
    """Write what a reply says before there is any output."""
    form = None if body.text is None else body.text.format
    return {
        "id": question_id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "model": body.model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "temperature": body.temperature,
        "text": {"format": {"type": "text"} if form is None else form.model_dump(by_alias=True, exclude_none=True)},
        "tool_choice": (body.tool_choice if isinstance(body.tool_choice, str) else body.tool_choice.model_dump())
        if body.tool_choice is not None
        else "auto",
        "tools": [tool.model_dump() for tool in body.tools or ()],
        "top_p": body.top_p,
        "store": is_kept,
        "usage": None,
    }


def write_response(frame: Mapping[str, Any], reply: Reply, output: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a whole reply."""
    is_cut = any(choice.finish == "length" for choice in reply.choices)
    return {
        **frame,
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "output": output,
        "usage": write_responses_usage(reply.usage),
    }


def write_output(choice: Choice, question_id: str) -> list[dict[str, Any]]:
    """Write the items of a reply that is not streamed."""
    name = question_id.removeprefix("resp_")
    output: list[dict[str, Any]] = []
    if choice.reasoning:
        output.append(write_reasoning(f"rs_{name}", choice.reasoning))
    if choice.content or not choice.tool_calls:
        output.append(write_message(f"msg_{name}", choice.content, is_cut=choice.finish == "length"))
    return output + [write_function_call(f"fc_{number}_{name}", c) for number, c in enumerate(choice.tool_calls)]


def write_reasoning(item_id: str, text: str) -> dict[str, Any]:
    """Write the item that holds thoughts."""
    summary = [{"type": "summary_text", "text": text}]
    return {"type": "reasoning", "id": item_id, "status": "completed", "summary": summary}


def write_text(text: str) -> dict[str, Any]:
    """Write the content of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def write_message(item_id: str, text: str, *, is_cut: bool = False) -> dict[str, Any]:
    """Write the item that holds the answer."""
    status = "incomplete" if is_cut else "completed"
    return {"type": "message", "id": item_id, "role": "assistant", "status": status, "content": [write_text(text)]}


def write_function_call(item_id: str, call: ToolCall) -> dict[str, Any]:
    """Write the item of a call."""
    return {
        "type": "function_call",
        "id": item_id,
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": "completed",
    }
