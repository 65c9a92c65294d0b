"""Carries one question out, from its turn in the queue to the end of its record.

The order that everything keeps to: admitted, recorded, guarded, answered, its end recorded, told. The record is begun
before the first upstream call and ended before the client is told that it has its answer. Whatever ends a question (a
failure, the guard, a client that leaves) also ends what runs upstream, and what was finished by then stays on record.
"""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from abruzzi.errors import RecordError
from abruzzi.ledger import Ledger
from abruzzi.nouns import Answer
from abruzzi.reasoning.events import CallEnded, Event, Failed, Listen, ignore
from abruzzi.reasoning.pipeline import answer
from abruzzi.reasoning.recording import event_to_row, is_delta
from abruzzi.reasoning.run import Run
from abruzzi.serving.admission import Ticket
from abruzzi.serving.asked import Asked
from abruzzi.serving.caller import Caller
from abruzzi.serving.first_error import one_error
from abruzzi.serving.keys import Key
from abruzzi.serving.narration import Piece
from abruzzi.serving.passthrough import pass_through
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.reply import Choice, Reply, choose, take
from abruzzi.serving.server import Server
from abruzzi.serving.telling import Tell, Teller
from abruzzi.serving.usage import write_usage

END_S = 10.0
"""How long the end of a record may take once its question has ended by force."""
CHARS_PER_TOKEN = 4
"""For the estimate that a question enters the queue with; the ticket is charged with what it really used."""
ASSUMED_TOKENS = 512
"""Of a candidate that nobody limited."""

Hear = Callable[[Event, float], Awaitable[None]]
"""Told of an event and of the seconds since the question was asked."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told while the question is being answered; None for nobody."""

    hear: Hear | None = None
    """Of each event, deltas too, as the pipeline tells it: the guard has not seen it."""
    tell: Tell | None = None
    """Of each piece for the client, as far as the guard lets it through."""


@asynccontextmanager
async def open_work(server: Server, asked: Asked, caller: Caller, question_id: str) -> AsyncGenerator["Work"]:
    """Wait for the question's turn, begin its record and have the guard look at it.

    However the context is left, the record has ended by then.

    Raises:
        Refusal: the queue is full, a limit is reached, the server drains, or the guard refuses.
        RecordError: no record could be begun.
    """
    async with server.admission.enter(caller.key, tokens=estimate_tokens(asked)) as ticket:
        with _open_trace(server, asked, caller, question_id) as trace:
            work = Work(server, asked, caller.key, question_id, ticket, trace)
            try:
                await work.begin()
                yield work
            except anyio.get_cancelled_exc_class():
                await work.end_early(Status.CANCELLED)
                raise
            except BaseException as error:
                is_refused = isinstance(error, Refusal) and error.code == "content_filter"
                await work.end_early(Status.REFUSED if is_refused else Status.FAILED, error)
                raise


def _open_trace(server: Server, asked: Asked, caller: Caller, question_id: str) -> AbstractContextManager[Listen]:
    if server.traces is None:
        return nullcontext(ignore)
    return server.traces.question(id=question_id, model=asked.offer.id, headers=caller.headers, messages=asked.messages)


def estimate_tokens(asked: Asked) -> int:
    """Estimate what a question will use: a bound where it has a budget, a guess where it has none."""
    prompt = sum(len(message.content) for message in asked.conversation.messages) // CHARS_PER_TOKEN
    settings = asked.settings
    if asked.offer.is_upstream:
        return prompt + asked.num_choices * int(asked.sampling.get("max_tokens", ASSUMED_TOKENS))
    completion = settings.n * (settings.max_tokens or ASSUMED_TOKENS)
    return prompt + (completion if settings.token_budget is None else min(completion, settings.token_budget))


@dataclass(slots=True)
class Work:
    """One question being carried out."""

    server: Server
    asked: Asked
    key: Key
    id: str
    ticket: Ticket
    trace: Listen = ignore
    ledger: Ledger = field(default_factory=Ledger)
    _started: float = field(default_factory=anyio.current_time)
    _rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Not yet in the store."""
    _has_rows: anyio.Event = field(default_factory=anyio.Event)
    _on_event: Callable[[Event, float], None] | None = None
    _is_kept: bool = False
    """The record has begun."""
    _is_ended: bool = False
    _has_told: bool = False
    """The client has had its first piece."""

    @property
    def seconds(self) -> float:
        """Seconds since the question's turn came."""
        return anyio.current_time() - self._started

    async def begin(self) -> None:
        """Begin the record, then ask the guard.

        Raises:
            Refusal: the guard refuses.
            RecordError: no record could be begun.
        """
        server, asked = self.server, self.asked
        server.metrics.question_started(asked.offer.id)
        self.ledger.on_call = lambda call: self._hear(CallEnded(call))
        if server.store is not None and asked.is_kept:
            record = QuestionRecord(
                id=self.id,
                owner=self.key.name,
                asked_at=server.clock(),
                model=asked.offer.id,
                question=asked.conversation.question,
                messages=asked.messages,
                settings={**asked.settings.model_dump(mode="json"), **asked.notes},
            )
            await server.store.begin(record)
            self._is_kept = True
        if server.guard is not None:
            await server.guard.check_question(asked.conversation.messages, ledger=self.ledger)

    async def run(self, listeners: Listeners = Listeners()) -> Reply:
        """Answer the question, end its record, tell its answer.

        Raises:
            AbruzziError: it has no answer.
        """
        teller = Teller(self.asked, self.server.guard, self.ledger, self._time_first(listeners.tell))
        send, receive = anyio.create_memory_object_stream[tuple[Event, float]](math.inf)
        self._on_event = lambda event, at_s: send.send_nowait((event, at_s))
        found: list[tuple[tuple[Choice, ...], Answer | None]] = []
        try:
            with one_error():
                async with anyio.create_task_group() as keeping:
                    keeping.start_soon(self._keep_rows)
                    async with anyio.create_task_group() as telling:
                        telling.start_soon(_pass_on, receive, listeners.hear, teller)
                        found.append(await self._answer())
                        self._on_event = None
                        send.close()
                    keeping.cancel_scope.cancel()
        finally:
            self._on_event = None
            send.close()
            receive.close()
        choices, answered = found[0]
        choices = await teller.finish(choices)
        reply = Reply(choices, write_usage(self.ledger, answered))
        with anyio.CancelScope(shield=True):  # a client that leaves now leaves an answer all the same
            await self._end(Status.ANSWERED, "\n\n".join(choice.content for choice in choices))
        await teller.tell_rest(choices)
        return reply

    async def end_early(self, status: Status, error: BaseException | None = None) -> None:
        """End the record of a question that has no answer; does nothing where it has ended."""
        if self._is_ended:
            return
        if error is not None:
            self._hear(Failed(type(error).__name__, str(error)))
        with anyio.move_on_after(END_S, shield=True):
            try:
                await self._end(status, "")
            except RecordError as trouble:
                # The error that ended the question is the one to tell.
                self.server.log.write("unrecorded", id=self.id, status=status.value, error=str(trouble))

    def _time_first(self, tell: Tell | None) -> Tell | None:
        """Count how long the first piece took; nothing is streamed without a listener."""
        if tell is None:
            return None

        async def timed(piece: Piece) -> None:
            if not self._has_told:
                self._has_told = True
                self.server.metrics.first_token(self.asked.offer.id, self.seconds)
            await tell(piece)

        return timed

    async def _answer(self) -> tuple[tuple[Choice, ...], Answer | None]:
        asked, server = self.asked, self.server
        if asked.offer.is_upstream:
            taken = await pass_through(server.roles.solver, asked, ledger=self.ledger, listen=self._hear)
            return tuple(take(candidate) for candidate in taken), None
        run = Run(
            question=asked.conversation.question,
            roles=server.roles,
            settings=asked.settings,
            agree=server.agree,
            listen=self._hear,
            ledger=self.ledger,
            conversation=None if asked.is_plain else asked.conversation,
        )
        answered = await answer(run)
        return (choose(answered),), answered

    def _hear(self, event: Event) -> None:
        """Take an event in: count it, keep it, pass it on. Never blocks."""
        at_s = self.seconds
        if isinstance(event, CallEnded):
            self.ticket.spend(event.call.usage.total_tokens)
        self.server.metrics.hear(event)
        self.trace(event)
        if self._is_kept and not is_delta(event):
            self._rows.append(event_to_row(event, at_s))
            self._has_rows.set()
        if self._on_event is not None:
            self._on_event(event, at_s)

    async def _keep_rows(self) -> None:
        """Bring rows into the store as they come."""
        while True:
            await self._has_rows.wait()
            self._has_rows = anyio.Event()
            await self._flush()

    async def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows and self.server.store is not None:
            await self.server.store.append(self.id, rows)

    async def _end(self, status: Status, content: str) -> None:
        """End the record; of several ends the first stands."""
        self._is_ended = True
        seconds = self.seconds
        self.server.metrics.question_ended(self.asked.offer.id, status, seconds)
        used = self.ledger.totals().usage
        self.server.log.write(
            "question",
            id=self.id,
            key=self.key.name,
            model=self.asked.offer.id,
            status=status.value,
            seconds=round(seconds, 3),
            waited_s=round(self.ticket.waited_s, 3),
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            content={"question": self.asked.conversation.question, "answer": content},
        )
        if self.server.store is not None and self._is_kept:
            await self._flush()
            usage = write_usage(self.ledger)
            await self.server.store.end(self.id, status=status, answer=content, usage=usage, seconds=seconds)


async def _pass_on(receive: MemoryObjectReceiveStream[tuple[Event, float]], hear: Hear | None, teller: Teller) -> None:
    """Pass events on to those who may take their time."""
    async for event, at_s in receive:
        if hear is not None:
            await hear(event, at_s)
        await teller.hear(event)
