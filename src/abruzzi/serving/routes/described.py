"""What the OpenAPI document says of every route alike: refusals, and that a reply may be a stream."""

from typing import Any

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """OpenAI's shape of an error."""

    error: ErrorDetail


def refuse_with(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe refusals with these statuses."""
    return {status: {"model": ErrorBody, "description": _DESCRIPTIONS[status]} for status in statuses}


_DESCRIPTIONS = {
    400: "The request cannot be carried out; `param` names what is wrong with it.",
    401: "No API key, or none that is known.",
    404: "There is no such model, record or path.",
    413: "The body is too large.",
    429: "A limit of the key, the queue or the upstream is reached; `Retry-After` says when to try again.",
    500: "Something broke in the server.",
    502: "The upstream model failed.",
    503: "The server is going down, or cannot keep its records.",
    504: "The upstream model gave no answer in time.",
}

REFUSALS = refuse_with(*_DESCRIPTIONS)
"""Of a question."""

EVENT = {
    "type": "object",
    "properties": {"data": {"type": "string"}, "event": {"type": "string"}},
    "required": ["data"],
}
"""One event of a stream: OpenAPI before 3.2 describes the events and not the stream."""

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The reply; with `stream`, as server-sent events.",
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}
