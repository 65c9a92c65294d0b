"""Requests that cannot be read: JSON is taken strictly, and what is wrong is told with the path of the parameter.

A body may have so many values: each may be wrong in its own way, and all of them would be complained of before the
first is told.
"""

import itertools
import json
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.exceptions import HTTPException

from abruzzi.serving.refusal import Refusal

MAX_VALUES = 50_000
"""Objects, arrays and plain values in a body; a conversation of 2,000 messages has some 14,000."""
MAX_NAMES = 5_000
"""Of one object in a body."""
MAX_PROBLEMS = 200
"""Complaints that are looked at to find the one to tell."""
UNSUPPORTED = frozenset(
    {
        "audio",
        "background",
        "conversation",
        "function_call",
        "functions",
        "include",
        "logprobs",
        "max_tool_calls",
        "modalities",
        "moderation",
        "prediction",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "top_logprobs",
        "truncation",
        "verbosity",
        "web_search_options",
    }
)
"""Parameters of OpenAI's that are refused as not supported, and not as unknown."""


class StrictRequest(Request):
    """A request whose JSON is real JSON: no NaN, no half of a surrogate pair."""

    async def json(self) -> Any:
        """Read the body.

        Raises:
            JSONDecodeError: it is not JSON.
            HTTPException: 413; it has too many values.
        """
        if not hasattr(self, "_json"):
            try:
                self._json = from_json(await self.body(), allow_inf_nan=False)
            except ValueError as error:
                raise json.JSONDecodeError(str(error), "", 0) from error
            if _has_too_many(self._json):
                raise HTTPException(
                    413, f"the body has more than {MAX_VALUES:,} values, or {MAX_NAMES:,} in one object; send less"
                )
        return self._json


class StrictRoute(APIRoute):
    """A route that reads its body strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Hand the route a strict request."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


def explain_invalid(error: RequestValidationError) -> Refusal:
    """Say what is wrong with a request: the problem that lies deepest, since of a union every member complains."""
    first = itertools.islice(error.errors(), MAX_PROBLEMS)
    problems = [(problem, _locate(problem, error.body)) for problem in first]
    problem, param = max(problems, key=lambda found: found[1].count(".") + found[1].count("["))
    kind, message = str(problem["type"]), str(problem["msg"])
    if kind == "json_invalid":
        reason = problem.get("ctx", {}).get("error", message)
        return _refuse(f"the body is not JSON: {reason}", None, "invalid_json")
    if kind == "extra_forbidden":
        if param in UNSUPPORTED:
            return _refuse(f"{param!r} is not supported here; leave it out", param, "unsupported_parameter")
        return _refuse(f"unknown parameter {param!r}", param, "unknown_parameter")
    if not param and isinstance(error.body, bytes):
        return _refuse("the body is no JSON object; send Content-Type: application/json", None, "invalid_json")
    code = "missing_required_parameter" if kind == "missing" else "invalid_value"
    return _refuse(f"{param or 'the body'}: {message.removeprefix('Value error, ')}", param or None, code)


def _has_too_many(body: object) -> bool:
    num_values, waiting = 1, [body]
    while waiting and num_values <= MAX_VALUES:
        match waiting.pop():
            case dict() as entries:  # pyright: ignore[reportUnknownVariableType] -- JSON
                found: Collection[object] = cast("dict[str, object]", entries).values()
                if len(found) > MAX_NAMES:
                    return True
            case list() as items:  # pyright: ignore[reportUnknownVariableType] -- JSON
                found = cast("list[object]", items)
            case _:
                continue
        num_values += len(found)
        waiting.extend(found)
    return num_values > MAX_VALUES


def _locate(problem: Mapping[str, Any], body: object) -> str:
    loc = cast("Sequence[str | int]", problem["loc"])
    # Of a path or a query, all that is known is the name.
    known: object = body if loc[0] == "body" else dict.fromkeys(loc)
    return write_path(loc, known, is_missing=problem["type"] == "missing")


def write_path(loc: Sequence[str | int], body: object, *, is_missing: bool) -> str:
    """Write where a problem stands as a path: ``messages[0].content``.

    pydantic also names the member of a union that it tried; a step that leads nowhere in the body is such a name.
    """
    path = ""
    here: object = body
    for number, step in enumerate(loc[1:], 2):
        match here, step:
            case dict(), str() if step in here or (is_missing and number == len(loc)):
                path += f".{step}" if path else step
                here = cast("dict[str, object]", here).get(step)
            case list(), int() if step < len(cast("list[object]", here)):
                path += f"[{step}]"
                here = cast("list[object]", here)[step]
            case _:
                pass
    return path


def _refuse(message: str, param: str | None, code: str) -> Refusal:
    return Refusal(message[:500], status=400, type="invalid_request_error", code=code, param=param)
