"""The replies of ``POST /v1/chat/completions`` as the OpenAPI document describes them, and how a reply is written.

Fields after https://platform.openai.com/docs/api-reference/chat/object; ``reasoning_content`` after the servers that
have it, ``usage.abruzzi`` is ours.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from abruzzi.serving.chat_body import CalledTool
from abruzzi.serving.reply import Choice, Reply


class CallRow(BaseModel):
    """One upstream call."""

    role: str
    model: str
    outcome: Literal["ok", "cancelled", "error", "timeout"]
    num_choices: int
    attempt: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    is_exact: bool
    """True when the tokens are the upstream's own final count."""
    started_s: float
    """Seconds from the question to the call."""
    ttft_s: float | None
    """Seconds from the call to its first token."""
    seconds: float


class Bill(BaseModel):
    """The whole ledger, and how the question was decided."""

    num_calls: int
    num_failed: int
    num_cancelled: int
    is_exact: bool
    calls: list[CallRow]
    decided_by: str | None = None
    chosen: int | None = None
    num_candidates: int | None = None
    plan: str | None = None
    seconds: float | None = None


class PromptDetails(BaseModel):
    """What of the prompt was not computed again."""

    cached_tokens: int


class CompletionDetails(BaseModel):
    """What of the completion were thoughts."""

    reasoning_tokens: int


class ChatUsage(BaseModel):
    """The bill: sums over all upstream calls."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails
    abruzzi: Bill


class ReplyMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: None = None
    reasoning_content: str | None = None
    """The plan and the steps; with one candidate, its own thoughts too."""
    tool_calls: list[CalledTool] | None = None


class ReplyChoice(BaseModel):
    """One answer; the pipeline gives one."""

    index: int
    message: ReplyMessage
    finish_reason: Literal["stop", "length", "tool_calls"]
    logprobs: None = None


class ChatCompletion(BaseModel):
    """A whole reply."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ReplyChoice]
    usage: ChatUsage


def write_completion(reply: Reply, *, question_id: str, created: int, model: str) -> dict[str, Any]:
    """Write a whole reply."""
    return {
        "id": question_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [_write_choice(choice) for choice in reply.choices],
        "usage": reply.usage,
    }


def _write_choice(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.tool_calls and not choice.content else choice.content,
        "refusal": None,
    }
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = write_calls(choice)
    return {"index": choice.index, "message": message, "finish_reason": choice.finish, "logprobs": None}


def write_calls(choice: Choice) -> list[Mapping[str, Any]]:
    """Write the calls of tools that a choice asks for."""
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in choice.tool_calls
    ]
