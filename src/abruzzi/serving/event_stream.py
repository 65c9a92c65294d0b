"""Responses that last: a client that leaves is noticed at once, and a stream that has nothing to tell still beats.

Starlette's own streaming response notices a client that has left when it next sends something; a question may be silent
for minutes, and costs tokens all the while.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from abruzzi.serving.first_error import one_error

SEND_S = 60.0
"""A client that takes nothing for so long has left."""
HEARTBEAT = b": heartbeat\n\n"
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would gather the stream
)

Respond = Callable[[Send], Awaitable[None]]


def write_json(data: object) -> bytes:
    """Write JSON for a response; half a surrogate pair, which a model may well say, becomes a question mark."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", errors="replace")


def write_event(data: object, name: str | None = None) -> bytes:
    """Write one server-sent event."""
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + write_json(data) + b"\n\n"


async def send_json(send: Send, data: object) -> None:
    """Send a whole response with status 200."""
    body = write_json(data)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class WatchedResponse(Response):
    """A response that is cancelled when its client leaves.

    Args:
        respond: sends the response.
    """

    def __init__(self, respond: Respond) -> None:
        super().__init__()
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond; returns quietly when the client has left."""
        del scope
        with one_error():
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                async def send_in_time(message: Message) -> None:
                    with anyio.move_on_after(SEND_S) as waiting:
                        await send(message)
                    if waiting.cancelled_caught:
                        group.cancel_scope.cancel()
                        await anyio.lowlevel.checkpoint()

                group.start_soon(watch)
                await self._respond(send_in_time)
                group.cancel_scope.cancel()


class EventStream:
    """A stream of server-sent events; see ``open_stream``."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._last = anyio.current_time()
        self._turn = anyio.Lock()
        self._has_begun = False

    async def write(self, events: Iterable[bytes]) -> None:
        """Send events, as ``write_event`` makes them; the first ones after the headers."""
        body = b"".join(events)
        if not body:
            return
        async with self._turn:
            if not self._has_begun:
                self._has_begun = True
                await self._send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            self._last = anyio.current_time()

    async def beat(self, heartbeat_s: float) -> None:
        """Send a comment whenever nothing was sent for so many seconds, for ever."""
        while True:
            await anyio.sleep_until(self._last + heartbeat_s)
            if anyio.current_time() >= self._last + heartbeat_s:
                await self.write([HEARTBEAT])


@asynccontextmanager
async def open_stream(send: Send, heartbeat_s: float) -> AsyncGenerator[EventStream]:
    """Open a stream: sends the headers with the first event or heartbeat, and the end when the block ends well.

    An error before that has its own status. After that the stream is left open: the boundary writes the error into it.
    """
    stream = EventStream(send)
    with one_error():
        async with anyio.create_task_group() as group:
            group.start_soon(stream.beat, heartbeat_s)
            yield stream
            group.cancel_scope.cancel()
    await send({"type": "http.response.body", "body": b""})
