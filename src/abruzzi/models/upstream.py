"""Makes one upstream call: opens the stream, reads it to its end under four timeouts, closes it, and writes its row.

However the call ends (whole, broken, late, cancelled), the connection is closed before this returns, and the row says
what is known of its cost. It never tries again; that is for ``sampling`` to decide.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import openai
from openai import AsyncOpenAI, AsyncStream

from abruzzi.errors import EndpointError, ModelError, ModelTimeoutError, ProtocolError, UnreachableError
from abruzzi.ledger import CallOutcome, Ledger, OpenCall
from abruzzi.models.board import Board
from abruzzi.models.chat import Timeouts
from abruzzi.models.faults import Site, explain, explain_page
from abruzzi.models.retry import ConnectTimeoutError, NotConnectedError
from abruzzi.models.usage import Meter, StreamEnd
from abruzzi.models.wire import Chunk, as_text, read_chunk
from abruzzi.nouns import Role, Usage

AFTER_END_S = 2.0
"""How long a server may keep a stream open after the last choice has ended, for its usage to come."""


@dataclass(frozen=True, slots=True)
class Link:
    """A way to an endpoint."""

    site: Site
    client: AsyncOpenAI
    headers: Mapping[str, str | openai.Omit]
    now: Callable[[], float]
    """Seconds since the epoch."""
    open_meter: Callable[[int], Awaitable[Meter]]
    """Makes the meter of a call for so many choices."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one call is to bring."""

    role: Role
    body: Mapping[str, Any]
    indices: tuple[int, ...]
    """The choices, in the order of the server's own indices."""
    attempt: int
    timeouts: Timeouts
    deadline: float
    """Event-loop time at which the whole request ends."""


async def make_call(link: Link, order: Order, board: Board, ledger: Ledger) -> set[int]:
    """Make one call for some of a request's choices.

    Args:
        link: where to.
        order: what for.
        board: gets the pieces and the ends.
        ledger: gets the row.

    Returns:
        The choices that the server gave; fewer than asked for where it does not honour ``n``.

    Raises:
        ModelError: the call failed; choices that had ended by then are on the board.
    """
    meter = await link.open_meter(len(order.indices))
    call = ledger.open(order.role, link.site.name, num_choices=len(order.indices), attempt=order.attempt)
    reading = _Reading(link, order, board, call, meter)
    outcome, error, status = CallOutcome.ERROR, "an error of our own", None
    usage, is_exact = Usage(), False
    try:
        await reading.read()
        outcome, error = CallOutcome.OK, None
    except anyio.get_cancelled_exc_class():
        outcome, error = CallOutcome.CANCELLED, None
        raise
    except ModelError as fault:
        outcome = CallOutcome.TIMEOUT if isinstance(fault, ModelTimeoutError) else CallOutcome.ERROR
        error, status = str(fault), fault.status
        raise
    finally:
        with anyio.CancelScope(shield=True):
            usage, is_exact = await meter.settle(reading.end)
        reading.end_waiting(usage.completion_tokens if is_exact and len(order.indices) == 1 else None)
        call.close(outcome, usage, is_exact=is_exact, error=error, status=status)
    return reading.seen


@dataclass(slots=True)
class _Reading:
    """One stream being read."""

    link: Link
    order: Order
    board: Board
    call: OpenCall
    meter: Meter
    seen: set[int] = field(default_factory=set[int])
    """Choices that the server has spoken of."""
    waiting: dict[int, str] = field(default_factory=dict[int, str])
    """Choices that ended, whose own token count may follow in a moment, and their finish reasons."""
    num_ended: int = 0
    has_stream: bool = False
    has_token: bool = False
    end: StreamEnd = StreamEnd.BROKEN
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    limit: tuple[str, float] = ("first token", 0.0)
    """What is waited for, and for how long."""

    async def read(self) -> None:
        """Read the stream to its end."""
        self._allow("first token", self.order.timeouts.first_token_s)
        try:
            with self.scope:
                await self._stream()
            if self.scope.cancelled_caught:
                raise self._too_late()
            self._check_end()
            self.end = StreamEnd.WHOLE
        except ModelError as error:
            if not self.has_stream and isinstance(error, EndpointError | NotConnectedError | ConnectTimeoutError):
                self.end = StreamEnd.REFUSED
            if self.num_ended < len(self.order.indices):
                raise
            # Every choice had ended; only the bill is missing.

    async def _stream(self) -> None:
        site, connect_s = self.link.site, self.order.timeouts.connect_s
        try:
            await self._read_events()
            return
        except openai.APITimeoutError:
            fault = ConnectTimeoutError(
                f"no connection to {site.base_url} within {connect_s:g} s; is the address right?"
            )
        except (openai.OpenAIError, ValueError) as error:
            fault = explain(error, site, now=self.link.now)
        # Raised out here, it does not hold on to the SDK's exception, nor through it to the request and its key.
        raise fault

    async def _read_events(self) -> None:
        stream = await self.link.client.post(
            "/chat/completions",
            body=self.order.body,
            cast_to=object,
            options={
                "timeout": openai.Timeout(None, connect=self.order.timeouts.connect_s),
                "headers": self.link.headers,
            },
            stream=True,
            stream_cls=AsyncStream[object],
        )
        self.has_stream = True
        try:
            await self._check_content(stream)
            async for data in stream:
                self._take(read_chunk(data))
        finally:
            with anyio.CancelScope(shield=True):
                await stream.close()

    async def _check_content(self, stream: AsyncStream[object]) -> None:
        """Refuse what is plainly not a stream, while its body can still be read."""
        site, content_type = self.link.site, as_text(stream.response.headers.get("content-type"))
        if "html" in content_type:
            raise explain_page(site, stream.response.status_code)
        if "application/json" in content_type:
            text = site.clean((await stream.response.aread()).decode(errors="replace"))
            raise ProtocolError(f"{site.base_url} answered with plain JSON where a stream was asked for: {text[:160]}")

    def _take(self, chunk: Chunk) -> None:
        """Take the next chunk."""
        num_tokens = self.meter.note(chunk)
        if chunk.server_times is not None:
            self.call.note_server_times(chunk.server_times)
        for choice in chunk.choices:
            if choice.index >= len(self.order.indices):
                continue
            index = self.order.indices[choice.index]
            self.seen.add(index)
            if index in self.waiting or not self.board.unfinished([index]):
                continue
            if choice.has_token:
                self.has_token = True
                self.call.mark_first_token()
            self.board.put(
                index, text=choice.text, reasoning=choice.reasoning, logprobs=choice.logprobs, calls=choice.calls
            )
            if choice.finish_reason is not None:
                self.has_token = True
                self.num_ended += 1
                self.waiting[index] = choice.finish_reason
        if self.num_ended == len(self.order.indices):
            self._allow("end", AFTER_END_S)
            # Whoever has all choices may cancel now; there is nothing left to cancel, and the bill is on its way.
            self.scope.shield = True
        elif self.has_token:
            self._allow("next token", self.order.timeouts.idle_s)
        if num_tokens is not None or not self.meter.counts_each_choice:
            self.end_waiting(num_tokens)

    def end_waiting(self, num_tokens: int | None) -> None:
        """End the choices that waited for their token count."""
        waiting, self.waiting = self.waiting, {}
        for index, reason in waiting.items():
            self.board.end(index, reason, num_tokens)

    def _allow(self, what: str, seconds: float) -> None:
        """Give the server so long for the next thing, within the time of the whole request."""
        self.limit = (what, seconds)
        self.scope.deadline = min(anyio.current_time() + seconds, self.order.deadline)

    def _too_late(self) -> ModelTimeoutError:
        url = self.link.site.base_url
        what, seconds = self.limit
        if anyio.current_time() >= self.order.deadline:
            what, seconds = "end", self.order.timeouts.total_s
        return ModelTimeoutError(f"no {what} from {url} within {seconds:g} s")

    def _check_end(self) -> None:
        """Tell a stream that ended from one that was cut.

        Raises:
            ProtocolError: it held no choice at all.
            UnreachableError: it stopped before a choice that had begun was finished.
        """
        url = self.link.site.base_url
        if not self.seen:
            raise ProtocolError(f"{url} ended its stream without a single choice")
        if self.num_ended < len(self.seen):
            raise UnreachableError(f"the stream from {url} was cut: it ended before the reply did")
