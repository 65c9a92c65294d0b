"""``POST /v1/responses``, and ``GET`` and ``DELETE /v1/responses/{id}`` of those that are kept.

A response is kept unless it was asked with ``store: false`` or the server has no store; it is its owner's alone.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from abruzzi.serving.caller import identify
from abruzzi.serving.event_stream import write_json
from abruzzi.serving.exchange import exchange
from abruzzi.serving.invalid import UNSUPPORTED, StrictRoute
from abruzzi.serving.reading import find_store, open_reading
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.responses_body import ResponsesBody
from abruzzi.serving.responses_kept import PREFIX, keep_echo, write_kept
from abruzzi.serving.responses_reply import KeptResponse, ResponseObject, write_frame
from abruzzi.serving.responses_request import read_responses
from abruzzi.serving.responses_stream import ResponsesSpeaker
from abruzzi.serving.routes.described import REFUSALS, STREAM, refuse_with
from abruzzi.serving.server import Server

ResponseId = Annotated[str, Path(min_length=1, max_length=128, pattern="^[A-Za-z0-9_.-]+$")]


class Deleted(BaseModel):
    """A response is gone for good."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


def responses_routes(server: Server) -> APIRouter:
    """Make the routes of responses."""
    router = APIRouter(route_class=StrictRoute, tags=["OpenAI"])
    _add_kept(router, server)

    @router.post(
        "/v1/responses",
        operation_id="create_response",
        summary="Answer an input",
        response_model=ResponseObject,
        responses={**STREAM, **REFUSALS},
    )
    async def create(request: Request, body: ResponsesBody) -> Response:  # pyright: ignore[reportUnusedFunction] -- a route
        caller = identify(server, request)
        asked = await read_responses(body, server, caller.key)
        question_id = f"{PREFIX}{uuid4().hex}"
        frame = write_frame(body, question_id=question_id, created=int(server.clock()), is_kept=asked.is_kept)
        asked = replace(asked, notes={**asked.notes, **keep_echo(frame)})
        return exchange(server, asked, caller, question_id, ResponsesSpeaker(frame))

    return router


def _add_kept(router: APIRouter, server: Server) -> None:
    described: dict[str, Any] = {"responses": refuse_with(400, 401, 404, 429, 500, 503)}

    @router.get(
        "/v1/responses/{response_id}",
        operation_id="get_response",
        summary="Read a response that is kept",
        response_model=KeptResponse,
        **described,
    )
    async def read(request: Request, response_id: ResponseId) -> Response:  # pyright: ignore[reportUnusedFunction] -- a route
        key = identify(server, request).key
        refuse_queries(request)
        record = await find_store(server).get(response_id, owner=key.name)
        if record is None or not record.id.startswith(PREFIX):
            raise _unknown(response_id)
        async with open_reading(server, key) as ledger:
            kept = await write_kept(server, record, ledger)
        return Response(write_json(kept), media_type="application/json")

    @router.delete(
        "/v1/responses/{response_id}",
        operation_id="delete_response",
        summary="Delete a response that is kept",
        **described,
    )
    async def delete(request: Request, response_id: ResponseId) -> Deleted:  # pyright: ignore[reportUnusedFunction] -- a route
        key = identify(server, request).key
        is_one = response_id.startswith(PREFIX)
        if not is_one or not await find_store(server).delete(response_id, owner=key.name):
            raise _unknown(response_id)
        return Deleted(id=response_id)


def refuse_queries(request: Request) -> None:
    """Refuse what OpenAI lets a client ask for with a response that is read: a stream of it, further fields.

    Raises:
        Refusal: 400; names the parameter.
    """
    for name, value in request.query_params.items():
        if name == "stream" and value == "false":
            continue
        is_known = name in UNSUPPORTED or name in ("stream", "starting_after", "include_obfuscation", "include[]")
        raise Refusal(
            f"{name[:100]!r} is not supported here; leave it out" if is_known else f"unknown parameter {name[:100]!r}",
            status=400,
            type="invalid_request_error",
            code="unsupported_parameter" if is_known else "unknown_parameter",
            param=name[:100],
        )


def _unknown(response_id: str) -> Refusal:
    return Refusal(
        f"Response with id {response_id!r} not found.",
        status=404,
        type="invalid_request_error",
        code="response_not_found",
        param="response_id",
    )
