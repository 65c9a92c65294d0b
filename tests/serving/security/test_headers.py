"""No value of a client becomes a header, a line of the log or a second request."""

import io
import json
from collections.abc import Iterable, Iterator

import httpx2
import pytest

from abruzzi.errors import ModelError
from abruzzi.models.scripted import ScriptedChat, fail
from abruzzi.nouns import Role
from abruzzi.serving.app import build_app
from abruzzi.serving.logs import Log
from tests.serving.page.hosting import Host, hosting
from tests.serving.running import make_server, running, scripted
from tests.serving.security.attacking import (
    ANN,
    QUESTION,
    Attack,
    chat,
    check_alive,
    client,
    each,
    ring,
    send,
    write_request,
)

SPLIT = "x\r\nX-Evil: 1\r\nSet-Cookie: a=b\r\n\r\n<script>"
ENCODED = "x%0d%0aX-Evil:%201%0d%0a%0d%0a"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=ring()) as running:
        yield running


def check_headers(names: Iterable[str]) -> None:
    assert not {"x-evil", "set-cookie"} & {name.lower() for name in names}


FIELDS = [
    Attack("header.model", chat(model=SPLIT)),
    Attack("header.user", chat(user=SPLIT)),
    Attack("header.metadata", chat(metadata={"a": SPLIT, "b\r\nX-Evil: 1": "x"})),
    Attack("header.unknown-field", chat(**{SPLIT: 1})),
    Attack("header.question", chat(messages=[{"role": "user", "content": SPLIT}])),
    Attack("header.stream", chat(stream=True, messages=[{"role": "user", "content": SPLIT}])),
    Attack("header.tool-name", chat(tools=[{"type": "function", "function": {"name": SPLIT}}])),
    Attack("header.format", chat(response_format={"type": SPLIT})),
]


@each(FIELDS)
def test_no_field_of_a_body_becomes_a_header(attack: Attack, host: Host) -> None:
    with client(host.url) as web:
        done = web.post("/v1/chat/completions", json=attack.what)
    assert done.status_code in (200, 400, 404)
    check_headers(done.headers)
    assert b"\r\nX-Evil" not in done.content


TARGETS = [
    Attack("header.question-id", f"/api/questions/{ENCODED}"),
    Attack("header.response-id", f"/v1/responses/{ENCODED}"),
    Attack("header.model-in-path", f"/v1/models/{ENCODED}"),
    Attack("header.page-file", f"/page/{ENCODED}"),
    Attack("header.search", f"/api/questions?search={ENCODED}"),
    Attack("header.query-name", f"/v1/responses/resp_1?{ENCODED}=1"),
    Attack("header.etag", "/page/app.js"),
]


@each(TARGETS)
def test_no_part_of_an_address_becomes_a_header(attack: Attack, host: Host) -> None:
    done = send(host.url, write_request(attack.what, 'If-None-Match: "x', "X-Request-Id: y", "Traceparent: 00-z"))
    assert done.status in (200, 400, 404)
    check_headers(done.headers)
    assert {"x-request-id", "traceparent"}.isdisjoint(done.headers)


def test_traced_headers_are_not_sent_back(host: Host) -> None:
    with client(
        host.url, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate="a=b"
    ) as web:
        done = web.post("/v1/chat/completions", json=chat())
    assert done.status_code == 200
    assert "0af7651916cd" not in str(done.headers)


HIDDEN = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + ANN.encode() + b"\r\n\r\n"
SMUGGLED = [
    Attack("header.length-and-chunks", ["Content-Length: 5", "Transfer-Encoding: chunked"]),
    Attack("header.chunks-twice", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]),
    Attack("header.odd-chunks", ["Transfer-Encoding: xchunked"]),
    Attack("header.two-lengths", ["Content-Length: 0", f"Content-Length: {len(HIDDEN)}"]),
    Attack("header.signed-length", ["Content-Length: +5"]),
    Attack("header.space-before-colon", ["Content-Length : 5"]),
    Attack("header.folded", ["X-A: b", " Content-Length: 5"]),
    Attack("header.nul", ["X-A: b\x00c"]),
    Attack("header.bare-newline", ["X-A: b\nX-Evil: 1"]),
    Attack("header.no-name", [": b"]),
]


@each(SMUGGLED)
def test_a_request_hidden_in_another_is_not_answered(attack: Attack, host: Host) -> None:
    request = write_request("/healthz", *attack.what, method="POST", key=None) + b"0\r\n\r\n" + HIDDEN
    done = send(host.url, request, within_s=5)
    assert b"owned_by" not in done.body
    assert done.body.count(b"HTTP/1.1 ") == 0
    assert done.status in (0, 400, 405)
    check_headers(done.headers)
    check_alive(host.url)


LARGE = [
    Attack("header.of-a-megabyte", ["X-A: " + "b" * 1_000_000]),
    Attack("header.two-hundred-thousand", [f"X-{i}: b" for i in range(200_000)]),
    Attack("header.target-of-a-megabyte", []),
]


@each(LARGE)
def test_a_head_without_end_is_refused(attack: Attack, host: Host) -> None:
    target = "/" + "a" * 1_000_000 if not attack.what else "/healthz"
    done = send(host.url, write_request(target, *attack.what))
    assert done.status in (0, 400, 414, 431)
    check_alive(host.url)


LINES = [
    Attack("log.newline-in-path", "/v1/models/a%0a%7b%22event%22:%22forged%22%7d"),
    Attack("log.escape-in-path", "/v1/models/%1b%5b31mred"),
]


@each(LINES)
def test_no_address_forges_a_line_of_the_log(attack: Attack, host: Host) -> None:
    stream = io.StringIO()
    log = Log(stream, now=lambda: 0.0, has_content=True)
    log.write("failed", path=httpx2.URL(host.url + attack.what).path)
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


FORGED = '\n{"event": "forged"}\r\n\x1b[31m\u2028'
FORGING = [
    Attack("log.question", chat(messages=[{"role": "user", "content": QUESTION + FORGED}])),
    Attack("log.user", chat(user=FORGED)),
    Attack("log.metadata", chat(metadata={FORGED: FORGED})),
    Attack("log.model", chat(model="abruzzi" + FORGED)),
    Attack("log.upstream-error", chat(user="fails")),
]


@each(FORGING)
def test_no_field_forges_a_line_of_the_log(attack: Attack) -> None:
    stream = io.StringIO()
    broken = ScriptedChat({Role.SOLVER: fail(ModelError(FORGED))}, max_context=8192)
    server = make_server(broken, log=Log(stream, now=lambda: 0.0, has_content=True))
    with running(build_app(server)) as url, client(url) as web:
        web.post("/v1/chat/completions", json=attack.what)
    lines = stream.getvalue().splitlines()
    assert all("forged" not in str(json.loads(line)["event"]) for line in lines)
    assert stream.getvalue().isascii()
    assert "\x1b" not in stream.getvalue()
