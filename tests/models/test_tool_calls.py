"""Tool calls: put together from every server's pieces, and never handed over in parts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from abruzzi.errors import ProtocolError
from abruzzi.models.chat import Schema
from abruzzi.models.tool_calls import ToolCallBook
from abruzzi.models.wire import CallDelta, read_chunk
from abruzzi.nouns import FinishReason, Message, ToolCall
from tests.faultserver import FaultServer, Said, Traits, refuse, say
from tests.models.asking import Asked, ask_one, outcomes_of, request
from tests.models.asking import ask as ask_all

TOOLS = (
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "now"}},
)
ADD, NOW = ToolCall("call_1", "add", '{"a": 40, "b": 2}'), ToolCall("call_2", "now", "{}")


def piece(index: int | None, call_id: str = "", name: str = "", arguments: str = "") -> dict[str, Any]:
    """A piece as servers send it: what there is not is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value}
    fields = {"index": index, "id": call_id or None, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


WHOLE = piece(0, "call_1", "add", '{"a": 40, "b": 2}')
PIECES = (
    piece(0, "call_1", "add"),
    piece(0, arguments='{"a": 4'),
    piece(0, arguments='0, "b": 2}'),
    piece(1, "call_2", "now", "{}"),
)


def put_together(*pieces: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    book = ToolCallBook()
    for each in pieces:
        chunk = read_chunk({"choices": [{"index": 0, "delta": {"tool_calls": [each]}}]})
        for call in chunk.choices[0].calls:
            book.add(call)
    return book.close()


@pytest.mark.parametrize(
    "pieces",
    [
        PIECES,
        (WHOLE, piece(1, "call_2", "now", "{}")),
        (piece(0, "call_1", "add", '{"a": 40,'), piece(0, "call_1", "add", ' "b": 2}'), piece(1, "call_2", "now")),
        (piece(None, "call_1", "add", '{"a": 40, '), piece(None, arguments='"b": 2}'), piece(None, "call_2", "now")),
        (WHOLE, piece(0, "call_2", "now", "{}")),
        (piece(0, "call_1", "add"), piece(1, "call_2", "now"), piece(0, arguments='{"a": 40, "b": 2}')),
    ],
    ids=["openai", "whole", "name and id repeated", "no index", "one index for all", "interleaved"],
)
def test_every_servers_pieces_make_the_same_calls(pieces: tuple[Mapping[str, Any], ...]) -> None:
    assert put_together(*pieces) == (ADD, NOW)


def test_what_a_server_leaves_out_is_made_up_for() -> None:
    arguments_as_object = {"function": {"name": "add", "arguments": {"a": 1}}}
    first, second = put_together(arguments_as_object, piece(None, name="now"))
    assert (first.name, first.arguments, second.name, second.arguments) == ("add", '{"a": 1}', "now", "{}")
    assert len({"", first.id, second.id}) == 3


@pytest.mark.parametrize(
    ("pieces", "complaint"),
    [
        ([CallDelta(0, "x", "", "{}")], "without naming it"),
        ([CallDelta(0, "x", "add", '{"a": 4')], "not a JSON object"),
        ([CallDelta(0, "x", "add", "[1]")], "not a JSON object"),
        ([CallDelta(0, "x", "add", '{"a": NaN}')], "not a JSON object"),
        ([CallDelta(0, "x", "now", "{}"), CallDelta(1, "y", "add", "{" * 500)], "…"),
    ],
)
def test_a_broken_call_is_no_call(pieces: list[CallDelta], complaint: str) -> None:
    book = ToolCallBook()
    for each in pieces:
        book.add(each)
    with pytest.raises(ProtocolError, match=complaint):
        book.close()


def ask(server: FaultServer, **fields: Any) -> Asked:
    return ask_one(server, request(tools=TOOLS, **fields))


def test_calls_of_several_choices_come_whole_and_are_billed() -> None:
    said = (Said("Let me see.", calls=PIECES, finish_reason="tool_calls"), Said("It is 42."))
    with FaultServer([say(*said)]) as server:
        asked = ask(server, n=2, tool_choice="auto", parallel_tool_calls=True)
        body = server.records[0].seen.body
        assert asked.ledger.totals().usage.completion_tokens == server.completion_tokens == 10
    calling, telling = asked.completions
    assert (calling.tool_calls, calling.text) == ((ADD, NOW), "Let me see.")
    assert calling.finish_reason is FinishReason.TOOL_CALLS
    assert (telling.tool_calls, telling.finish_reason) == ((), FinishReason.STOP)
    assert (body["tools"], body["tool_choice"], body["parallel_tool_calls"]) == (list(TOOLS), "auto", True)


def test_the_calls_count_and_not_the_reason() -> None:
    """A server told which function to call says "stop"; one may also say "tool_calls" of a text."""
    with FaultServer([say(Said(calls=(WHOLE,))), say(Said("42", finish_reason="tool_calls"))]) as server:
        called, told = ask(server), ask(server)
    assert called.completions[0].finish_reason is FinishReason.TOOL_CALLS
    assert (told.completions[0].finish_reason, told.texts) == (FinishReason.STOP, ["42"])


def test_a_call_cut_at_the_token_limit_is_not_handed_over() -> None:
    with FaultServer([say(Said(calls=PIECES, finish_reason="tool_calls"))]) as server:
        (completion,) = ask(server, max_tokens=3).completions
    assert (completion.finish_reason, completion.tool_calls) == (FinishReason.LENGTH, ())


def test_a_call_without_its_end_is_an_error_that_spares_its_siblings() -> None:
    said = (Said(calls=PIECES[:2], finish_reason="tool_calls"), Said(calls=(WHOLE,), finish_reason="tool_calls"))
    with FaultServer([say(*said)]) as server:
        broken, whole = ask(server, n=2).completions
    assert (broken.finish_reason, broken.tool_calls) == (FinishReason.ERROR, ())
    assert "'add' with arguments that are not a JSON object" in (broken.error or "")
    assert whole.tool_calls == (ADD,)


@pytest.mark.parametrize("fault", ["cut_after", "error_after", "stop_after"])
def test_a_stream_that_breaks_in_a_call_is_tried_again_from_its_start(fault: str) -> None:
    said = Said(calls=PIECES, finish_reason="tool_calls")
    with FaultServer([say(said, **{fault: 2}), say(said)]) as server:
        asked = ask(server)
    assert asked.completions[0].tool_calls == (ADD, NOW)
    assert asked.restarts == [0]
    assert outcomes_of(asked) == ["error", "ok"]


def test_a_stream_that_keeps_breaking_leaves_no_call() -> None:
    with FaultServer(lambda _: say(Said(calls=PIECES), cut_after=3)) as server:
        (completion,) = ask(server).completions
    assert (completion.finish_reason, completion.tool_calls) == (FinishReason.ERROR, ())


def test_a_call_need_not_fit_the_schema_of_a_reply() -> None:
    schema = Schema("n", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    with FaultServer([say(Said(calls=(WHOLE,), finish_reason="tool_calls"))]) as server:
        asked = ask(server, schema=schema)
        assert len(server.records) == 1
    assert asked.completions[0].tool_calls == (ADD,)


def test_results_go_back_in_openais_form() -> None:
    turns = (Message("user", "40 + 2?"), Message("assistant", "", (ADD,)), Message("tool", "42", tool_call_id="call_1"))
    with FaultServer([say("42")]) as server:
        ask_one(server, replace(request(tools=TOOLS), messages=turns))
        messages = server.records[0].seen.body["messages"]
    function = {"name": "add", "arguments": ADD.arguments}
    assert messages == [
        {"role": "user", "content": "40 + 2?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "call_1"},
    ]


def test_sampling_parameters_go_as_they_are_and_a_refusal_of_one_is_told() -> None:
    sampling = {"presence_penalty": 0.5, "top_k": 20, "model": "other", "temperature": 2}
    with FaultServer([say("a"), refuse(400, "Unknown parameter: 'top_k'.")]) as server:
        ask_one(server, request(sampling=sampling, temperature=0.1))
        refused = ask_one(server, request(sampling=sampling))
        body = server.records[0].seen.body
    assert (body["presence_penalty"], body["top_k"], body["model"], body["temperature"]) == (0.5, 20, "m", 0.1)
    assert "top_k" in str(refused.error)


def test_some_json_object_is_held_to_checked_and_asked_for_again() -> None:
    with FaultServer([say("Sure!"), say('```json\n{"a": 1}\n```')]) as server:
        (asked,) = ask_all(server, request(json_object=True))
        assert [record.seen.body["response_format"] for record in server.records] == [{"type": "json_object"}] * 2
    assert asked.texts == ['{"a": 1}']


def test_where_json_object_is_unknown_the_prompt_asks_for_it() -> None:
    with FaultServer(lambda _: say('{"a": 1}'), Traits(refuses=frozenset({"json_object"}))) as server:
        asked = ask_one(server, request(json_object=True))
        assert "one JSON object" in server.records[-1].seen.prompt
    assert asked.texts == ['{"a": 1}']
