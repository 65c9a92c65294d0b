"""What the page asks for: a question with everything that happens to it, the history, text rendered for display.

The same keys, limits and owners as ``/v1``. A question's stream holds the rows of ``reasoning.recording``, deltas too,
as far as the guard lets them through, between two rows of its own:

    {"event": "asked", "id": …, "model": …, "asked_at": …}
    {"event": "ended", "status": "answered", "answer": …, "usage": …, "seconds": …}

An error after the first row is the stream's last event, in OpenAI's shape. What a client was told is on record by then.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.types import Send

from abruzzi import __version__
from abruzzi.errors import RecordError
from abruzzi.ledger import Ledger
from abruzzi.reasoning.events import Answered, Event
from abruzzi.reasoning.recording import event_to_row, row_to_event
from abruzzi.serving.asked import Asked
from abruzzi.serving.caller import Caller, identify
from abruzzi.serving.chat_body import MAX_SEED, MAX_TOKENS, WHOLE, ChatBody, ChatMessage, PipelineOptions, Strict
from abruzzi.serving.chat_request import read_chat
from abruzzi.serving.event_stream import WatchedResponse, open_stream, write_event
from abruzzi.serving.invalid import StrictRoute
from abruzzi.serving.question_record import QuestionRecord
from abruzzi.serving.reading import find_store, open_reading, read_messages
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.rendering.renderer import Renderer
from abruzzi.serving.routes.described import REFUSALS, STREAM, refuse_with
from abruzzi.serving.server import Server
from abruzzi.serving.watching import Watcher
from abruzzi.serving.work import Listeners, open_work

MAX_TEXT_CHARS = 500_000
"""Of a text to be rendered; one that long is shown as it is anyway."""
SETTINGS = ("n", "plan", "judge", "temperature", "seed", "token_budget", "soft_deadline_s", "hard_deadline_s", "preset")
"""Settings of the pipeline that the page shows."""


class QuestionSettings(PipelineOptions):
    """Settings of one question: those of the pipeline, and of the sampling."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS), WHOLE] | None = None
    seed: Annotated[int, Field(ge=-MAX_SEED, le=MAX_SEED), WHOLE] | None = None


class QuestionBody(Strict):
    """A question."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=2048, fail_fast=True)]
    settings: QuestionSettings = QuestionSettings()


class RenderBody(Strict):
    """A text to be rendered."""

    text: Annotated[str, Field(max_length=MAX_TEXT_CHARS)]


class Rendered(BaseModel):
    """The text as HTML that holds nothing but listed elements and attributes."""

    html: str


class QuestionSummary(BaseModel):
    """A question as the history lists it."""

    id: str
    asked_at: float
    model: str
    question: str
    status: str
    answer: str
    seconds: float | None


class QuestionList(BaseModel):
    """A page of the history, the newest question first."""

    questions: list[QuestionSummary]
    next_before: float | None
    """Older ones are had with ``before`` at this; null where there are none."""


class Question(QuestionSummary):
    """A question whole."""

    settings: dict[str, Any]
    events: list[dict[str, Any]]
    usage: dict[str, Any] | None


class OfferedModel(BaseModel):
    """A model that may be asked."""

    id: str
    description: str
    is_upstream: bool
    fixed: dict[str, Any]
    """Settings that its name stands for."""


class PageConfig(BaseModel):
    """What the page has to know of the server."""

    version: str
    models: list[OfferedModel]
    settings: dict[str, Any]
    """The server's own, where a question asks for no others."""
    caps: dict[str, float | None]
    """The most that a question may ask for."""
    has_store: bool


QuestionId = Annotated[str, Path(min_length=1, max_length=128, pattern="^[A-Za-z0-9_.-]+$")]


def question_routes(server: Server, renderer: Renderer) -> APIRouter:
    """Make the routes.

    Args:
        server: the server's parts.
        renderer: whoever made it closes it.
    """
    router = APIRouter(prefix="/api", route_class=StrictRoute, tags=["page"])
    _add_asking(router, server)
    _add_history(router, server)

    @router.get("/config", operation_id="read_config", responses=refuse_with(401))
    async def read_config(request: Request) -> PageConfig:  # pyright: ignore[reportUnusedFunction] -- a route
        identify(server, request)
        return write_config(server)

    @router.post("/render", operation_id="render_text", responses=refuse_with(400, 401, 413))
    async def render(request: Request, body: RenderBody) -> Rendered:  # pyright: ignore[reportUnusedFunction] -- a route
        identify(server, request)
        return Rendered(html=await renderer.render(body.text))

    return router


def _add_asking(router: APIRouter, server: Server) -> None:
    @router.post(
        "/questions",
        operation_id="ask_question",
        summary="Ask, and watch everything that happens",
        response_model=None,
        responses={**REFUSALS, **STREAM},
    )
    async def ask(request: Request, body: QuestionBody) -> Response:  # pyright: ignore[reportUnusedFunction] -- a route
        caller = identify(server, request)
        return watch(server, read_chat(write_chat(body), server), caller, f"chatcmpl-{uuid4().hex}")


def _add_history(router: APIRouter, server: Server) -> None:
    @router.get("/questions", operation_id="list_questions", responses=refuse_with(400, 401, 404, 503))
    async def list_some(  # pyright: ignore[reportUnusedFunction] -- a route
        request: Request,
        search: Annotated[str, Query(max_length=500)] = "",
        before: Annotated[float | None, Query(ge=0, le=1e12, allow_inf_nan=False)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 30,
    ) -> QuestionList:
        owner = identify(server, request).key.name
        found = await find_store(server).search(owner=owner, text=search, before=before, limit=limit)
        questions = [
            QuestionSummary(
                id=one.id,
                asked_at=one.asked_at,
                model=one.model,
                question=one.question,
                status=one.status.value,
                answer=one.answer,
                seconds=one.seconds,
            )
            for one in found
        ]
        return QuestionList(
            questions=questions, next_before=questions[-1].asked_at if len(questions) >= limit else None
        )

    @router.get(
        "/questions/{question_id}", operation_id="read_question", responses=refuse_with(400, 401, 404, 429, 503)
    )
    async def read(request: Request, question_id: QuestionId) -> Question:  # pyright: ignore[reportUnusedFunction] -- a route
        key = identify(server, request).key
        record = await find_store(server).get(question_id, owner=key.name)
        if record is None:
            raise _unknown(question_id)
        async with open_reading(server, key) as ledger:
            return await write_question(server, record, ledger)

    @router.delete(
        "/questions/{question_id}",
        operation_id="delete_question",
        status_code=204,
        responses=refuse_with(400, 401, 404, 503),
    )
    async def delete(request: Request, question_id: QuestionId) -> None:  # pyright: ignore[reportUnusedFunction] -- a route
        if not await find_store(server).delete(question_id, owner=identify(server, request).key.name):
            raise _unknown(question_id)


def watch(server: Server, asked: Asked, caller: Caller, question_id: str) -> WatchedResponse:
    """Make the response that answers a question with everything that happens to it."""

    async def respond(send: Send) -> None:
        async with (
            open_stream(send, server.heartbeat_s) as stream,
            open_work(server, asked, caller, question_id) as work,
        ):
            watcher = Watcher(server.guard, asked.conversation.messages, work.ledger)
            held: list[bytes] = []

            async def hear(event: Event, at_s: float) -> None:
                shown = await watcher.show(event)
                if shown is None:
                    return
                row = write_event(event_to_row(shown, at_s))
                if isinstance(shown, Answered):
                    held.append(row)  # its end is not on record yet
                else:
                    await stream.write([row])

            start = {"event": "asked", "id": question_id, "model": asked.offer.id, "asked_at": server.clock()}
            await stream.write([write_event(start)])
            reply = await work.run(Listeners(hear=hear))
            end = {
                "event": "ended",
                "status": "answered",
                "answer": "\n\n".join(choice.content for choice in reply.choices),
                "usage": reply.usage,
                "seconds": round(work.seconds, 4),
            }
            await stream.write([*held, write_event(end)])

    return WatchedResponse(respond)


def write_chat(body: QuestionBody) -> ChatBody:
    """Write a question in chat's terms, so that both are read by the same rules."""
    given = body.settings.model_dump(exclude_none=True)
    options = {name: given.pop(name) for name in PipelineOptions.model_fields if name in given}
    return ChatBody(
        model=body.model, messages=body.messages, abruzzi=PipelineOptions(**options) if options else None, **given
    )


def write_config(server: Server) -> PageConfig:
    """Say what the page has to know."""
    settings = server.settings.model_dump(mode="json", include=set(SETTINGS))
    caps = server.caps
    return PageConfig(
        version=__version__,
        models=[
            OfferedModel(id=o.id, description=o.description, is_upstream=o.is_upstream, fixed=dict(o.fixed))
            for o in server.offers
        ],
        settings=settings,
        caps={"n": caps.n, "hard_deadline_s": caps.hard_deadline_s, "token_budget": caps.token_budget},
        has_store=server.store is not None,
    )


async def write_question(server: Server, record: QuestionRecord, ledger: Ledger) -> Question:
    """Write a record as its owner may see it; the ledger gets the calls of the guard's model."""
    watcher = Watcher(server.guard, read_messages(record), ledger)
    return Question(
        id=record.id,
        asked_at=record.asked_at,
        model=record.model,
        question=record.question,
        status=record.status.value,
        answer=record.answer,
        seconds=record.seconds,
        settings={name: record.settings[name] for name in SETTINGS if name in record.settings},
        events=await show_rows(watcher, record.events),
        usage=record.usage,
    )


async def show_rows(watcher: Watcher, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Show the rows of a record; one that another version of Abruzzi wrote, and this cannot read, is left out."""
    shown: list[dict[str, Any]] = []
    for row in rows:
        try:
            event = await watcher.show(row_to_event(row))
        except RecordError:
            continue
        if event is not None:
            shown.append(event_to_row(event, float(row.get("at_s", 0.0))))
    return shown


def _unknown(question_id: str) -> Refusal:
    return Refusal(
        f"there is no question {question_id!r} of yours", status=404, type="not_found_error", code="question_not_found"
    )
