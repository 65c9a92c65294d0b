"""A simulated upstream as a process of its own: OpenAI's chat completions at a known pace, with faults on demand.

    python tests/serving/load/upstream.py --port 0 --ttft-s 0.5 --token-s 0.5 --tokens 20 --fault cut --every 2

It prints its port and runs until it is killed; the same port can be taken again at once. Standard library alone, one
loop, chunks written beforehand: what it costs must not be mistaken for what is measured. Timers are kept by the plan of
the stream and not from token to token, so a late loop does not add up.

With ``--stamps`` each token is the time at which it was due to be written, in seconds of ``time.monotonic``, which all
processes of a Linux machine share: whoever reads a token knows how late it is, whatever buffered or merged it. Without,
the text is the same for every request, so that a client that begins again can go on where it was. It always ends in
``<answer>42</answer>``. Where a request does not stream, tokens are due at the same times and come together at the end.

It checks nothing and asks for no key: a double for tests of the client itself is ``tests/faultserver.py``.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

MODEL = "simulated"
ANSWER = "<answer>42</answer>"
PLAN = {"plan": "Add the tens.\nAdd the ones."}
FAULTS = ("none", "fail", "cut", "stall", "slam")
REFUSALS = (500, 429)
"""What ``fail`` answers, in turn."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the upstream answers."""

    ttft_s: float
    """From the request to the first token."""
    token_s: float
    """From one token to the next."""
    tokens: int
    """Of each choice, the answer's included."""
    has_stamps: bool
    fault: str
    """``fail`` answers with an error, ``slam`` hangs up without one; ``cut`` closes a stream that has begun, ``stall``
    falls silent in it."""
    every: int
    """Of so many requests the last one has the fault."""
    after: int
    """Tokens before a cut or a stall."""


class Counter:
    """Counts completions asked for, over all connections."""

    def __init__(self) -> None:
        self.num_requests = 0


class Connection(asyncio.Protocol):
    """One connection of HTTP/1.1, kept alive between requests."""

    def __init__(self, pace: Pace, counter: Counter) -> None:
        self._pace = pace
        self._counter = counter
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a client."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop what was being said."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Gather a request; clients do not send the next one before they have their reply."""
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        fields = (line.partition(b":") for line in head.lower().split(b"\r\n")[1:])
        size = next((int(value) for name, _, value in fields if name == b"content-length"), 0)
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        if head.startswith(b"GET"):
            self._send_json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        else:
            self._complete(json.loads(rest[:size]))

    def _complete(self, body: Mapping[str, Any]) -> None:
        pace, number = self._pace, self._counter.num_requests
        self._counter.num_requests += 1
        is_faulty = pace.fault != "none" and number % pace.every == pace.every - 1
        if is_faulty and pace.fault == "slam":
            self._transport.abort()
        elif is_faulty and pace.fault == "fail":
            status = REFUSALS[number // pace.every % len(REFUSALS)]
            self._send_json(status, {"error": {"message": "simulated", "type": "simulated", "code": None}})
        else:
            due = self._loop.time() + pace.ttft_s
            texts = write_texts(body, pace, due)
            if body.get("stream"):
                self._stream(body, texts, due, pace.after if is_faulty else None)
            else:
                self._whole(body, texts, due)

    def _whole(self, body: Mapping[str, Any], texts: list[str], due: float) -> None:
        """Answer at once what a stream would have brought by its last token."""
        message = {"role": "assistant", "content": "".join(texts)}
        choices = [{"index": i, "message": message, "finish_reason": "stop"} for i in range(int(body.get("n") or 1))]
        reply = {"id": "c", "object": "chat.completion", "created": 0, "model": MODEL, "choices": choices}
        last = due + (len(texts) - 1) * self._pace.token_s
        self._timer = self._loop.call_at(last, self._send_json, 200, {**reply, "usage": count(body, len(texts))})

    def _stream(self, body: Mapping[str, Any], texts: list[str], due: float, fault_after: int | None) -> None:
        """Say the texts, each when it is due, of all choices together."""
        indices = range(int(body.get("n") or 1))
        chunks = [b"".join(frame(write_delta(i, {"content": text})) for i in indices) for text in texts]
        begin = b"".join(frame(write_delta(i, {"role": "assistant", "content": ""})) for i in indices)
        end = b"".join(frame(write_delta(i, {}, "stop")) for i in indices)
        options: Mapping[str, Any] = body.get("stream_options") or {}
        if options.get("include_usage"):
            end += frame({**write_delta(0, {}), "choices": [], "usage": count(body, len(texts) * len(indices))})
        end += frame_bytes(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + begin
        )

        def say(number: int) -> None:
            if number == fault_after:
                if self._pace.fault == "cut":
                    self._transport.close()
                return
            if number == len(chunks):
                self._transport.write(end)
                return
            self._transport.write(chunks[number])
            is_last = number + 1 == len(chunks)
            next_due = due + (number + (not is_last)) * self._pace.token_s
            self._timer = self._loop.call_at(next_due, say, number + 1)

        self._timer = self._loop.call_at(due, say, 0)

    def _send_json(self, status: int, value: object) -> None:
        payload = json.dumps(value).encode()
        head = (
            f"HTTP/1.1 {status} Simulated\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        self._transport.write(head.encode() + payload)


def write_texts(body: Mapping[str, Any], pace: Pace, due: float) -> list[str]:
    """Write the tokens of a reply: JSON where a schema is asked for, else words or stamps and the answer."""
    wanted: Mapping[str, Any] = body.get("response_format") or {}
    form: Mapping[str, Any] | None = wanted.get("json_schema")
    if form is not None:
        return [json.dumps(PLAN if form["name"] == "plan" else fill(form["schema"]))]
    # A stop string is where a real server ends, without it.
    answer = ANSWER.removesuffix("</answer>") if "</answer>" in (body.get("stop") or ()) else ANSWER
    return [*write_words(pace, due), answer]


def write_words(pace: Pace, due: float) -> Iterator[str]:
    """Write the tokens before the answer; asyncio's clock is ``time.monotonic``."""
    for number in range(pace.tokens - 1):
        yield f"{due + number * pace.token_s:.6f} " if pace.has_stamps else f"word{number} "


def fill(schema: Mapping[str, Any]) -> Any:
    """Make the simplest value that fits a schema: the first of an enumeration, one of each property."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: fill(part) for name, part in schema["properties"].items()}
    simplest: dict[str, Any] = {"array": [], "string": "so", "boolean": True, "integer": 0, "number": 0}
    return simplest[schema["type"]]


def write_delta(index: int, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    """Write a chunk with a piece of one choice."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}


def count(body: Mapping[str, Any], completion_tokens: int) -> dict[str, int]:
    """Write the usage; a token of the prompt is a word."""
    prompt = sum(len(str(message.get("content", "")).split()) for message in body["messages"])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt + completion_tokens,
    }


def frame(event: Mapping[str, Any]) -> bytes:
    """Write an event as a chunk of the response's body."""
    return frame_bytes(b"data: " + json.dumps(event).encode() + b"\n\n")


def frame_bytes(content: bytes) -> bytes:
    """Write a chunk of the response's body."""
    return b"%x\r\n%b\r\n" % (len(content), content)


async def serve(pace: Pace, port: int) -> None:
    """Serve until the process ends."""
    counter = Counter()
    loop = asyncio.get_running_loop()
    assert abs(loop.time() - time.monotonic()) < 1, "stamps are of the clock that other processes read"
    server = await loop.create_server(lambda: Connection(pace, counter), "127.0.0.1", port, backlog=2048)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ttft-s", type=float, default=0.0)
    parser.add_argument("--token-s", type=float, default=0.0)
    parser.add_argument("--tokens", type=int, default=10)
    parser.add_argument("--stamps", action="store_true")
    parser.add_argument("--fault", choices=FAULTS, default="none")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--after", type=int, default=3)
    given = parser.parse_args()
    pace = Pace(
        ttft_s=given.ttft_s,
        token_s=given.token_s,
        tokens=given.tokens,
        has_stamps=given.stamps,
        fault=given.fault,
        every=given.every,
        after=given.after,
    )
    asyncio.run(serve(pace, given.port))


if __name__ == "__main__":
    main()
