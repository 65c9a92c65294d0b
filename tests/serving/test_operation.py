"""The running server as its operator sees it: keys, limits, metrics, log and trace of real requests."""

import io
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from abruzzi.serving.key_file import add_key, hash_key, remove_key
from abruzzi.serving.keys import HashedRing
from abruzzi.serving.logs import Log
from abruzzi.serving.settings import KeyLimits, LimitSettings, TraceSettings
from abruzzi.serving.tracing import make_traces
from tests.serving.running import UNLIMITED, ask, serving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NOON = 1_800_000_000.0


def post(url: str, key: str, **headers: str) -> httpx2.Response:
    body = {"model": "abruzzi", "messages": [{"role": "user", "content": "What is the secret?"}]}
    return httpx2.post(
        f"{url}/v1/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {key}", **headers},
        timeout=30,
        trust_env=False,
    )


def counts(url: str) -> dict[str, float]:
    text = httpx2.get(f"{url}/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if line.startswith("abruzzi")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_request_is_counted_logged_and_traced_and_none_of_it_holds_what_was_asked(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    key = add_key(path, "ann", {}, today="2026-11-29")
    spans, stream = InMemorySpanExporter(), io.StringIO()
    parts: dict[str, Any] = {
        "keys": HashedRing({}, path, UNLIMITED, tell=lambda told: None),
        "log": Log(stream, now=lambda: NOON),
        "traces": make_traces(TraceSettings(), SimpleSpanProcessor(spans), version="1"),
    }
    with serving(**parts) as url:
        assert post(url, key, traceparent=f"00-{TRACE}-{PARENT}-01").status_code == 200
        assert post(url, "wrong-" + key).status_code == 401
        found = counts(url)
    assert found['abruzzi_questions_started_total{model="abruzzi"}'] == 1
    assert found['abruzzi_questions_total{model="abruzzi",status="answered"}'] == 1
    assert found['abruzzi_refusals_total{code="invalid_api_key"}'] == 1
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {row.get("key") for row in rows} >= {"ann"}
    *calls, root = spans.get_finished_spans()
    assert len(calls) == 2
    assert {f"{span.context.trace_id:032x}" for span in (*calls, root) if span.context} == {TRACE}
    assert dict(root.attributes or {})["abruzzi.decided_by"] == "agreement"
    shown = stream.getvalue() + "".join(span.to_json() for span in (*calls, root)) + str(found)
    for secret in ("What is the secret?", key, hash_key(key), "So it is"):
        assert secret not in shown


def test_the_first_piece_of_a_stream_is_timed() -> None:
    with serving() as url:
        assert ask(url, stream=True).status_code == 200
        assert ask(url).status_code == 200
        found = counts(url)
    assert found['abruzzi_first_token_seconds_count{model="abruzzi"}'] == 1
    assert found['abruzzi_question_seconds_count{model="abruzzi"}'] == 2


def test_a_key_beyond_its_rate_is_told_when_to_come_back(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    poor = add_key(path, "poor", {"requests_per_minute": 1}, today="2026-11-29")
    rich = add_key(path, "rich", {}, today="2026-11-29")
    with serving(keys=HashedRing({}, path, UNLIMITED, tell=lambda told: None)) as url:
        assert post(url, poor).status_code == 200
        late = post(url, poor)
        assert post(url, rich).status_code == 200
    assert late.status_code == 429
    assert 1 <= int(late.headers["retry-after"]) <= 120
    assert late.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("is_stream", [False, True])
def test_tokens_really_used_count_against_the_budget(is_stream: bool) -> None:
    limits = LimitSettings(key=KeyLimits(requests_per_minute=0, concurrent=0, tokens_per_day=3000))
    with serving(limits=limits) as url:
        # The estimate is 3 × 512 and more, so two would not fit if it were not put right.
        assert [ask(url, stream=is_stream).status_code for _ in range(3)] == [200] * 3


def test_a_removed_key_is_shut_out_within_a_second(tmp_path: Path) -> None:
    path, now = tmp_path / "keys.toml", [0.0]
    key = add_key(path, "ann", {}, today="2026-11-29")
    ring = HashedRing({}, path, UNLIMITED, tell=lambda told: None, clock=lambda: now[0])
    with serving(keys=ring) as url:
        assert post(url, key).status_code == 200
        remove_key(path, "ann")
        now[0] = 1.0
        assert post(url, key).status_code == 401
