"""Where a hosted server says the seconds went: read out of chunks, and out of a whole exchange into the ledger.

The exchanges are written by hand after the shapes that Cerebras documents, the body of the 429 after what its users
report; no server was asked.
"""

import asyncio
import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from abruzzi.errors import RateLimitError
from abruzzi.ledger import CallOutcome, Ledger, ServerTimes
from abruzzi.models.chat import ChatRequest
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.retry import RetryPolicy
from abruzzi.models.server_times import read_server_times
from abruzzi.nouns import Message, Role

TOLD = {
    "queue_time": 0.000073161,
    "prompt_time": 0.0010744798888888889,
    "completion_time": 0.005658071111111111,
    "total_time": 0.022224903106689453,
    "created": 1723733419,
}
"""The example of the API reference."""
READ = ServerTimes(0.000073161, 0.0010744798888888889, 0.005658071111111111, 0.022224903106689453)
LIMITS = {
    "x-ratelimit-limit-requests-day": "14400",
    "x-ratelimit-limit-tokens-minute": "60000",
    "x-ratelimit-remaining-requests-day": "14398",
    "x-ratelimit-remaining-tokens-minute": "41000",
    "x-ratelimit-reset-requests-day": "33011.4",
    "x-ratelimit-reset-tokens-minute": "11.4",
}


def write_stream(*events: Mapping[str, Any]) -> str:
    """Write a whole reply with these events."""
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return write_reply(200, body, {"Content-Type": "text/event-stream", **LIMITS})


def write_reply(status: int, body: str, headers: Mapping[str, str]) -> str:
    """Write a whole reply."""
    head = {**headers, "Content-Length": str(len(body.encode())), "Connection": "close"}
    return "\r\n".join([f"HTTP/1.1 {status} Said", *(f"{k}: {v}" for k, v in head.items()), "", body])


def write_chunk(delta: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Write a chunk of one choice."""
    choice = {"delta": delta, "index": 0, "finish_reason": more.pop("finish_reason", None)}
    return {"id": "c", "object": "chat.completion.chunk", "model": "gpt-oss-120b", "choices": [choice], **more}


WHOLE = write_stream(
    write_chunk({"role": "assistant", "reasoning": "17 + 25"}),
    write_chunk({"content": "42"}),
    write_chunk(
        {},
        finish_reason="stop",
        usage={"prompt_tokens": 12, "completion_tokens": 10, "total_tokens": 22},
        time_info=TOLD,
    ),
)
LIMITED = write_reply(
    429,
    json.dumps(
        {
            "message": "Tokens per minute limit exceeded - too many tokens processed.",
            "type": "too_many_tokens_error",
            "param": "quota",
            "code": "token_quota_exceeded",
        }
    ),
    {"Content-Type": "application/json", **LIMITS, "x-ratelimit-remaining-tokens-minute": "0"},
)


@contextmanager
def playing(*replies: str) -> Generator[str]:
    """Serve replies, one a connection, and give the address."""
    left = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = next(int(line.partition(":")[2]) for line in head.splitlines() if line.startswith("content-length"))
        await reader.readexactly(size)
        writer.write(left.pop(0).encode())
        await writer.drain()
        writer.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, "127.0.0.1", 0), loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def ask(address: str, ledger: Ledger, heard: list[dict[str, str]], *, max_tries: int = 2) -> str:
    async def main() -> str:
        async with OpenAIChat(address, model="gpt-oss-120b", policy=RetryPolicy(max_tries, base_s=0.01)) as chat:
            chat.on_headers = lambda headers: heard.append({k.lower(): v for k, v in headers.items()})
            request = ChatRequest(Role.SOLVER, (Message("user", "What is 17 + 25?"),), max_tokens=64)
            (completion,) = await chat.complete(request, ledger=ledger)
            return completion.text

    return anyio.run(main)


def test_a_whole_exchange_leaves_its_times_in_the_ledger() -> None:
    ledger, heard = Ledger(), list[dict[str, str]]()
    with playing(WHOLE) as address:
        assert ask(address, ledger, heard) == "42"
    (call,) = ledger.calls
    assert call.server_times == READ
    assert (call.usage.prompt_tokens, call.usage.completion_tokens) == (12, 10)
    assert heard[0]["x-ratelimit-remaining-tokens-minute"] == "41000"


def test_a_refused_try_has_no_times_and_the_next_one_has() -> None:
    ledger, heard = Ledger(), list[dict[str, str]]()
    with playing(LIMITED, WHOLE) as address:
        assert ask(address, ledger, heard) == "42"
    first, second = ledger.calls
    assert (first.outcome, first.server_times) == (CallOutcome.ERROR, None)
    assert (second.outcome, second.server_times) == (CallOutcome.OK, READ)
    assert [headers["x-ratelimit-remaining-tokens-minute"] for headers in heard] == ["0", "41000"]


def test_a_refusal_is_told_in_the_servers_own_words() -> None:
    with playing(LIMITED) as address, pytest.raises(RateLimitError, match="Tokens per minute limit exceeded"):
        ask(address, Ledger(), [], max_tries=1)


@pytest.mark.parametrize(
    ("event", "times"),
    [
        ({"time_info": TOLD}, READ),
        ({"usage": {"queue_time": 0.5, "total_time": 2}}, ServerTimes(queue_s=0.5, total_s=2.0)),
        ({"time_info": {"queue_time": None, "total_time": 1.5}}, ServerTimes(total_s=1.5)),
        ({"time_info": {"created": 1}}, None),
        ({"time_info": None, "usage": {"prompt_tokens": 3}}, None),
        ({"time_info": {"queue_time": -1, "prompt_time": "2", "total_time": float("inf")}}, None),
        ({"time_info": {"queue_time": True}}, None),
        ({"time_info": [1]}, None),
        ({}, None),
    ],
)
def test_times_are_read_and_nonsense_is_not(event: dict[str, Any], times: ServerTimes | None) -> None:
    assert read_server_times(event) == times
