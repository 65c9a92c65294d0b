"""``POST /v1/chat/completions``."""

from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response

from abruzzi.serving.caller import identify
from abruzzi.serving.chat_body import ChatBody
from abruzzi.serving.chat_reply import ChatCompletion
from abruzzi.serving.chat_request import read_chat
from abruzzi.serving.chat_stream import ChatSpeaker
from abruzzi.serving.exchange import exchange
from abruzzi.serving.invalid import StrictRoute
from abruzzi.serving.routes.described import REFUSALS, STREAM
from abruzzi.serving.server import Server


def chat_routes(server: Server) -> APIRouter:
    """Make the routes of chat completions."""
    router = APIRouter(route_class=StrictRoute, tags=["OpenAI"])

    @router.post(
        "/v1/chat/completions",
        operation_id="create_chat_completion",
        summary="Answer a conversation",
        response_model=ChatCompletion,
        responses={**STREAM, **REFUSALS},
    )
    async def create(request: Request, body: ChatBody) -> Response:  # pyright: ignore[reportUnusedFunction] -- a route
        caller = identify(server, request)
        asked = read_chat(body, server)
        question_id = f"chatcmpl-{uuid4().hex}"
        speaker = ChatSpeaker(asked, question_id, int(server.clock()))
        return exchange(server, asked, caller, question_id, speaker)

    return router
