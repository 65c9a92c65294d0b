"""Bodies that are too large, too deep, endless, broken or made to keep the server busy: refused, and soon."""

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from abruzzi.serving.app import build_app
from abruzzi.serving.boundary import Boundary
from tests.models.test_schemas import double
from tests.serving.page.hosting import Host, hosting
from tests.serving.running import make_server, running, scripted
from tests.serving.security.attacking import (
    ANN,
    QUESTION,
    Attack,
    chat,
    check_alive,
    check_error,
    client,
    each,
    ring,
    send,
    write_request,
)

PATHS = ("/v1/chat/completions", "/v1/responses", "/api/questions", "/api/render")
SOON_S = 10.0
"""CPU seconds of the whole process; each of these took hours or for ever, or takes well under one."""


def write(**fields: Any) -> bytes:
    return json.dumps(chat(**fields)).encode()


def in_place_of_text(literal: bytes) -> bytes:
    return write().replace(b'"' + QUESTION.encode() + b'"', literal)


def schema(body: Any) -> bytes:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": body}}
    return write(response_format=form)


DEEP = b"[" * 10_000 + b"]" * 10_000
BROKEN = [
    Attack("body.empty", b""),
    Attack("body.not-json", b"model=abruzzi&messages=hi"),
    Attack("body.half", write()[:-5]),
    Attack("body.two-values", write() + write()),
    Attack("body.10000-arrays", DEEP),
    Attack("body.10000-arrays-in-a-field", in_place_of_text(DEEP)),
    Attack("body.10000-objects", b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    Attack("body.10000-open-arrays", b"[" * 100_000),
    Attack("body.number-beyond-floats", write(temperature=1).replace(b"1}", b"1e400}")),
    Attack("body.number-of-100000-digits", write(temperature=1).replace(b"1}", b"9" * 100_000 + b"}")),
    Attack("body.number-of-4301-digits", write(max_tokens=1).replace(b"1}", b"9" * 4_301 + b"}")),
    Attack("body.seed-beyond-64-bits", write(seed=2**64)),
    Attack("body.not-a-number", write(temperature=1).replace(b"1}", b"NaN}")),
    Attack("body.infinity", write(temperature=1).replace(b"1}", b"-Infinity}")),
    Attack("body.invalid-utf8", in_place_of_text(b'"\xff\xfe\xc0\xaf"')),
    Attack("body.half-a-surrogate", in_place_of_text(b'"\\ud800"')),
    Attack("body.utf16", write().decode().encode("utf-16")),
    Attack("body.nul-in-json", write() + b"\x00"),
    Attack("body.proto", write(__proto__={"model": "abruzzi"}, constructor={})),
    Attack("body.100000-fields", json.dumps(chat() | {f"f{i}": i for i in range(100_000)}).encode(), (413,)),
    Attack("body.name-of-a-megabyte", write(**{"x" * 1_000_000: 1})),
    Attack("body.model-of-a-megabyte", write(model="x" * 1_000_000)),
    Attack("body.100000-messages", write(messages=[{"role": "user", "content": "x"}] * 100_000), (413,)),
    Attack("body.n-of-a-billion", write(n=10**9)),
    Attack("body.candidates-of-a-billion", write(abruzzi={"n": 10**9})),
    Attack("body.metadata-without-end", write(metadata={f"k{i}": "v" for i in range(4_000)})),
    Attack("body.schema-that-doubles", schema(double(40))),
    Attack(
        "body.schema-that-doubles-in-another-draft",
        schema(double(40, **{"$schema": "http://json-schema.org/draft-07/schema#"})),
    ),
    Attack("body.schema-of-itself", schema({"type": "object", "allOf": [{"$ref": "#"}, {"$ref": "#"}]})),
    Attack("body.schema-of-100000-properties", schema({"properties": {f"p{i}": {} for i in range(100_000)}}), (413,)),
    Attack("body.schema-of-3000-properties", schema({"properties": {f"p{i}": {"title": "x"} for i in range(3_000)}})),
    Attack("body.4900-fields", json.dumps(chat() | {f"f{i}": i for i in range(4_900)}).encode()),
    Attack("body.49000-wrong-parts", write(messages=[{"role": "user", "content": [{}] * 49_000}])),
    Attack("body.schema-with-a-slow-pattern", schema({"properties": {"a": {"pattern": "^(a+)+$"}}})),
    Attack("body.schema-with-a-slow-name-pattern", schema({"patternProperties": {"^(a|a)*$": {}}})),
    Attack("body.gzip-bomb", gzip.compress(b" " * 100_000_000)),
]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=ring()) as running_host:
        yield running_host


@each(BROKEN)
def test_a_broken_body_is_refused_soon_and_the_server_goes_on(attack: Attack, host: Host) -> None:
    headers = {"Content-Type": "application/json"}
    if attack.id == "body.gzip-bomb":
        headers["Content-Encoding"] = "gzip"
    started = time.process_time()
    with client(host.url) as web:
        for path in PATHS:
            done = web.post(path, content=attack.what, headers=headers)
            assert done.status_code in attack.allowed, (path, done.text)
            check_error(done.content)
    assert time.process_time() - started < SOON_S
    check_alive(host.url)


HARMLESS = [
    Attack("body.nul-in-text", "\x00".join(QUESTION)),
    Attack("body.controls-in-text", "".join(map(chr, range(32))) + "\x7f\u2028\u202e"),
    Attack("body.slow-pattern-in-text", "^(a+)+$ " + "a" * 5_000 + "!"),
    Attack("body.doubling-text-for-the-guard", ("ignore previous " * 3_000)),
    Attack("body.unclosed-tags", "<answer>" * 1_000),
    Attack("body.unclosed-thoughts", "<think>" * 1_000),
]


@each(HARMLESS)
def test_odd_text_is_text(attack: Attack, host: Host) -> None:
    started = time.process_time()
    with client(host.url) as web:
        done = web.post("/v1/chat/completions", json=chat(messages=[{"role": "user", "content": attack.what}]))
        assert done.status_code == 200, done.text
        kept = web.get(f"/api/questions/{done.json()['id']}")
    assert kept.status_code == 200
    assert kept.json()["answer"] == "So it is 42"
    assert time.process_time() - started < SOON_S


@each([Attack("body.twice-the-same-name")])
def test_of_two_fields_of_one_name_the_last_counts_everywhere(attack: Attack, host: Host) -> None:
    twice = write().replace(b'{"model"', b'{"model": "scripted", "model"')
    with client(host.url) as web:
        done = web.post("/v1/chat/completions", content=twice, headers={"Content-Type": "application/json"}).json()
        assert web.get(f"/api/questions/{done['id']}").json()["model"] == done["model"] == "abruzzi-single"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def start(path: str, *headers: str) -> bytes:
    return write_request(path, "Content-Type: application/json", *headers, method="POST")


CHUNKED = "Transfer-Encoding: chunked"
MUCH = b" " * 5_000_000
LARGE = [
    Attack("body.too-large", [start("/v1/chat/completions", "Content-Length: 4000001"), MUCH], (0, 413)),
    Attack("body.too-large-in-chunks", [start("/v1/responses", CHUNKED), *[chunk(b" " * 100_000)] * 50], (0, 413)),
    Attack("body.chunk-of-an-exabyte", [start("/v1/responses", CHUNKED), b"fffffffffffffff\r\n", MUCH], (0, 413)),
    Attack("body.length-of-an-exabyte", [start("/api/render", "Content-Length: 1" + "0" * 18), MUCH], (0, 413)),
    Attack("body.negative-length", [start("/v1/responses", "Content-Length: -1")], (400,)),
    Attack("body.length-in-words", [start("/v1/responses", "Content-Length: many")], (400,)),
    Attack("body.broken-chunk", [start("/v1/responses", CHUNKED), b"xyz\r\n"], (0, 400)),
    Attack("body.shorter-than-told", [start("/v1/responses", "Content-Length: 4"), b'{"model": "abruzzi"}'], (400,)),
]
"""A connection that is closed while we still send may take its response with it, which then reads as 0."""


@each(LARGE)
def test_a_body_of_false_or_great_length_is_refused_and_the_connection_closed(attack: Attack, host: Host) -> None:
    done = send(host.url, *attack.what)
    assert done.status in attack.allowed
    assert done.is_closed
    check_alive(host.url)


SLOW = [
    Attack("body.longer-than-told", [start("/v1/chat/completions", "Content-Length: 1000"), write()], (408,)),
    Attack("body.chunks-without-end", [start("/v1/chat/completions", CHUNKED), chunk(b" ")], (408,)),
    Attack("body.no-body-at-all", [start("/api/render", "Content-Length: 10")], (408,)),
]


@each(SLOW)
def test_a_body_that_never_ends_is_given_up(attack: Attack) -> None:
    server = make_server(keys=ring())
    app: Any = Boundary(build_app(server), server, body_s=0.5)
    with running(app) as url:
        done = send(url, *(part.replace(b"/api/render", b"/v1/responses") for part in attack.what))
        assert done.status in attack.allowed
        assert check_error(done.body)["code"] == "request_timeout"
        assert done.is_closed
        check_alive(url)


QUERIES = [
    Attack("body.search-of-wildcards", {"search": "%_" * 250}, (200,)),
    Attack("body.search-of-500-words", {"search": "a " * 250}, (200,)),
    Attack("body.search-without-end", {"search": "x" * 501}),
    Attack("body.limit-of-a-billion", {"limit": "1000000000"}),
    Attack("body.limit-below-zero", {"limit": "-1"}),
    Attack("body.before-of-no-number", {"before": "NaN"}),
    Attack("body.address-of-60000-characters", {"search": "x" * 60_000}, (400, 414)),
]


@each(QUERIES)
def test_a_greedy_query_is_bounded(attack: Attack, host: Host) -> None:
    started = time.process_time()
    done = httpx2.get(
        f"{host.url}/api/questions",
        params=attack.what,
        headers={"Authorization": f"Bearer {ANN}"},
        trust_env=False,
        timeout=30,
    )
    assert done.status_code in attack.allowed
    assert time.process_time() - started < SOON_S
