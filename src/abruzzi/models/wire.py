"""The chat-completions protocol as plain data: writes the body of a request, reads the chunks of a stream.

Pure, and tolerant in what it reads: servers leave fields out, send null for them, or add their own.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from abruzzi.errors import ProtocolError
from abruzzi.ledger import ServerTimes
from abruzzi.models.chat import ChatRequest
from abruzzi.models.endpoints import Facts
from abruzzi.models.server_times import read_server_times
from abruzzi.nouns import Message

OPTIONAL_FIELDS = (
    "continuous_usage_stats",
    "stream_options",
    "logprobs",
    "seed",
    "max_tokens",
    "temperature",
    "top_p",
)
"""Fields that some endpoint answers with an error; left out from then on (``max_tokens`` under its other name)."""

USAGE_AT_EVERY_CHUNK = frozenset({"vllm", "sglang"})
"""Servers (``owned_by`` in their list of models) that tell the usage with each chunk when asked."""
LLAMACPP = "llamacpp"
_UNSUPPORTED = re.compile(
    r"(no|not|n't) (be )?support|unsupport|not (permitted|allowed|available|recogni)|unknown|unrecogni|unexpected", re.I
)
"""Tells a field that an endpoint does not take from one whose value it does not like."""


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call."""

    index: int | None
    """Which call of its choice; None where the server does not number them."""
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class ChoiceDelta:
    """What one chunk says of one choice."""

    index: int
    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    logprobs: tuple[float, ...] = ()
    calls: tuple[CallDelta, ...] = ()

    @property
    def has_token(self) -> bool:
        """True when the model has said something."""
        return bool(self.text or self.reasoning or self.calls)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a stream."""

    choices: tuple[ChoiceDelta, ...] = ()
    usage: Mapping[str, Any] | None = None
    timings: Mapping[str, Any] | None = None
    """llama.cpp's own counters."""
    progress: Mapping[str, Any] | None = None
    """llama.cpp's ``prompt_progress``."""
    server_times: ServerTimes | None = None
    """Where a hosted server says that the seconds went."""


def write_body(
    request: ChatRequest, model: str, n: int, *, facts: Facts, server: str = "", extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write the body of a streaming request for n choices.

    Args:
        request: what is asked; its ``n``, ``schema`` and ``json_object`` are not looked at.
        model: the model's id at the endpoint.
        n: choices to ask for.
        facts: tells which fields the endpoint refuses.
        server: what software it is, where known.
        extra: fields that go in as they are: the constraint of a schema.

    Returns:
        The body. What the request's ``sampling`` holds is never left out, and never takes the place of another field.
    """
    options: dict[str, Any] = {"include_usage": True}
    if server in USAGE_AT_EVERY_CHUNK:
        options["continuous_usage_stats"] = True
    fields: dict[str, Any] = {
        "stream_options": {k: v for k, v in options.items() if k not in facts.refused},
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "logprobs": True if request.logprobs else None,
    }
    kept = {k: v for k, v in fields.items() if v is not None and k not in facts.refused}
    if "max_tokens" in facts.refused and request.max_tokens is not None:
        kept["max_completion_tokens"] = request.max_tokens
    if server == LLAMACPP:
        # The tokens so far with each chunk, the prompt's progress, and one log-probability a token instead of twenty.
        kept |= {"timings_per_token": True, "return_progress": True}
        kept |= {"top_logprobs": 1} if "logprobs" in kept else {}
    if request.stop:
        kept["stop"] = list(request.stop)
    if n > 1:
        kept["n"] = n
    if request.tools:
        kept["tools"] = [dict(tool) for tool in request.tools]
    if request.tool_choice is not None:
        kept["tool_choice"] = request.tool_choice
    if request.parallel_tool_calls is not None:
        kept["parallel_tool_calls"] = request.parallel_tool_calls
    messages = [write_message(message) for message in request.messages]
    return {**request.sampling, "model": model, "messages": messages, "stream": True, **kept, **(extra or {})}


def write_message(message: Message) -> dict[str, Any]:
    """Write one message in OpenAI's form."""
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        # Some servers take a null beside calls, but no empty text.
        written["content"] = message.content or None
        written["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    return written


def find_refused_field(body: Mapping[str, Any], complaint: str) -> str | None:
    """Name the optional field that an endpoint says it does not take; None when its error is about something else."""
    if not _UNSUPPORTED.search(complaint):
        return None
    options = cast("Mapping[str, Any]", body.get("stream_options", {}))
    for field in OPTIONAL_FIELDS:
        if field in complaint and (field in body or field in options):
            return field
    return None


def read_chunk(data: object) -> Chunk:
    """Read one event.

    Raises:
        ProtocolError: it is not an object.
    """
    if not isinstance(data, dict):
        raise ProtocolError(f"the stream holds {str(data)[:80]!r} where a chunk of a completion should be")
    event = cast("dict[str, Any]", data)
    return Chunk(
        choices=tuple(_read_choice(as_dict(choice)) for choice in as_list(event.get("choices"))),
        usage=as_dict(event.get("usage")) or None,
        timings=as_dict(event.get("timings")) or None,
        progress=as_dict(event.get("prompt_progress")) or None,
        server_times=read_server_times(event),
    )


def _read_choice(choice: Mapping[str, Any]) -> ChoiceDelta:
    delta = as_dict(choice.get("delta"))
    logprobs = as_list(as_dict(choice.get("logprobs")).get("content"))
    values = [as_dict(token).get("logprob") for token in logprobs]
    return ChoiceDelta(
        index=as_int(choice.get("index")),
        text=as_text(delta.get("content")),
        # Some servers send the same thought under both names.
        reasoning=as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning")),
        finish_reason=as_text(choice.get("finish_reason")) or None,
        logprobs=tuple(float(value) for value in values if isinstance(value, int | float)),
        calls=tuple(_read_call(as_dict(call)) for call in as_list(delta.get("tool_calls"))),
    )


def _read_call(call: Mapping[str, Any]) -> CallDelta:
    function, index = as_dict(call.get("function")), call.get("index")
    arguments = function.get("arguments")
    return CallDelta(
        index=as_int(index) if isinstance(index, int) else None,
        id=as_text(call.get("id")),
        name=as_text(function.get("name")),
        # Some servers send the object itself where its text should be.
        arguments=json.dumps(arguments) if isinstance(arguments, dict) else as_text(arguments),
    )


def as_dict(value: object) -> dict[str, Any]:
    """Return a JSON object, or an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> Sequence[object]:
    """Return a JSON array, or an empty one for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else ()


def as_int(value: object) -> int:
    """Return a whole number of 0 or more, or 0 for anything else."""
    return max(0, int(value)) if isinstance(value, int | float) and math.isfinite(value) else 0


def as_text(value: object) -> str:
    """Return a JSON string, or an empty one for anything else."""
    return value if isinstance(value, str) else ""
