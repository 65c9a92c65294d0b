"""Many clients at once: each asks one question over a connection of its own and notes what came back, and when.

Raw sockets on one loop: an SDK would cost more than the servers it measures. A server is taken at its word as HTTP/1.1
(status, length or chunks), and a stream as server-sent events of chat completions. Every question has an ``Outcome``.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlsplit

STAMP = re.compile(r"(\d+\.\d{6}) ")
"""A token of the simulated upstream: when it was due."""


class Outcome(StrEnum):
    """How a question ended for its client."""

    DONE = "done"
    """A whole answer: ``[DONE]``, or a body of its full length with a choice in it."""
    ERROR = "error"
    """An error in OpenAI's shape, as a response or as an event of the stream."""
    CUT = "cut"
    """The connection ended in the middle, or could not be made: what every client library raises as its own error."""
    UNTYPED = "untyped"
    """A whole response that is neither: nobody's client can read it."""
    HUNG = "hung"
    """Nothing ended it in the time that the test allows."""


@dataclass(slots=True)
class Heard:
    """What a client heard; times are of ``time.monotonic``."""

    asked_at: float
    id: str = ""
    status: int = 0
    code: str | None = None
    """Of the error."""
    text: str = ""
    """The content."""
    first_at: float | None = None
    """The first sign of life: a piece of reasoning or content."""
    content_at: float | None = None
    """The first content."""
    lateness_s: list[float] = field(default_factory=list[float])
    """Of each stamp: from when it was due to when it was here."""
    ended_at: float = 0.0
    outcome: Outcome = Outcome.HUNG


async def ask(url: str, *, within_s: float, model: str, stream: bool = True, key: str = "", **fields: Any) -> Heard:
    """Ask one question.

    Args:
        url: address up to ``/v1``.
        within_s: after so long the question counts as hung.
        model: which to ask.
        stream: or answer whole.
        key: the API key.
        fields: more of the request's body.
    """
    messages = [{"role": "user", "content": "What is 17 + 25?"}]
    body = json.dumps({"model": model, "stream": stream, "messages": messages, **fields}).encode()
    address = urlsplit(url)
    lines = (
        f"POST {address.path}/chat/completions HTTP/1.1",
        f"Host: {address.netloc}",
        f"Authorization: Bearer {key or 'none'}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    loop = asyncio.get_running_loop()
    heard = Heard(loop.time())
    ended = loop.create_future()
    transport: asyncio.Transport | None = None
    try:
        async with asyncio.timeout(within_s):
            transport, _ = await loop.create_connection(
                lambda: _Client("\r\n".join(lines).encode() + b"\r\n\r\n" + body, heard, ended),
                address.hostname or "",
                address.port or 80,
            )
            await ended
    except TimeoutError:
        heard.outcome = Outcome.HUNG
    except OSError:
        heard.outcome = Outcome.CUT
    finally:
        if transport is not None:
            transport.abort()
    heard.ended_at = loop.time()
    return heard


class _Client(asyncio.Protocol):
    """Reads one response."""

    def __init__(self, request: bytes, heard: Heard, ended: asyncio.Future[None]) -> None:
        self._request = request
        self._heard = heard
        self._ended = ended
        self._raw: bytes = b""
        self._body: bytes = b""
        """Of a stream, what is no whole event yet; else all of it."""
        self._headers: Mapping[str, str] | None = None
        self._tail = ""
        """Content that may hold the beginning of a stamp."""
        self._is_failed = self._is_finished = self._is_whole = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._raw = self._raw + data
        if self._headers is None and not self._read_head():
            return
        self._read_body()
        if self._is_whole:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        framed = self._headers is not None and {"content-length", "transfer-encoding"} & set(self._headers)
        self._is_whole = self._is_whole or (self._headers is not None and not framed)  # its end is the body's
        self._end()

    def _end(self) -> None:
        if self._ended.done():
            return
        if self._headers is not None and not self._is_stream and self._is_whole:
            self._read_whole()
        if self._is_failed:
            self._heard.outcome = Outcome.ERROR
        elif not self._is_whole:
            self._heard.outcome = Outcome.CUT
        else:
            self._heard.outcome = Outcome.DONE if self._is_finished else Outcome.UNTYPED
        self._ended.set_result(None)

    @property
    def _is_stream(self) -> bool:
        assert self._headers is not None, "asked once the head is read"
        return self._headers.get("content-type", "").startswith("text/event-stream")

    def _read_head(self) -> bool:
        head, end, rest = self._raw.partition(b"\r\n\r\n")
        if not end:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        self._heard.status = int(first.split(" ")[1])
        self._headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._raw = rest
        return True

    def _read_body(self) -> None:
        assert self._headers is not None, "the head comes first"
        if "chunked" in self._headers.get("transfer-encoding", ""):
            while not self._is_whole:
                size, end, rest = self._raw.partition(b"\r\n")
                length = int(size, 16) if end else 0
                if not end or len(rest) < length + 2:
                    break
                self._is_whole = length == 0
                self._body += rest[:length]
                self._raw = rest[length + 2 :]
        else:
            self._body, self._raw = self._body + self._raw, b""
            length = int(self._headers.get("content-length", -1))
            self._is_whole = 0 <= length <= len(self._body)
        if self._is_stream:
            *events, self._body = self._body.replace(b"\r\n", b"\n").split(b"\n\n")
            for event in events:
                self._read_event(event)

    def _read_event(self, event: bytes) -> None:
        for line in event.split(b"\n"):
            if line == b"data: [DONE]":
                self._is_finished = True
            elif line.startswith(b"data: "):
                self._read_chunk(json.loads(line[6:]))

    def _read_chunk(self, chunk: Mapping[str, Any]) -> None:
        now, heard = time.monotonic(), self._heard
        heard.id = chunk.get("id") or heard.id
        if chunk.get("error"):
            self._fail(chunk["error"])
        for choice in chunk.get("choices", ()):
            delta: Mapping[str, Any] = choice.get("delta") or {}
            content: str = delta.get("content") or ""
            if content or delta.get("reasoning_content"):
                heard.first_at = heard.first_at or now
            if content:
                heard.content_at = heard.content_at or now
                heard.text += content
                heard.lateness_s.extend(now - due for due in self._find_stamps(content))

    def _find_stamps(self, content: str) -> Iterator[float]:
        self._tail += content
        position = 0
        for found in STAMP.finditer(self._tail):
            position = found.end()
            yield float(found[1])
        self._tail = self._tail[position:]

    def _read_whole(self) -> None:
        try:
            reply = json.loads(self._body)
        except ValueError:
            return
        if self._heard.status >= 400 and isinstance(reply, dict) and "error" in reply:
            self._fail(cast("Mapping[str, Any]", reply)["error"])
        elif self._heard.status == 200:
            self._heard.id = reply["id"]
            self._heard.text = reply["choices"][0]["message"]["content"] or ""
            self._is_finished = True

    def _fail(self, error: Mapping[str, Any]) -> None:
        self._is_failed = True
        self._heard.code = error.get("code") or error.get("type")
