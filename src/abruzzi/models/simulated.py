"""An OpenAI-compatible endpoint on loopback whose every reply takes a known time: a measuring rod for pipelines.

Real sockets, real streams, real cancellation; only the model is missing. It streams one choice per request, whatever
``n`` asks for, as Ollama and several hosted endpoints do, and constrains its replies to a ``response_format`` schema.
It authenticates nobody and checks nothing: it is no double for tests of a client (those have a server that misbehaves).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from abruzzi.nouns import ToolCall

MODEL = "simulated"
_HEADER_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class TimedReply:
    """What one request gets."""

    text: str
    seconds: float
    """From the request to the reply's end."""
    num_tokens: int
    tool_calls: tuple[ToolCall, ...] = ()
    """Streamed after the text, the arguments of each in two pieces."""


Respond = Callable[[Mapping[str, Any]], TimedReply]
"""Chooses the reply to a request's body."""


@dataclass(slots=True)
class SimulatedEndpoint:
    """A running endpoint and what it has seen."""

    base_url: str
    num_requests: int = 0
    num_cut: int = 0
    """Requests that the client closed before their end."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


@asynccontextmanager
async def open_simulated(respond: Respond) -> AsyncGenerator[SimulatedEndpoint]:
    """Serve on a free port of loopback until the context ends."""
    endpoint = SimulatedEndpoint("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs every connection in a task"
        endpoint.tasks.add(task)
        try:
            await _answer(endpoint, respond, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            endpoint.num_cut += 1
        except asyncio.CancelledError:
            # Only our own closing cancels a connection; asyncio would report it as an unhandled error.
            return
        finally:
            endpoint.tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_HEADER_LIMIT)
    endpoint.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield endpoint
    finally:
        server.close()
        for task in tuple(endpoint.tasks):
            task.cancel()
        await asyncio.gather(*endpoint.tasks, return_exceptions=True)


async def _answer(
    endpoint: SimulatedEndpoint, respond: Respond, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Read one request and answer it; the connection then ends, so that a closed one is a cancelled one."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    if head.startswith("GET"):
        await _send_json(writer, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        return
    length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
    body = json.loads(await reader.readexactly(length))
    endpoint.num_requests += 1
    reply = respond(body)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        done, _ = await asyncio.wait({gone}, timeout=reply.seconds)
        if done:
            raise ConnectionResetError("the client has left")
        await _send_stream(writer, body, reply)
    finally:
        gone.cancel()


async def _send_stream(writer: asyncio.StreamWriter, body: Mapping[str, Any], reply: TimedReply) -> None:
    prompt_tokens = sum(len(str(message.get("content", "")).split()) for message in body.get("messages", []))
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": reply.num_tokens,
        "total_tokens": prompt_tokens + reply.num_tokens,
    }
    choice: dict[str, Any] = {"index": 0, "delta": {"role": "assistant", "content": reply.text}, "finish_reason": None}
    reason = "tool_calls" if reply.tool_calls else "stop"
    ending: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": reason}
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    said = [choice, *_cut_calls(reply.tool_calls), ending]
    events: list[dict[str, Any]] = [*({"choices": [piece]} for piece in said), {"choices": [], "usage": usage}]
    for event in events:
        chunk = {"id": "simulated", "object": "chat.completion.chunk", "created": 0, "model": MODEL, **event}
        writer.write(f"data: {json.dumps(chunk)}\n\n".encode())
    writer.write(b"data: [DONE]\n\n")
    await writer.drain()


def _cut_calls(calls: Sequence[ToolCall]) -> Iterator[dict[str, Any]]:
    """Write calls as the pieces of a stream, as OpenAI does: the name first, then the arguments."""
    for number, call in enumerate(calls):
        middle = len(call.arguments) // 2
        begin = {"index": number, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        rest = [call.arguments[:middle], call.arguments[middle:]]
        for piece in (begin, *({"index": number, "function": {"arguments": part}} for part in rest)):
            yield {"index": 0, "delta": {"tool_calls": [piece]}, "finish_reason": None}


async def _send_json(writer: asyncio.StreamWriter, value: object) -> None:
    payload = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + payload)
    await writer.drain()


def read_schema_name(body: Mapping[str, Any]) -> str:
    """Tell which schema a request wants its reply to fit; empty for none."""
    wanted: Mapping[str, Any] = body.get("response_format") or {}
    return str(wanted.get("json_schema", {}).get("name", ""))


def fill_enum(body: Mapping[str, Any]) -> str:
    """Write the reply that a schema of enumerations allows, as a constrained endpoint would: the first of each."""
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    return json.dumps({name: part["enum"][0] for name, part in properties.items()})
