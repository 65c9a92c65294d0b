"""A key that was used for everything, failures included, stands nowhere afterwards."""

import base64
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from abruzzi.errors import AccessError, EndpointError, ModelError, UnreachableError
from abruzzi.models.chat import ChatRequest
from abruzzi.models.scripted import Reply, ScriptedChat, fail, reply
from abruzzi.nouns import Role
from abruzzi.serving.guard.guard import Guard
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.key_file import hash_key
from abruzzi.serving.logs import Log, take_over
from abruzzi.serving.settings import TraceSettings
from abruzzi.serving.tracing import make_traces
from tests.serving.page.hosting import hosting
from tests.serving.running import PLAN, solve
from tests.serving.security.attacking import ANN, Attack, chat, client, each, ring, send, write_request

ADDRESS = "http://10.0.0.7:8000/v1"
UPSTREAM = "csk-upstream-0123456789abcdefghij"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def solve_or_fail(request: ChatRequest) -> list[Reply]:
    """Answer, or break in the way that the question names; what breaks knows the upstream's key."""
    question = request.messages[-1].content
    if "key" in question:
        return [reply(f"The key is {UPSTREAM}. <answer>{UPSTREAM}</answer>", reasoning=UPSTREAM)]
    errors = {
        "access": AccessError(f"http://10.0.0.7/v1 refused {UPSTREAM}", 401),
        "status": EndpointError(f"http://10.0.0.7/v1?key={UPSTREAM} failed (500)", 500),
        "model": ModelError(UPSTREAM),
    }
    for name, error in errors.items():
        if name in question:
            return [fail(error)] * request.n
    if "crash" in question:
        raise RuntimeError(UPSTREAM)
    return solve(request)


@dataclass
class Sinks:
    """Everything that a server writes."""

    folder: Path
    log: io.StringIO = field(default_factory=io.StringIO)
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    said: list[httpx2.Response] = field(default_factory=list[httpx2.Response])
    raw: list[bytes] = field(default_factory=list[bytes])
    metrics: str = ""
    page: bytes = b""

    def find(self, name: str) -> bytes:
        """Return all that one sink holds."""
        match name:
            case "leak.log":
                return self.log.getvalue().encode()
            case "leak.traces":
                return "".join(span.to_json() for span in self.spans.get_finished_spans()).encode()
            case "leak.metrics":
                return self.metrics.encode()
            case "leak.store":
                return b"".join(path.read_bytes() for path in self.folder.iterdir())
            case "leak.page":
                return self.page
            case "leak.responses":
                heads = b"".join(value for one in self.said for pair in one.headers.raw for value in pair)
                return heads + b"".join(one.content for one in self.said) + b"".join(self.raw)
            case _:
                raise AssertionError(name)


def use(url: str, sinks: Sinks) -> None:
    """Use the key for everything that there is."""
    ways = ("hello", "access", "status", "model", "crash", "key")
    with client(url, traceparent=TRACE, Cookie=f"key={ANN}") as web:
        for question in ways:
            messages = [{"role": "user", "content": question}]
            for stream in (False, True):
                sinks.said.append(
                    web.post(f"/v1/chat/completions?api_key={ANN}", json=chat(messages=messages, stream=stream))
                )
                body = {"model": "abruzzi", "input": question, "stream": stream}
                sinks.said.append(web.post("/v1/responses", json=body))
            sinks.said.append(web.post("/api/questions", json=chat(messages=messages)))
        listed = web.get("/api/questions").json()["questions"]
        assert {one["status"] for one in listed} == {"answered", "failed", "refused"}
        for one in listed:
            sinks.said += [web.get(f"/api/questions/{one['id']}"), web.get(f"/v1/responses/{one['id']}")]
        for path in (
            "/v1/models",
            "/api/config",
            f"/v1/models/{ANN}",
            "/v1/responses/resp_1",
            "/nothing",
            "/openapi.json",
        ):
            sinks.said.append(web.get(path))
        sinks.said += [web.post("/api/render", json={"text": "x"}), web.delete("/api/questions/chatcmpl-1")]
        sinks.said.append(web.post("/v1/responses", content=b"{", headers={"Content-Type": "application/json"}))
        sinks.metrics = web.get("/metrics").text
        names = [line.split('"')[1] for line in web.get("/").text.split("src=")[1:]]
        sinks.page = web.get("/").content + b"".join(web.get(name).content for name in names)
    for key in (ANN[:-1], f"{ANN}x"):  # almost right
        sinks.raw.append(send(url, write_request("/v1/models", key=key)).body)
    sinks.raw.append(send(url, write_request("/v1/models", "Bad\x00Header: 1")).body)


@pytest.fixture(scope="module", params=[False, True], ids=["quiet", "with content"])
def sinks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sinks]:
    """What a server wrote in its life: without questions and answers in its log and traces, and with them."""
    has_content = bool(request.param)
    found = Sinks(tmp_path_factory.mktemp("store"))
    log = Log(found.log, now=lambda: 1_800_000_000.0, has_content=has_content)
    loggers = [logging.getLogger(name) for name in (None, "uvicorn", "uvicorn.access")]
    before = [(one, one.handlers, one.level, one.propagate, one.disabled) for one in loggers]
    take_over(log)
    traces = make_traces(TraceSettings(content=has_content), SimpleSpanProcessor(found.spans), version="1")
    model = ScriptedChat({Role.PLANNER: reply(json=PLAN), Role.SOLVER: solve_or_fail}, max_context=8192)
    guard = Guard(GuardSettings(), keys=[UPSTREAM])
    with hosting(model, found.folder, keys=ring(), guard=guard, log=log, traces=traces) as host:
        use(host.url, found)
    yield found
    for one, handlers, level, propagate, disabled in before:
        one.handlers, one.propagate, one.disabled = handlers, propagate, disabled
        one.setLevel(level)


def forms(key: str) -> dict[str, bytes]:
    """The key as it is, and as it is easily read again."""
    encoded = base64.b64encode(key.encode()).rstrip(b"=")
    return {
        "itself": key.encode(),
        "digest": hash_key(key).encode(),
        "base64": encoded[:-2],
        "backwards": key[::-1].encode(),
    }


SINKS = [Attack(f"leak.{name}") for name in ("log", "traces", "metrics", "store", "page", "responses")]


@each(SINKS)
def test_a_clients_key_stands_nowhere(attack: Attack, sinks: Sinks) -> None:
    held = sinks.find(attack.id)
    assert len(held) > 100, "nothing was written, so nothing is shown"
    for form, text in forms(ANN).items():
        if not (attack.id == "leak.responses" and form == "itself"):
            assert text not in held, form
    if attack.id == "leak.responses":
        echoed = [one for one in sinks.said if ANN in one.text]
        assert {one.json()["error"]["code"] for one in echoed} == {"model_not_found"}, (
            "told what was asked for, no more"
        )


@each([Attack("leak.upstream-key")])
def test_the_upstreams_key_reaches_no_client(attack: Attack, sinks: Sinks) -> None:
    told = sinks.find("leak.responses")
    assert b"content_filter" in told, "the guard saw it"
    for form, text in forms(UPSTREAM).items():
        assert text not in told, form
    assert b"10.0.0.7" not in told
    assert b"Traceback" not in told


def solve_in_part(request: ChatRequest) -> list[Reply]:
    """Two candidates answer, and the third breaks in words that tell where the upstream lives."""
    broken = fail(UnreachableError(f"cannot reach {ADDRESS}: refused"))
    return [*solve(replace(request, n=request.n - 1)), broken] if request.n > 1 else [broken]


@each([Attack("leak.upstream-address")])
def test_where_the_upstream_lives_reaches_no_client(attack: Attack, tmp_path: Path) -> None:
    planner = fail(ModelError(f"{ADDRESS} broke off"))
    model = ScriptedChat({Role.PLANNER: planner, Role.SOLVER: solve_in_part, Role.JUDGE: planner}, max_context=8192)
    told: list[str] = []
    with hosting(model, tmp_path, keys=ring()) as host, client(host.url) as web:
        for name in ("abruzzi", "abruzzi-bo3", "abruzzi-plan", "abruzzi-single", model.name):
            for stream in (False, True):
                told.append(web.post("/v1/chat/completions", json=chat(model=name, stream=stream)).text)
                told.append(web.post("/v1/responses", json={"model": name, "input": "Hi", "stream": stream}).text)
            told.append(web.post("/api/questions", json=chat(model=name)).text)
        for one in web.get("/api/questions", params={"limit": 100}).json()["questions"]:
            told += [web.get(f"/api/questions/{one['id']}").text, web.get(f"/v1/responses/{one['id']}").text]
    assert any("cannot reach" in text for text in told), "the reason itself is told"
    assert [text for text in told if "10.0.0.7" in text] == []
