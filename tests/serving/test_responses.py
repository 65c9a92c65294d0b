"""Responses on a real socket: one set of rules with chat, its own shapes, and going on from an earlier one."""

from typing import Any

import httpx2
import pytest

from abruzzi.errors import ModelError
from abruzzi.models.scripted import fail, reply
from abruzzi.nouns import FinishReason, ToolCall
from tests.serving.recorded import MemoryStore
from tests.serving.running import read_events, scripted, serving
from tests.serving.test_chat import calling

TOOL = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}


def respond(url: str, **fields: Any) -> httpx2.Response:
    body = {"model": "abruzzi-single", "input": "What is 17 + 25?", **fields}
    return httpx2.post(f"{url}/v1/responses", json=body, timeout=30, trust_env=False)


def test_a_reply_says_what_was_asked() -> None:
    with serving() as url:
        done = respond(
            url, instructions="Be short.", max_output_tokens=50, temperature=0.5, top_p=0.9, user="ann"
        ).json()
    assert done["id"].startswith("resp_")
    assert [item["type"] for item in done["output"]] == ["reasoning", "message"]
    assert done["output"][1]["content"][0]["text"] == "So it is 42"
    kept = {key: done[key] for key in ("status", "instructions", "max_output_tokens", "temperature", "top_p", "store")}
    assert kept == {
        "status": "completed",
        "instructions": "Be short.",
        "max_output_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "store": False,
    }
    assert done["usage"]["abruzzi"]["num_calls"] == 1


def test_a_cut_reply_is_incomplete() -> None:
    with serving(scripted(solver=reply("It is", finish_reason=FinishReason.LENGTH))) as url:
        done = respond(url).json()
        last = read_events(respond(url, stream=True).text)[-1]
    assert (done["status"], done["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "incomplete")


def test_a_stream_numbers_its_events_and_ends_with_what_a_whole_reply_says() -> None:
    with serving() as url:
        events = read_events(respond(url, model="abruzzi", stream=True).text)
        whole = respond(url, model="abruzzi").json()
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    last = events[-1]["response"]
    assert [item["type"] for item in last["output"]] == ["reasoning", "message"]
    for kind, part in (("output_text", "content"), ("reasoning_summary_text", "summary")):
        text = "".join(event["delta"] for event in events if event["type"] == f"response.{kind}.delta")
        index = 1 if part == "content" else 0
        assert text == last["output"][index][part][0]["text"] == whole["output"][index][part][0]["text"]


def test_calls_and_their_results_go_through() -> None:
    model = calling()
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Add."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {
            "type": "function_call",
            "call_id": "a",
            "name": "add",
            "arguments": "{}",
            "id": "fc_1",
            "status": "completed",
        },
        {"type": "function_call", "call_id": "b", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
    ]
    with serving(model) as url:
        done = respond(url, model="caller", input=items, tools=[TOOL], tool_choice={"type": "function", "name": "add"})
    assert [item["type"] for item in done.json()["output"]] == ["function_call"]
    (request,) = model.requests
    assert [message.role for message in request.messages] == ["user", "assistant", "tool", "tool"]
    assert [call.id for call in request.messages[1].tool_calls] == ["a", "b"]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"input": ""}, "input", "invalid_value"),
    ({"input": "  "}, "input", "invalid_value"),
    ({"input": []}, "input", "invalid_value"),
    ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "input", "invalid_value"),
    ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
    ({"reasoning": {"effort": "high"}}, "reasoning", "unsupported_parameter"),
    ({"include": ["x"]}, "include", "unsupported_parameter"),
    ({"temprature": 1}, "temprature", "unknown_parameter"),
    ({"previous_response_id": "resp_1"}, "previous_response_id", "invalid_value"),
    ({"tool_choice": "auto"}, "tool_choice", "invalid_value"),
    (
        {
            "input": [
                {"type": "function_call_output", "call_id": "a", "output": "1"},
                {"role": "user", "content": "a"},
            ]
        },
        "input[0].tool_call_id",
        "invalid_value",
    ),
    (
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "nothing"}}}},
        "text.format.schema",
        "invalid_value",
    ),
]


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED)
def test_what_cannot_be_honoured_is_refused_by_its_name_here(fields: dict[str, Any], param: str, code: str) -> None:
    with serving() as url:
        done = respond(url, **fields)
    assert done.status_code == 400
    assert (done.json()["error"]["param"], done.json()["error"]["code"]) == (param, code)


def test_going_on_from_an_earlier_response() -> None:
    store, model = MemoryStore(), scripted()
    with serving(model, store=store) as url:
        first = respond(url, instructions="Be short.").json()
        second = respond(url, input="And doubled?", previous_response_id=first["id"]).json()
        unknown = respond(url, previous_response_id="resp_0")
    assert second["previous_response_id"] == first["id"]
    record = store.records[second["id"]]
    assert [message["role"] for message in record.messages] == ["user", "assistant", "user"]
    assert record.messages[1]["content"] == "So it is 42"
    assert store.records[first["id"]].settings["instructions"] == "Be short."
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "previous_response_not_found")


def test_going_on_after_a_call_of_a_tool() -> None:
    store, model = MemoryStore(), calling()
    with serving(model, store=store) as url:
        for name in ("caller", "abruzzi-bo3"):
            first = respond(url, model=name, tools=[TOOL]).json()
            output = [{"type": "function_call_output", "call_id": "call_1", "output": "42"}]
            again = respond(url, model=name, input=output, previous_response_id=first["id"], tools=[TOOL])
            assert again.status_code == 200, again.text
            assert model.requests[-1].messages[-2].tool_calls == (ToolCall("call_1", "add", '{"a":17,"b":25}'),)


def test_a_failure_in_a_stream_is_its_last_event() -> None:
    with serving(scripted(solver=fail(ModelError("it broke")))) as url:
        assert respond(url).status_code == 502
        assert read_events(respond(url, stream=True).text)[-1]["error"]["code"] == "upstream_failed"
