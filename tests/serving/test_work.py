"""The order of things: recorded before it is paid for, ended on record before it is told, whatever happens."""

from typing import Any

import pytest

from abruzzi.errors import ModelError
from abruzzi.models.scripted import fail, reply
from abruzzi.serving.question_record import Status
from tests.serving.recorded import MemoryStore, WordGuard
from tests.serving.running import ask, join, read_events, scripted, serving


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def is_stream(request: pytest.FixtureRequest) -> bool:
    return request.param


def content_of(url: str, *, is_stream: bool, **fields: Any) -> str:
    done = ask(url, stream=is_stream, **fields)
    assert done.status_code == 200, done.text
    return join(read_events(done.text), "content") if is_stream else done.json()["choices"][0]["message"]["content"]


def test_a_record_holds_everything_and_is_ended_before_the_client_knows(is_stream: bool) -> None:
    store = MemoryStore()
    with serving(store=store) as url:
        content = content_of(url, is_stream=is_stream, user="ann", metadata={"run": "7"}, abruzzi={"n": 2})
        assert store.only.status is Status.ANSWERED, "the client has its answer, and so has the record"
    record = store.only
    assert store.log[0] == "begin"
    assert store.log[-1] == "end answered"
    assert store.log[-2] == "append answered"
    assert record.answer == content == "So it is 42"
    assert (record.owner, record.model, record.question) == ("local", "abruzzi", "What is 17 + 25?")
    assert record.messages == ({"role": "user", "content": "What is 17 + 25?"},)
    assert record.settings["n"] == 2
    assert (record.settings["user"], record.settings["metadata"]) == ("ann", {"run": "7"})
    assert record.usage is not None
    assert [call["role"] for call in record.usage["abruzzi"]["calls"]] == ["planner", "solver"]
    kinds = [row["event"] for row in record.events]
    assert {"plan_made", "candidate_ended", "call_ended", "answered"} <= set(kinds)
    assert not {"plan_delta", "candidate_delta"} & set(kinds)


def test_store_false_leaves_no_record() -> None:
    store = MemoryStore()
    with serving(store=store) as url:
        assert ask(url, store=False).status_code == 200
    assert store.log == []


def test_a_failure_is_on_record_with_its_reason(is_stream: bool) -> None:
    store = MemoryStore()
    with serving(scripted(solver=fail(ModelError("it broke"))), store=store) as url:
        ask(url, stream=is_stream)
    assert store.only.status is Status.FAILED
    assert store.only.events[-1] | {"at_s": 0} == {
        "event": "failed",
        "at_s": 0,
        "kind": "ModelError",
        "message": "it broke",
    }


def test_a_store_that_cannot_begin_costs_nothing_upstream(is_stream: bool) -> None:
    solver = scripted()
    with serving(solver, store=MemoryStore(fails_at="begin")) as url:
        done = ask(url, stream=is_stream)
    assert (done.status_code, done.json()["error"]["code"]) == (503, "store_unavailable")
    assert solver.requests == []


def test_what_is_not_on_record_is_not_told() -> None:
    with serving(store=MemoryStore(fails_at="end answered")) as url:
        assert ask(url).status_code == 503
        events = read_events(ask(url, stream=True).text)
    assert events[-1]["error"]["code"] == "store_unavailable"
    assert join(events[:-1], "content") == ""


def test_the_guard_refuses_a_question_before_any_call(is_stream: bool) -> None:
    store, solver = MemoryStore(), scripted()
    with serving(solver, store=store, guard=WordGuard()) as url:
        done = ask(url, "A forbidden thing", stream=is_stream)
    assert (done.status_code, done.json()["error"]["code"]) == (400, "content_filter")
    assert solver.requests == []
    assert store.only.status is Status.REFUSED


@pytest.mark.parametrize("model", ["abruzzi", "abruzzi-single", "scripted"])
def test_the_guard_takes_out_of_answers_and_thoughts_what_may_not_be_told(model: str, is_stream: bool) -> None:
    store = MemoryStore()
    solver = scripted(solver=reply("<answer>the secret 42</answer>", reasoning="a secret thought, a long one"))
    with serving(solver, store=store, guard=WordGuard()) as url:
        done = ask(url, model=model, stream=is_stream)
    assert "secret" not in done.text
    assert "the [withheld] 42" in store.only.answer
    if is_stream:
        assert join(read_events(done.text), "content") == store.only.answer


@pytest.mark.parametrize("model", ["abruzzi", "abruzzi-single", "scripted"])
def test_an_answer_that_the_guard_withholds_is_a_refusal(model: str, is_stream: bool) -> None:
    store = MemoryStore()
    with serving(scripted(solver=reply("<answer>forbidden</answer>")), store=store, guard=WordGuard()) as url:
        done = ask(url, model=model, stream=is_stream)
    error = read_events(done.text)[-1]["error"] if is_stream else done.json()["error"]
    assert error["code"] == "content_filter"
    assert "forbidden" not in done.text
    assert (store.only.status, store.only.answer) == (Status.REFUSED, "")


def test_thoughts_can_be_withheld(is_stream: bool) -> None:
    with serving(guard=WordGuard(shows_reasoning=False)) as url:
        done = ask(url, stream=is_stream)
    assert "reasoning_content" not in done.text
    assert "42" in done.text
