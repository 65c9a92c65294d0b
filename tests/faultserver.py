"""An OpenAI-compatible server for tests, on a real loopback socket, that misbehaves as told and records what it saw.

    with FaultServer([say("<answer>42</answer>"), refuse(503), say("fine", cut_after=1)]) as server:
        chat = OpenAIChat(server.base_url, model="m")
        ...
        assert server.records[0].closed_by_client

What it answers is an ``Action`` per request: an ``Answer`` (made with ``say``) or a ``Refusal`` (``refuse``,
``web_page``, ``overflow``), ``Silence`` or ``Slam``. Actions come from a list, used up in order of arrival (then 500),
or from a function of the request (``Seen``), or from ``by_schema``, which tells planner, solver and judge apart by the
name of the schema that they ask for. ``Traits`` say what the server can do: choices per request, dialects of
structured output, ways of telling usage, fields it refuses. Probes are answered without using up the script.

A token is a word with the space around it, as in ``ScriptedChat``. The server's own counters (``Record`` per request,
``prompt_tokens`` and ``completion_tokens`` over all) are the truth that a ledger is held against.
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, cast

from jsonschema import ValidationError, validate

TOKEN = re.compile(r"\s*\S+\s*|\s+")
UsageStyle = Literal["total", "per_choice", "running", "running_only", "running_total", "none"]
"""One summary (OpenAI); one for each choice (llama.cpp); with each chunk, that choice's count, and a summary (vLLM);
the same without a summary; with each chunk, the count over all choices; never."""


@dataclass(frozen=True, slots=True)
class Said:
    """One choice of an answer."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = "stop"
    """None never ends it."""
    token_s: float | None = None
    """Seconds before each token; None takes the answer's."""
    logprob: float = -0.25
    """Of each token."""
    calls: tuple[Mapping[str, Any], ...] = ()
    """Pieces of tool calls, sent as they are after the text; each counts as a token."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A streamed answer; its faults, if any, are counted in tokens over all choices."""

    choices: tuple[Said, ...]
    """Repeated when the request asks for more."""
    header_s: float = 0.0
    """Seconds before the response's headers."""
    ttft_s: float = 0.0
    """Seconds from there to the first token."""
    token_s: float = 0.0
    cut_after: int | None = None
    """Closes the socket."""
    stop_after: int | None = None
    """Ends the stream properly, though no choice is finished."""
    stall_after: int | None = None
    """Falls silent for ever."""
    error_after: int | None = None
    """Sends ``error`` as an event, and closes."""
    error: Mapping[str, Any] = field(default_factory=lambda: {"message": "the engine died", "code": 500})
    garbage_after: int | None = None
    """Sends a line that is not JSON, and goes on."""
    num_given: int | None = None
    """Choices given however many are asked for; None: what the server's traits say. 0 gives none."""
    reasoning_field: str = "reasoning_content"
    content_type: str = "text/event-stream"
    is_chunked: bool = True
    """False: the end of the connection ends the stream, so that a cut looks like an end."""
    has_done: bool = True
    """Sends ``[DONE]``."""
    lingers_s: float = 0.0
    """Keeps the stream open after its last event."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no stream: an error, a web page, or JSON where a stream was asked for."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Silence:
    """Takes the request and never says a word."""


@dataclass(frozen=True, slots=True)
class Slam:
    """Takes the request and closes the connection without an answer."""


Action = Answer | Refusal | Silence | Slam


def say(*texts: str | Said, **how: Any) -> Answer:
    """Answer with these choices; keywords are the fields of ``Answer``."""
    return Answer(tuple(Said(text) if isinstance(text, str) else text for text in texts), **how)


def refuse(status: int, message: str = "no", *, retry_after: str | None = None, **error: Any) -> Refusal:
    """Answer with an HTTP error in OpenAI's form; keywords are further fields of its ``error`` object."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Refusal(status, json.dumps({"error": {"message": message, **error}}), headers=headers)


def web_page(status: int = 200) -> Refusal:
    """Answer with a page for people."""
    return Refusal(status, "<!doctype html><html><title>Welcome</title></html>", "text/html; charset=utf-8")


OVERFLOWS: Mapping[str, Mapping[str, Any]] = {
    "openai": {
        "error": {
            "message": "This model's maximum context length is 2048 tokens. However, your messages resulted in 5003 "
            "tokens. Please reduce the length of the messages.",
            "code": "context_length_exceeded",
        }
    },
    "vllm": {
        "object": "error",
        "message": "This model's maximum context length is 2048 tokens. However, you requested 5003 tokens (4003 in "
        "the messages, 1000 in the completion). Please reduce the length of the messages or completion.",
    },
    "vllm_max_tokens": {
        "message": "'max_tokens' or 'max_completion_tokens' is too large: 5003. This model's maximum context length is "
        "2048 tokens and your request has 30 input tokens (5003 > 2048 - 30).",
    },
    "sglang": {
        "object": "error",
        "message": "The input (5003 tokens) is longer than the model's context length (2048 tokens).",
    },
    "llama.cpp": {
        "error": {
            "message": "request (5003 tokens) exceeds the available context size (2048 tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 5003,
            "n_ctx": 2048,
        }
    },
    "cerebras": {
        "message": "Please reduce the length of the messages or completion. Current length is 5003 while limit is 2048",
        "code": "context_length_exceeded",
    },
}
"""Bodies with which servers refuse a prompt of 5003 tokens for a context of 2048."""


def overflow(style: str) -> Refusal:
    """Refuse a prompt as too long, in the words of one of ``OVERFLOWS``."""
    return Refusal(400, json.dumps(OVERFLOWS[style]))


@dataclass(frozen=True, slots=True)
class Traits:
    """What the server can do."""

    max_n: int | None = None
    """Most choices it gives, silently; None: as many as asked for."""
    refuses_n_above: int | None = None
    """Answers 400 to more choices, in llama.cpp's words."""
    refuses_greedy_n: bool = False
    """Answers 400 to several choices at temperature 0, in vLLM's words."""
    constrains: frozenset[str] = frozenset({"response_format"})
    """Dialects that hold: response_format, structured_outputs, json_schema, json_object. Others are ignored…"""
    refuses: frozenset[str] = frozenset()
    """… or, where they or other request fields are named here, answered with 400."""
    usage: UsageStyle = "total"
    has_logprobs: bool = True
    models: tuple[Mapping[str, Any], ...] = ({"id": "m", "object": "model", "owned_by": "test"},)
    lists: Refusal | None = None
    """Answers the question for the models instead of their list."""
    api_key: str | None = None
    """Any other key gets 401."""
    hangs_up_after_streams: bool = False
    """Promises to keep a connection, and closes it without a word at the next request after a stream, as llama.cpp
    does on a busy machine."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came in."""

    order: int
    """0 for the first; probes and lists of models are not counted."""
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def n(self) -> int:
        """How many choices it asks for."""
        return int(self.body.get("n", 1))

    @property
    def prompt(self) -> str:
        """All messages, one after the other."""
        return "\n".join(str(message["content"]) for message in self.body["messages"])

    @property
    def dialect(self) -> str | None:
        """How it asks for structured output."""
        if "response_format" in self.body:
            return "json_object" if self.body["response_format"]["type"] == "json_object" else "response_format"
        return next((field for field in ("structured_outputs", "json_schema") if field in self.body), None)

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The schema that it asks for, in whichever dialect."""
        format_ = self.body.get("response_format", {})
        places = (format_.get("json_schema", {}).get("schema"), self.body.get("structured_outputs", {}).get("json"))
        return next((place for place in places if place), self.body.get("json_schema"))

    @property
    def schema_name(self) -> str | None:
        """The schema's name, where the dialect tells it."""
        return self.body["response_format"]["json_schema"]["name"] if self.dialect == "response_format" else None

    @property
    def is_probe(self) -> bool:
        """True for the client's own test of what the server can do."""
        return self.prompt.startswith("Choose a word")


@dataclass(slots=True)
class Record:
    """What became of a request."""

    seen: Seen
    action: Action
    started: float
    """``time.monotonic`` when it was read."""
    prompt_tokens: int = 0
    tokens_sent: int = 0
    bytes_sent: int = 0
    is_finished: bool = False
    """True when the server said all it meant to say."""
    closed_by_client: bool = False
    ended: float | None = None
    """``time.monotonic`` when it was over, for whichever reason."""


Script = Sequence[Action] | Callable[[Seen], Action]


def by_schema(actions: Mapping[str | None, Action | Sequence[Action]]) -> Callable[[Seen], Action]:
    """Choose the action by the name of the schema asked for (None: no schema): one for ever, or several in order."""
    used: dict[str | None, int] = {}

    def choose(seen: Seen) -> Action:
        chosen = actions[seen.schema_name]
        if not isinstance(chosen, Sequence):
            return chosen
        used[seen.schema_name] = used.get(seen.schema_name, 0) + 1
        return chosen[used[seen.schema_name] - 1]

    return choose


class FaultServer:
    """The server; a context manager that runs it in a thread of its own."""

    def __init__(self, script: Script, traits: Traits | None = None, *, root: str = "/v1") -> None:
        """Make a server, whose addresses begin with ``root``; entering the context starts it."""
        self.script = script
        self.root = root
        self.traits = traits or Traits()
        self.records: list[Record] = []
        """Completions asked for, in order, without the probes."""
        self.probes: list[Record] = []
        self.probe_actions: list[Action] = []
        """What the first probes are answered with; the rest get a reply that no schema asked for."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faultserver", daemon=True)
        self._connections: set[_Connection] = set()
        self._port = 0

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}{self.root}"

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens over all requests that were answered, the probes included."""
        return sum(record.prompt_tokens for record in (*self.records, *self.probes))

    @property
    def completion_tokens(self) -> int:
        """Tokens sent over all requests, the cut and the cancelled ones and the probes included."""
        return sum(record.tokens_sent for record in (*self.records, *self.probes))

    def wait_until_idle(self, limit_s: float = 5.0) -> None:
        """Wait until no request is under way.

        Raises:
            TimeoutError: one still is.
        """
        deadline = time.monotonic() + limit_s
        while any(record.ended is None for record in (*self.records, *self.probes)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"a request is still under way after {limit_s} s")
            time.sleep(0.002)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Connection(self, self._connections), "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            await connection.shut()

    def take(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Record:
        """Decide what to answer, and open the record."""
        seen = Seen(len(self.records), body, headers)
        action = self._refuse_by_trait(seen) or self._choose(seen)
        record = Record(seen, action, time.monotonic())
        (self.probes if seen.is_probe else self.records).append(record)
        return record

    def check_key(self, headers: Mapping[str, str]) -> Refusal | None:
        """Refuse a wrong key, and echo it as a careless server does."""
        given = headers.get("authorization")
        if self.traits.api_key is None or given == f"Bearer {self.traits.api_key}":
            return None
        return refuse(401, f"Incorrect API key provided: {given}")

    def _choose(self, seen: Seen) -> Action:
        if seen.is_probe:
            return self.probe_actions.pop(0) if self.probe_actions else say("Turtles, mostly.")
        if callable(self.script):
            return self.script(seen)
        if seen.order < len(self.script):
            return self.script[seen.order]
        return refuse(500, f"the test's script has no action for request {seen.order}")

    def _refuse_by_trait(self, seen: Seen) -> Refusal | None:
        traits, body = self.traits, seen.body
        if (wrong_key := self.check_key(seen.headers)) is not None:
            return wrong_key
        names = ({*body, *body.get("stream_options", {})} - {"response_format"}) | {seen.dialect}
        for name in sorted(traits.refuses):
            if name in names:
                return refuse(400, f"Unknown parameter: '{name}'.", param=name)
        if traits.refuses_n_above is not None and seen.n > traits.refuses_n_above:
            top = traits.refuses_n_above
            return refuse(400, f"Field 'n': Value must be between 1 <= value <= {top}, but got {seen.n}", code=400)
        if traits.refuses_greedy_n and seen.n > 1 and body.get("temperature") == 0:
            return refuse(400, f"n must be 1 when using greedy sampling, got {seen.n}.")
        return None


class _Connection(asyncio.Protocol):
    """One connection of HTTP/1.1, kept alive between requests."""

    def __init__(self, server: FaultServer, connections: "set[_Connection]") -> None:
        self._server = server
        self._connections = connections
        self._buffer = b""
        self._task: asyncio.Task[None] | None = None
        self._record: Record | None = None
        self._has_streamed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._record is not None and self._record.ended is None:
            self._record.closed_by_client = True
            self._record.ended = time.monotonic()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._has_streamed and self._server.traits.hangs_up_after_streams:
            self._transport.abort()
            return
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        size = int(headers.get("content-length", 0))
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        self._task = asyncio.get_running_loop().create_task(self._answer(method, path, headers, rest[:size]))

    async def shut(self) -> None:
        """Close the connection from the server's side."""
        if self._record is not None and self._record.ended is None:
            self._record.ended = time.monotonic()
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> None:
        if method == "GET" and path.endswith("/models"):
            traits = self._server.traits
            listed = traits.lists or Refusal(200, json.dumps({"object": "list", "data": list(traits.models)}))
            self._write_whole(self._server.check_key(headers) or listed)
        elif method == "POST" and path == f"{self._server.root}/chat/completions":
            record = self._record = self._server.take(json.loads(content), headers)
            await self._act(record)
            record.is_finished = True
            record.ended = time.monotonic()
        else:
            self._write_whole(Refusal(404, '{"detail": "Not Found"}'))

    async def _act(self, record: Record) -> None:
        match record.action:
            case Silence():
                await asyncio.sleep(3600)
            case Slam():
                record.ended = time.monotonic()
                self._transport.abort()
            case Refusal() as refusal:
                self._write_whole(refusal)
            case Answer() as answer:
                await _Stream(self, record, answer, self._server.traits).run()
                self._has_streamed = True

    def _write_whole(self, refusal: Refusal) -> None:
        content = refusal.body.encode()
        size = str(len(content))
        self.write_head(
            refusal.status, {"Content-Type": refusal.content_type, "Content-Length": size, **refusal.headers}
        )
        self._transport.write(content)

    def write_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Write a response's status and headers."""
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def write(self, content: bytes) -> None:
        """Write a piece of a response's body."""
        self._transport.write(content)

    def close(self, *, is_cut: bool) -> None:
        """Close the connection, with what was written or without waiting for it."""
        if is_cut and self._record is not None:
            self._record.ended = time.monotonic()
        self._transport.close()


class _EndOfStream(Exception):  # noqa: N818 (it ends a stream, for good or ill)
    """The stream is over, as scripted."""


class _Stream:
    """One answer being streamed."""

    def __init__(self, connection: _Connection, record: Record, answer: Answer, traits: Traits) -> None:
        self._connection = connection
        self._record = record
        self._answer = answer
        self._traits = traits
        seen = record.seen
        self._seen = seen
        limit = answer.num_given if answer.num_given is not None else traits.max_n
        num_given = seen.n if limit is None else min(seen.n, limit)
        said = [answer.choices[index % len(answer.choices)] for index in range(num_given)]
        self._choices = [_conform(choice, seen, traits) for choice in said]
        self._counts = [0] * num_given
        self._thoughts = [0] * num_given
        self._has_usage = traits.usage != "none" and bool(seen.body.get("stream_options", {}).get("include_usage"))

    async def run(self) -> None:
        """Stream the answer, up to its end or its fault."""
        answer, record = self._answer, self._record
        await asyncio.sleep(answer.header_s)
        framing = {"Transfer-Encoding": "chunked"} if answer.is_chunked else {"Connection": "close"}
        self._connection.write_head(200, {"Content-Type": answer.content_type, **framing})
        record.prompt_tokens = count_tokens(self._seen.prompt)
        await asyncio.sleep(answer.ttft_s)
        tasks = [asyncio.ensure_future(self._say(index)) for index in range(len(self._choices))]
        try:
            await asyncio.gather(*tasks)
            if self._has_usage and self._traits.usage in ("total", "running"):
                self._event({"choices": [], "usage": self._usage(range(len(self._choices)))})
            self._done()
            await asyncio.sleep(answer.lingers_s)
        except _EndOfStream:
            return
        finally:
            for task in tasks:
                task.cancel()
        self._write(b"0\r\n\r\n" if answer.is_chunked else b"", is_framed=True)
        if not answer.is_chunked:
            self._connection.close(is_cut=False)

    async def _say(self, index: int) -> None:
        """Stream one choice."""
        said = self._choices[index]
        token_s = self._answer.token_s if said.token_s is None else said.token_s
        self._chunk(index, {"role": "assistant", "content": ""})
        limit = self._seen.body.get("max_tokens") or self._seen.body.get("max_completion_tokens") or 10**9
        thoughts = [(self._answer.reasoning_field, token) for token in TOKEN.findall(said.reasoning)]
        pieces: list[tuple[str, Any]] = [*thoughts, *(("content", token) for token in TOKEN.findall(said.text))]
        pieces += [("tool_calls", [piece]) for piece in said.calls]
        for name, token in pieces[:limit]:
            await asyncio.sleep(token_s)
            await self._maybe_fail()
            self._record.tokens_sent += 1
            self._counts[index] += 1
            self._thoughts[index] += name == self._answer.reasoning_field
            self._chunk(index, {name: token}, logprob=said.logprob)
        await self._maybe_fail()
        if said.finish_reason is not None:
            self._chunk(index, {}, finish_reason="length" if len(pieces) > limit else said.finish_reason)
            if self._has_usage and self._traits.usage == "per_choice":
                self._event({"choices": [], "usage": self._usage([index])})

    async def _maybe_fail(self) -> None:
        """Do the scripted fault once its token has come."""
        answer, sent = self._answer, self._record.tokens_sent
        if answer.stall_after is not None and sent >= answer.stall_after:
            await asyncio.sleep(3600)
        if answer.garbage_after is not None and sent >= answer.garbage_after:
            self._write(b"data: {this is not JSON\n\n")
        if answer.error_after is not None and sent >= answer.error_after:
            self._event({"error": dict(answer.error)})
            self._connection.close(is_cut=True)
            raise _EndOfStream
        if answer.cut_after is not None and sent >= answer.cut_after:
            self._connection.close(is_cut=True)
            raise _EndOfStream
        if answer.stop_after is not None and sent >= answer.stop_after:
            self._done()
            self._write(b"0\r\n\r\n", is_framed=True)
            raise _EndOfStream

    def _chunk(
        self, index: int, delta: Mapping[str, Any], *, finish_reason: str | None = None, logprob: float | None = None
    ) -> None:
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish_reason}
        if logprob is not None and self._seen.body.get("logprobs") and self._traits.has_logprobs:
            choice["logprobs"] = {"content": [{"token": "x", "logprob": logprob}]}
        event: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}
        if self._has_usage and self._traits.usage in ("running", "running_only"):
            event["usage"] = self._usage([index])
        elif self._has_usage and self._traits.usage == "running_total":
            event["usage"] = self._usage(range(len(self._choices)))
        self._event(event)

    def _usage(self, indices: Sequence[int]) -> dict[str, Any]:
        completion = sum(self._counts[index] for index in indices)
        return {
            "prompt_tokens": self._record.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self._record.prompt_tokens + completion,
            "completion_tokens_details": {"reasoning_tokens": sum(self._thoughts[index] for index in indices)},
        }

    def _done(self) -> None:
        if self._answer.has_done:
            self._write(b"data: [DONE]\n\n")

    def _event(self, event: Mapping[str, Any]) -> None:
        self._write(f"data: {json.dumps(event)}\n\n".encode())

    def _write(self, content: bytes, *, is_framed: bool = False) -> None:
        if self._answer.is_chunked and not is_framed:
            content = f"{len(content):x}\r\n".encode() + content + b"\r\n"
        self._record.bytes_sent += len(content)
        self._connection.write(content)


def count_tokens(text: str) -> int:
    """Count the server's tokens."""
    return len(TOKEN.findall(text))


def _conform(said: Said, seen: Seen, traits: Traits) -> Said:
    """Hold a choice to the schema asked for, where the server does that."""
    if seen.dialect not in traits.constrains or said.calls:
        return said
    schema = seen.schema if seen.schema is not None else {"type": "object"}
    try:
        validate(json.loads(said.text), schema)
    except (ValueError, ValidationError):
        return replace(said, text=json.dumps(instance_of(schema)))
    return said


def instance_of(schema: Mapping[str, Any]) -> Any:
    """Make the smallest value that fits a schema of the simple kind."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: instance_of(schema["properties"][name]) for name in schema.get("required", ())}
    if schema.get("type") == "array":
        return [instance_of(schema["items"]) for _ in range(schema.get("minItems", 0))]
    return {"string": "x", "integer": 0, "number": 0, "boolean": False}.get(schema["type"])
