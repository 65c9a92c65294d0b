"""Streams: alive from the first moment, in order, with heartbeats, and ended properly whatever happens."""

import time
from typing import Any

import httpx2
import pytest

from abruzzi.errors import ModelError
from abruzzi.models.scripted import fail, hang, reply
from abruzzi.serving.app import build_app
from abruzzi.serving.settings import LimitSettings
from tests.serving.running import UNLIMITED, ask, join, make_server, read_events, running, scripted, serving, wait_until
from tests.serving.test_chat import TOOL, calling
from tests.serving.test_leaving import client


def stream(url: str, **fields: Any) -> list[Any]:
    done = ask(url, stream=True, **fields)
    assert done.status_code == 200, done.text
    assert done.headers["content-type"].startswith("text/event-stream")
    return read_events(done.text)


def test_the_role_the_plan_the_steps_the_answer_the_bill() -> None:
    with serving() as url:
        events = stream(url, stream_options={"include_usage": True})
        whole = ask(url).json()["choices"][0]["message"]
    assert events[-1] == "[DONE]"
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert join(events, "reasoning_content") == whole["reasoning_content"]
    assert join(events, "content") == whole["content"] == "So it is 42"
    kinds = [key for event in events[1:-3] for key in event["choices"][0]["delta"]]
    assert kinds == sorted(kinds, reverse=True), "all thoughts come before the answer"
    assert events[-3]["choices"][0]["finish_reason"] == "stop"
    assert events[-2]["choices"] == []
    assert [call["role"] for call in events[-2]["usage"]["abruzzi"]["calls"]] == ["planner", "solver"]
    assert all(event["usage"] is None for event in events[:-2])
    assert len({event["id"] for event in events[:-1]}) == 1


def test_without_being_asked_for_there_is_no_usage() -> None:
    with serving() as url:
        assert all("usage" not in event for event in stream(url)[:-1])


def test_a_single_candidate_streams_while_it_is_written() -> None:
    slow = reply("It is <answer>forty two</answer>", seconds=1.0)
    with serving(scripted(solver=slow)) as url:
        body = {"model": "abruzzi-single", "messages": [{"role": "user", "content": "Add"}], "stream": True}
        times: list[tuple[float, str]] = []
        started = time.monotonic()
        with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, trust_env=False) as response:
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    times.append((time.monotonic() - started, join(read_events(line), "content")))
    assert times[0][1] == ""
    assert times[0][0] < 0.9, "the role comes at once"
    words = [(at, word) for at, word in times if word]
    assert "".join(word for _, word in words) == "It is forty two"
    assert words[-1][0] - words[0][0] > 0.3, "words come as they are written"


def test_the_upstream_streams_as_it_is_choice_by_choice() -> None:
    with serving() as url:
        events = stream(url, model="scripted", n=2, stream_options={"include_usage": True})
    for index in (0, 1):
        own = [e | {"choices": [c for c in e["choices"] if c["index"] == index]} for e in events if e != "[DONE]"]
        assert join(own, "content") == "So it is <answer>42</answer>"
        assert join(own, "reasoning_content") == "Let me think. 17 and 25."


def test_calls_of_tools_come_whole() -> None:
    with serving(calling()) as url:
        events = stream(url, model="abruzzi-bo3", tools=[TOOL])
    calls = [c for e in events[:-1] for choice in e["choices"] for c in choice["delta"].get("tool_calls", ())]
    assert calls == [
        {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": "add", "arguments": '{"a":17,"b":25}'},
        }
    ]
    assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_stream_with_nothing_to_tell_beats() -> None:
    with serving(scripted(solver=reply("<answer>42</answer>", seconds=0.7)), heartbeat_s=0.1) as url:
        text = ask(url, model="abruzzi-bo3", stream=True).text
    assert text.count(": heartbeat\n\n") >= 3
    assert join(read_events(text), "content") == "42"


@pytest.mark.parametrize("heartbeat_s", [0.1, 9.0])
def test_a_stream_that_waits_for_its_turn_beats_and_is_told_that_it_never_came(heartbeat_s: float) -> None:
    limits = LimitSettings(running=1, wait_s=0.6, key=UNLIMITED)
    server = make_server(scripted(solver=hang()), limits=limits, heartbeat_s=heartbeat_s)
    with running(build_app(server)) as url, client(url, model="scripted"):
        wait_until(lambda: server.admission.running == 1)
        done = ask(url, model="scripted", stream=True)
    if heartbeat_s > limits.wait_s:  # nothing was sent yet: the refusal has its own status
        assert done.status_code == 429
        assert "retry-after" in done.headers
        return
    assert done.status_code == 200
    assert done.text.count(": heartbeat\n\n") >= 3
    (told,) = read_events(done.text)
    assert told["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize("model", ["abruzzi", "abruzzi-single", "scripted"])
def test_a_failure_in_a_stream_is_its_last_event(model: str) -> None:
    with serving(scripted(solver=fail(ModelError("at http://10.0.0.7")))) as url:
        done = ask(url, model=model, stream=True)
    events = read_events(done.text)
    assert done.status_code == 200
    assert events[-1]["error"]["code"] == "upstream_failed"
    assert events[-1]["error"]["type"] == "upstream_error"
    assert "10.0.0.7" not in events[-1]["error"]["message"]


def test_what_refuses_a_question_before_it_begins_has_its_own_status() -> None:
    with serving() as url:
        assert ask(url, model="gpt-4", stream=True).status_code == 404
        assert ask(url, n=2, stream=True).status_code == 400
