"""Responses are read again and deleted, by the official client: each owner's own, as long as they are kept."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from abruzzi.errors import ModelError
from abruzzi.models.scripted import fail, reply
from abruzzi.nouns import FinishReason
from abruzzi.serving.guard.guard import Guard
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.key_file import hash_key
from abruzzi.serving.keys import HashedRing
from abruzzi.serving.question_record import Status
from abruzzi.serving.settings import KeyLimits
from tests.serving.recorded import MemoryStore, WordGuard
from tests.serving.running import UNLIMITED, scripted, serving
from tests.serving.test_chat import calling
from tests.serving.test_openai_sdk import open_client

ANN, BEN = "ann-has-a-long-key-of-her-own", "ben-has-a-long-key-of-his-own"
TOOL: Any = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}
SPOKEN = {"created_at", "usage", "output"}


def ring(limits: KeyLimits = UNLIMITED) -> HashedRing:
    return HashedRing({hash_key(ANN): "ann", hash_key(BEN): "ben"}, None, limits, tell=lambda _: None)


@contextmanager
def opened(model: Any = None, store: MemoryStore | None = None, **parts: Any) -> Generator[tuple[OpenAI, OpenAI]]:
    """The clients of two owners."""
    store = store or MemoryStore()
    with (
        serving(model, keys=ring(), store=store, **parts) as url,
        open_client(url, ANN) as ann,
        open_client(url, BEN) as ben,
    ):
        yield ann, ben


@pytest.mark.parametrize("model", ["abruzzi", "abruzzi-single", "abruzzi-bo3", "scripted"])
def test_a_response_is_read_again_as_it_was_given(model: str) -> None:
    with opened() as (ann, _):
        given = ann.responses.create(
            model=model,
            input="What is 17 + 25?",
            instructions="Be short.",
            temperature=0.5,
            top_p=0.9,
            max_output_tokens=50,
            metadata={"project": "sums"},
            user="u1",
        )
        kept = ann.responses.retrieve(given.id)
    assert kept.output_text == given.output_text
    assert [item.type for item in kept.output] == [item.type for item in given.output]
    assert [item.model_dump() for item in kept.output] == [item.model_dump() for item in given.output]
    assert kept.model_dump(exclude=SPOKEN) == given.model_dump(exclude=SPOKEN)
    assert (kept.metadata, kept.instructions) == ({"project": "sums"}, "Be short.")
    assert kept.usage is not None
    assert given.usage is not None
    assert kept.usage.total_tokens == given.usage.total_tokens


def test_a_streamed_response_is_read_again_too() -> None:
    with opened() as (ann, _):
        with ann.responses.stream(model="abruzzi", input="What is 17 + 25?") as events:
            given = events.get_final_response()
        assert ann.responses.retrieve(given.id).output_text == given.output_text == "So it is 42"


def test_calls_formats_and_what_it_goes_on_from_are_read_again() -> None:
    with opened(calling()) as (ann, _):
        given = ann.responses.create(model="abruzzi-bo3", input="Add.", tools=[TOOL], tool_choice="auto")
        output: Any = [{"type": "function_call_output", "call_id": "call_1", "output": "42"}]
        again = ann.responses.create(
            model="caller", input=output, previous_response_id=given.id, tools=[TOOL], parallel_tool_calls=False
        )
        kept, next_one = ann.responses.retrieve(given.id), ann.responses.retrieve(again.id)
    assert [item.model_dump() for item in kept.output] == [item.model_dump() for item in given.output]
    assert kept.tools[0].model_dump(exclude_none=True) == TOOL
    assert (next_one.previous_response_id, next_one.parallel_tool_calls) == (given.id, False)


def test_a_cut_response_stays_incomplete() -> None:
    with opened(scripted(solver=reply("It is", finish_reason=FinishReason.LENGTH))) as (ann, _):
        kept = ann.responses.retrieve(ann.responses.create(model="abruzzi-single", input="Hi").id)
    assert kept.status == "incomplete"
    assert kept.incomplete_details is not None
    assert kept.incomplete_details.reason == "max_output_tokens"


def test_a_response_is_its_owners_alone() -> None:
    store = MemoryStore()
    with opened(store=store) as (ann, ben):
        given = ann.responses.create(model="abruzzi-single", input="Hi")
        for act in (ben.responses.retrieve, ben.responses.delete):
            with pytest.raises(openai.NotFoundError) as caught:
                act(given.id)
            assert caught.value.body == {
                "message": f"Response with id '{given.id}' not found.",
                "type": "invalid_request_error",
                "param": "response_id",
                "code": "response_not_found",
            }
        with pytest.raises(openai.NotFoundError):
            ben.responses.create(model="abruzzi-single", input="Hi", previous_response_id=given.id)
        assert given.id in store.records
        ann.responses.delete(given.id)
        assert given.id not in store.records
        with pytest.raises(openai.NotFoundError):
            ann.responses.retrieve(given.id)
        with pytest.raises(openai.NotFoundError):
            ann.responses.delete(given.id)


def test_deleting_says_so_in_openais_shape() -> None:
    with opened() as (ann, _):
        given = ann.responses.create(model="abruzzi-single", input="Hi")
        done = httpx2.delete(
            f"{ann.base_url}responses/{given.id}", headers={"Authorization": f"Bearer {ANN}"}, trust_env=False
        )
    assert (done.status_code, done.json()) == (200, {"id": given.id, "object": "response", "deleted": True})


def test_what_was_not_to_be_stored_is_not_found() -> None:
    store = MemoryStore()
    with opened(store=store) as (ann, _):
        given = ann.responses.create(model="abruzzi-single", input="Hi", store=False)
        with pytest.raises(openai.NotFoundError):
            ann.responses.retrieve(given.id)
    assert store.records == {}
    with (
        serving(keys=ring()) as url,
        open_client(url, ANN) as client,
        pytest.raises(openai.NotFoundError, match="keeps no records"),
    ):
        client.responses.retrieve("resp_1")


def test_a_record_of_another_protocol_is_no_response() -> None:
    with opened() as (ann, _):
        chat = ann.chat.completions.create(model="abruzzi-single", messages=[{"role": "user", "content": "Hi"}])
        for act in (ann.responses.retrieve, ann.responses.delete):
            with pytest.raises(openai.NotFoundError):
                act(chat.id)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (Status.RUNNING, "in_progress"),
        (Status.CANCELLED, "cancelled"),
        (Status.FAILED, "failed"),
        (Status.LOST, "failed"),
        (Status.REFUSED, "incomplete"),
    ],
)
def test_a_response_without_an_answer_says_how_far_it_came(status: Status, shown: str) -> None:
    store = MemoryStore()
    with opened(store=store) as (ann, _):
        given = ann.responses.create(model="abruzzi-single", input="Hi")
        store.records[given.id] = replace(store.records[given.id], status=status, answer="")
        kept = ann.responses.retrieve(given.id)
    assert (kept.status, kept.output) == (shown, [])
    assert (kept.error is not None) == (shown == "failed")
    assert (kept.incomplete_details is not None) == (shown == "incomplete")


def test_a_failure_tells_nothing_of_the_upstream() -> None:
    store = MemoryStore()
    with opened(scripted(solver=fail(ModelError("http://10.0.0.7/v1 is on fire"))), store) as (ann, _):
        with pytest.raises(openai.APIStatusError):
            ann.responses.create(model="abruzzi-single", input="Hi")
        kept = ann.responses.retrieve(store.only.id)
    assert kept.status == "failed"
    assert "10.0.0.7" not in kept.model_dump_json()


def test_what_the_guard_withheld_stays_withheld() -> None:
    told = scripted(solver=reply("It is secret.", reasoning="A secret thought."))
    with opened(told, guard=WordGuard()) as (ann, _):
        kept = ann.responses.retrieve(ann.responses.create(model="abruzzi-single", input="Hi").id)
    assert "secret" not in kept.model_dump_json()
    assert kept.output_text == "It is [withheld]."
    with opened(told, guard=Guard(GuardSettings(reasoning="withheld"))) as (ann, _):
        kept = ann.responses.retrieve(ann.responses.create(model="abruzzi-single", input="Hi").id)
    assert [item.type for item in kept.output] == ["message"]


def test_what_cannot_be_honoured_is_refused_by_name() -> None:
    with opened() as (ann, _):
        given = ann.responses.create(model="abruzzi-single", input="Hi")
        assert ann.responses.retrieve(given.id, stream=False).id == given.id
        for query in ({"stream": "true"}, {"include[]": "x"}, {"starting_after": "3"}, {"speed": "1"}):
            with pytest.raises(openai.BadRequestError) as caught:
                ann.responses.retrieve(given.id, extra_query=query)
            assert caught.value.param == next(iter(query))
        with pytest.raises(openai.BadRequestError):
            ann.responses.retrieve("resp_ö")


def test_a_record_of_an_older_version_is_read_with_what_it_holds() -> None:
    store = MemoryStore()
    with opened(store=store) as (ann, _):
        given = ann.responses.create(model="abruzzi-single", input="Hi")
        record = store.records[given.id]
        store.records[given.id] = replace(record, settings={}, events=({"event": "of the future"},), usage=record.usage)
        kept = ann.responses.retrieve(given.id)
    assert (kept.output_text, kept.tools, kept.instructions) == ("So it is 42", [], None)


def test_the_document_has_both() -> None:
    with serving(keys=ring()) as url:
        paths = httpx2.get(f"{url}/openapi.json", trust_env=False).json()["paths"]
    assert set(paths["/v1/responses/{response_id}"]) == {"get", "delete"}
    assert paths["/v1/responses/{response_id}"]["get"]["security"] == [{"key": []}]
