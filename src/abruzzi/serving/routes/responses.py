"""``POST /v1/responses``."""

from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from abruzzi.serving.caller import identify
from abruzzi.serving.exchange import exchange
from abruzzi.serving.invalid import StrictRoute
from abruzzi.serving.responses_body import ResponsesBody
from abruzzi.serving.responses_reply import ResponseObject, write_frame
from abruzzi.serving.responses_request import read_responses
from abruzzi.serving.responses_stream import ResponsesSpeaker
from abruzzi.serving.routes.described import REFUSALS, STREAM
from abruzzi.serving.server import Server


def responses_routes(server: Server) -> APIRouter:
    """Make the routes of responses."""
    router = APIRouter(route_class=StrictRoute, tags=["OpenAI"])

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
        question_id = f"resp_{uuid4().hex}"
        frame = write_frame(body, question_id=question_id, created=int(server.clock()), is_kept=asked.is_kept)
        return exchange(server, asked, caller, question_id, ResponsesSpeaker(frame))

    return router
