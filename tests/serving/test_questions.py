"""The page's own routes on a real socket: asking with everything seen, history, rendering, owners and limits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from abruzzi.errors import ModelError
from abruzzi.models.scripted import ScriptedChat, fail, hang, reply
from abruzzi.nouns import Role
from abruzzi.reasoning.events import Answered, CandidateEnded, JudgementMade
from abruzzi.reasoning.recording import row_to_event
from abruzzi.serving.caps import Caps
from abruzzi.serving.guard.guard import Guard
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.key_file import hash_key
from abruzzi.serving.keys import HashedRing
from tests.serving.page.hosting import Host, hosting
from tests.serving.running import UNLIMITED, read_events, scripted, wait_until

ANN, BEN = "ann-has-a-long-key-of-her-own", "ben-has-a-long-key-of-his-own"


def ring() -> HashedRing:
    return HashedRing({hash_key(ANN): "ann", hash_key(BEN): "ben"}, None, UNLIMITED, tell=lambda _: None)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(scripted(), tmp_path_factory.mktemp("store"), keys=ring(), caps=Caps(n=8)) as running:
        yield running


def client(host: Host, key: str | None = ANN) -> httpx2.Client:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx2.Client(base_url=host.url, headers=headers, trust_env=False, timeout=30)


def question(text: str = "What is 17 + 25?", **fields: Any) -> dict[str, Any]:
    return {"model": "abruzzi", "messages": [{"role": "user", "content": text}], **fields}


def ask(host: Host, text: str = "What is 17 + 25?", key: str | None = ANN, **fields: Any) -> list[Any]:
    with client(host, key) as web:
        response = web.post("/api/questions", json=question(text, **fields))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return read_events(response.text)


def test_everything_that_happens_is_told_in_order(host: Host) -> None:
    rows = ask(host, settings={"n": 2, "plan": "always", "seed": 3})
    assert rows[0].keys() == {"event", "id", "model", "asked_at"}
    names = [row["event"] for row in rows]
    assert names[0] == "asked"
    assert names[-2:] == ["answered", "ended"]
    assert {"plan_started", "plan_delta", "plan_made", "candidates_started", "candidate_delta", "call_ended"} <= {
        *names
    }
    events = [row_to_event(row) for row in rows[1:-1]]
    assert sum(isinstance(event, CandidateEnded) for event in events) == 2
    assert not any(isinstance(event, JudgementMade) for event in events)
    assert isinstance(events[-1], Answered)
    assert (rows[-1]["status"], rows[-1]["answer"]) == ("answered", "So it is 42")
    assert rows[-1]["usage"]["abruzzi"]["num_calls"] == 2
    assert [row["at_s"] for row in rows[1:-1]] == sorted(row["at_s"] for row in rows[1:-1])


def test_a_question_told_is_on_record_and_its_owners_alone(host: Host) -> None:
    rows = ask(host, "Which lighthouse?")
    path = f"/api/questions/{rows[0]['id']}"
    with client(host) as ann, client(host, BEN) as ben:
        record = ann.get(path).json()
        assert (record["status"], record["answer"], record["question"]) == (
            "answered",
            "So it is 42",
            "Which lighthouse?",
        )
        assert record["events"] == [row for row in rows[1:-1] if not row["event"].endswith("_delta")]
        assert record["usage"]["prompt_tokens"] == rows[-1]["usage"]["prompt_tokens"]
        assert ben.get(path).status_code == 404
        assert ben.delete(path).status_code == 404
        assert ben.get("/api/questions").json() == {"questions": [], "next_before": None}
        (found,) = ann.get("/api/questions", params={"search": "LIGHTHOUSE"}).json()["questions"]
        assert found["id"] == record["id"]
        assert ann.delete(path).status_code == 204
        assert ann.delete(path).status_code == 404
        assert ann.get(path).json()["error"]["code"] == "question_not_found"


def test_the_history_comes_in_pages(host: Host) -> None:
    for number in range(3):
        ask(host, f"Page number {number}", settings={"n": 1, "plan": "off"})
    with client(host) as web:
        first = web.get("/api/questions", params={"search": "page number", "limit": 2}).json()
        assert [one["question"] for one in first["questions"]] == ["Page number 2", "Page number 1"]
        rest = web.get(
            "/api/questions", params={"search": "page number", "limit": 2, "before": first["next_before"]}
        ).json()
    assert [one["question"] for one in rest["questions"]] == ["Page number 0"]
    assert rest["next_before"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/config"),
        ("GET", "/api/questions"),
        ("GET", "/api/questions/chatcmpl-x"),
        ("DELETE", "/api/questions/chatcmpl-x"),
        ("POST", "/api/questions"),
        ("POST", "/api/render"),
    ],
)
def test_nothing_is_had_without_a_key(host: Host, method: str, path: str) -> None:
    body = {"text": "x"} if path.endswith("render") else question()
    for key in (None, "no such key at all"):
        with client(host, key) as web:
            response = web.request(method, path, json=body if method == "POST" else None)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (question(settings={"n": 9}), "abruzzi.n"),
        (question(settings={"n": 0}), "settings.n"),
        (question(settings={"speed": 1}), "settings.speed"),
        (question(settings={"temperature": 3}), "settings.temperature"),
        (question(model="gpt-5"), "model"),
        (question(more=1), "more"),
        ({"model": "abruzzi", "messages": []}, "messages"),
        (question(" "), "messages"),
        (question(model="abruzzi-single", settings={"n": 3}), "abruzzi.n"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(host: Host, body: dict[str, Any], param: str) -> None:
    with client(host) as web:
        response = web.post("/api/questions", json=body)
    assert response.status_code in (400, 404)
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize("query", ["limit=0", "limit=1000", "before=nan", "before=-1", "search=" + "x" * 501])
def test_an_unusable_query_is_refused(host: Host, query: str) -> None:
    with client(host) as web:
        assert web.get(f"/api/questions?{query}").status_code == 400


def test_the_page_is_told_what_it_has_to_know(host: Host) -> None:
    with client(host) as web:
        config = web.get("/api/config").json()
    assert [model["id"] for model in config["models"]][:4] == [
        "abruzzi",
        "abruzzi-single",
        "abruzzi-plan",
        "abruzzi-bo3",
    ]
    assert config["models"][1]["fixed"] == {"n": 1, "plan": "off"}
    assert config["models"][-1]["is_upstream"] is True
    assert config["settings"]["n"] == 3
    assert config["caps"]["n"] == 8
    assert config["has_store"] is True


def test_text_is_rendered_safely(host: Host) -> None:
    with client(host) as web:
        done = web.post("/api/render", json={"text": "**x** <script>alert(1)</script> $y$"}).json()
        assert web.post("/api/render", json={"text": "x" * 500_001}).status_code == 400
    assert done["html"].startswith("<p><strong>x</strong> &lt;script&gt;")
    assert "<math" in done["html"]


def test_a_failure_is_the_streams_last_event_and_on_record(tmp_path: Path) -> None:
    model = scripted(solver=fail(ModelError("the upstream is on fire")))
    with hosting(model, tmp_path) as host:
        rows = ask(host, key=None)
        assert rows[-1]["error"]["message"] == "the upstream model failed"
        assert rows[-1]["error"]["type"] == "upstream_error"
        with client(host, None) as web:
            record = web.get(f"/api/questions/{rows[0]['id']}").json()
    assert record["status"] == "failed"
    assert record["events"][-1]["event"] == "failed"


def test_who_leaves_ends_the_question_and_finds_what_was_finished(tmp_path: Path) -> None:
    plan = reply(json={"plan": "Add the tens first."})
    model = ScriptedChat({Role.PLANNER: plan, Role.SOLVER: hang("still")}, max_context=8192)
    with hosting(model, tmp_path) as host, client(host, None) as web:
        with web.stream("POST", "/api/questions", json=question()) as response:
            for line in response.iter_lines():
                if "candidate_delta" in line:
                    break
        wait_until(lambda: web.get("/api/questions").json()["questions"][0]["status"] == "cancelled")
        (listed,) = web.get("/api/questions").json()["questions"]
        record = web.get(f"/api/questions/{listed['id']}").json()
    ended = [row["candidate"] for row in record["events"] if row["event"] == "candidate_ended"]
    assert [candidate["text"] for candidate in ended] == ["still"] * 3
    assert [row["call"]["outcome"] for row in record["events"] if row["event"] == "call_ended"] == ["ok", "cancelled"]


def test_withheld_reasoning_is_withheld_live_and_in_the_record(tmp_path: Path) -> None:
    with hosting(scripted(), tmp_path, guard=Guard(GuardSettings(reasoning="withheld"))) as host:
        rows = ask(host, key=None)
        with client(host, None) as web:
            record = web.get(f"/api/questions/{rows[0]['id']}").text
    live = str(rows)
    for told in (live, record):
        assert "Let me think" not in told
        assert "Add the tens" not in told
        assert "So it is" in told


def test_without_a_store_there_is_no_history() -> None:
    with hosting(scripted(), None) as host, client(host, None) as web:
        assert web.get("/api/config").json()["has_store"] is False
        assert web.get("/api/questions").json()["error"]["code"] == "no_store"
        assert ask(host, key=None)[-1]["event"] == "ended"
