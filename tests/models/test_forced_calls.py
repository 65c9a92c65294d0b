"""A forced call is a call: also where the endpoint takes no notice, and never a text in its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import StructureError
from abruzzi.models.chat import Ended
from abruzzi.models.endpoints import Dialect, Endpoints, Facts
from abruzzi.models.forced_calls import make_schema, must_call, tell_functions, write_call_schema
from abruzzi.models.schemas import check_schema
from abruzzi.models.structured import read_json
from abruzzi.nouns import FinishReason, Message, ToolCall
from tests.faultserver import Action, FaultServer, Said, Seen, Traits, refuse, say
from tests.models.asking import Asked, ask, ask_one, request

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
ADD: dict[str, Any] = {"name": "add", "description": "Adds.", "parameters": PARAMETERS}
NOW: dict[str, Any] = {"name": "now"}
TOOLS = ({"type": "function", "function": ADD}, {"type": "function", "function": NOW})
NAMED = {"type": "function", "function": {"name": "now"}}
CALL = '{"call": {"name": "add", "arguments": {"a": 40, "b": 2}}}'
NATIVE = Said("Let me see.", calls=({"index": 0, "id": "c", "function": {"name": "add", "arguments": "{}"}},))


def forced(choice: object = "required", **fields: Any) -> Any:
    return request(tools=TOOLS, tool_choice=choice, **fields)


def ignoring(seen: Seen) -> Action:
    """Answer as a server does that takes no notice: with a text, unless it is held to a schema."""
    return say(CALL) if seen.schema is not None else say("I add them: it is 42.")


def called(asked: Asked) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, json.loads(call.arguments)) for c in asked.completions for call in c.tool_calls]


@pytest.mark.parametrize(
    ("choice", "is_forced"), [("required", True), (NAMED, True), ("auto", False), ("none", False), (None, False)]
)
def test_what_forces_a_call(choice: object, is_forced: bool) -> None:
    assert must_call(forced(choice)) is is_forced
    assert not must_call(request(tool_choice="required"))


def test_a_server_that_calls_is_taken_at_its_word() -> None:
    with FaultServer([say(NATIVE)]) as server:
        asked = ask_one(server, forced())
    asked.check_contract(1)
    assert called(asked) == [("add", {})]
    assert asked.texts == ["Let me see."]
    (record,) = server.records
    assert (record.seen.body["tool_choice"], record.seen.schema) == ("required", None)


def test_a_server_that_takes_no_notice_is_held_to_a_schema_and_remembered(tmp_path: Path) -> None:
    book = Endpoints(tmp_path / "e.json")
    with FaultServer(ignoring) as server:
        first = ask_one(server, forced(), endpoints=book)
        assert book.get(server.base_url, "m") == Facts(dialect=Dialect.RESPONSE_FORMAT, ignores_tool_choice=True)
        second = ask_one(server, forced(), endpoints=Endpoints(tmp_path / "e.json"))
    for asked in (first, second):
        asked.check_contract(1)
        (completion,) = asked.completions
        assert (completion.finish_reason, completion.text) == (FinishReason.TOOL_CALLS, "")
        assert called(asked) == [("add", {"a": 40, "b": 2})]
        assert completion.tool_calls[0].id.startswith("call_")
    assert (first.restarts, second.restarts) == ([0], [])
    plain, held, again = (record.seen for record in server.records)
    assert plain.body["tools"]
    for seen in (held, again):
        assert "tools" not in seen.body
        assert "tool_choice" not in seen.body
        assert '"name": "add", "description": "Adds."' in seen.prompt


def test_of_several_choices_only_those_that_dodge_are_asked_again() -> None:
    def answer(seen: Seen) -> Action:
        return say(CALL) if seen.schema is not None else say(NATIVE, "No.", NATIVE, "Never.")

    with FaultServer(answer) as server:
        asked = ask_one(server, forced(n=4))
    asked.check_contract(4)
    assert sorted(asked.restarts) == [1, 3]
    assert [arguments for _, arguments in called(asked)] == [{}, {"a": 40, "b": 2}, {}, {"a": 40, "b": 2}]
    assert len({c.tool_calls[0].id for c in asked.completions}) == 3  # the server's own is the same twice


def test_only_the_function_that_was_named_is_called() -> None:
    with FaultServer(lambda seen: say("{}") if seen.schema is not None else say("It is late.")) as server:
        asked = ask_one(server, forced(NAMED))
    assert called(asked) == [("now", {})]
    assert '"add"' not in server.records[-1].seen.prompt


def test_a_cut_text_is_asked_again_and_a_cut_call_is_cut() -> None:
    book = Endpoints()
    with FaultServer([say(Said("Well, I would", finish_reason="length")), say(CALL)]) as server:
        asked = ask_one(server, forced(), endpoints=book)
        assert called(asked) == [("add", {"a": 40, "b": 2})]
        assert not book.get(server.base_url, "m").ignores_tool_choice
    half = Said("", calls=NATIVE.calls, finish_reason="length")
    with FaultServer([say(half)]) as server:
        (completion,) = ask_one(server, forced()).completions
    assert (completion.finish_reason, completion.tool_calls) == (FinishReason.LENGTH, ())


def test_where_nothing_holds_it_there_is_an_error_and_no_text() -> None:
    with FaultServer(lambda _: say("I would rather not."), Traits(constrains=frozenset())) as server:
        asked = ask_one(server, forced())
    (completion,) = asked.completions
    assert completion.finish_reason is FinishReason.ERROR
    assert "no reply in 3 tries could be used" in (completion.error or "")


def test_a_schema_that_the_server_refuses_is_its_refusal() -> None:
    def answer(seen: Seen) -> Action:
        return refuse(400, "cannot parse the grammar") if seen.schema is not None else say("No.")

    with FaultServer(answer, Traits(constrains=frozenset({"response_format"}))) as server:
        alone, known = ask(server, forced(), forced())
        mixed = ask_one(server, forced(n=2), endpoints=Endpoints())
    for asked in (alone, known, mixed):
        assert "cannot parse the grammar" in str(asked.error or asked.completions)


def test_a_reply_that_need_not_be_a_call_stays_as_it_is() -> None:
    with FaultServer([say("It is 42.")]) as server:
        asked = ask_one(server, forced("auto"))
    assert asked.texts == ["It is 42."]
    assert [event.completion.text for event in asked.events if isinstance(event, Ended)] == ["It is 42."]


def test_the_schema_is_of_calls_alone() -> None:
    schema = make_schema([ADD, NOW])
    assert read_json(CALL, schema) == CALL
    for text in (
        '{"call": {"name": "add", "arguments": {"a": 40}}}',
        '{"call": {"name": "sub", "arguments": {}}}',
        '{"call": {"name": "now", "arguments": []}}',
        '{"name": "now", "arguments": {}}',
    ):
        with pytest.raises(StructureError, match="does not fit"):
            read_json(text, schema)


def test_parameters_may_refer_to_their_own_parts() -> None:
    tree = {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/node"}},
        "required": ["root"],
        "$defs": {
            "node": {"type": "object", "properties": {"left": {"$ref": "#/$defs/node"}, "n": {"type": "integer"}}}
        },
    }
    schema = make_schema([NOW, {"name": "grow", "parameters": tree}])
    check_schema(schema)
    good = '{"call": {"name": "grow", "arguments": {"root": {"left": {"n": 1}}}}}'
    assert read_json(good, schema) == good
    with pytest.raises(StructureError, match="does not fit"):
        read_json(good.replace("1", '"x"'), schema)


UNFOLLOWABLE: list[dict[str, Any]] = [
    {"type": "nothing"},
    {"properties": {"a": {"$ref": "http://127.0.0.1:9/secret"}}},
    {"properties": {f"p{i}": {} for i in range(6000)}},
    {"type": "object", "properties": {"a": {"exclusiveMinimum": True}}},
]


@pytest.mark.parametrize(
    "parameters", UNFOLLOWABLE, ids=["no schema", "refers elsewhere", "too large", "another draft's"]
)
def test_parameters_that_cannot_be_followed_hold_to_an_object(parameters: dict[str, Any]) -> None:
    schema = make_schema([{"name": "f", "parameters": parameters}])
    assert schema.body == write_call_schema([{"name": "f"}])
    assert read_json('{"call": {"name": "f", "arguments": {"a": 1}}}', schema)


def test_expressions_are_not_enforced_and_a_property_of_that_name_is() -> None:
    parameters: dict[str, Any] = {
        "type": "object",
        "properties": {"pattern": {"type": "string", "pattern": "^(a+)+$"}},
        "patternProperties": {"^(a+)+$": {}},
        "required": ["pattern"],
    }
    schema = make_schema([{"name": "f", "parameters": parameters}])
    assert "(a+)+" not in json.dumps(schema.body)
    said = json.dumps({"call": {"name": "f", "arguments": {"pattern": "a" * 40 + "!"}}})
    assert read_json(said, schema) == said
    with pytest.raises(StructureError, match="does not fit"):
        read_json('{"call": {"name": "f", "arguments": {}}}', schema)


def test_earlier_calls_and_results_are_told_as_text() -> None:
    turns = (
        Message("user", "40 + 2?"),
        Message("assistant", "Hm.", (ToolCall("c1", "add", '{"a": 40, "b": 2}'), ToolCall("c2", "now", "not JSON"))),
        Message("tool", "42", tool_call_id="c1"),
    )
    told = tell_functions(turns, [NOW])
    assert [message.role for message in told] == ["user", "assistant", "user"]
    assert told[1].content.splitlines() == [
        "Hm.",
        '{"call": {"name": "add", "arguments": {"a": 40, "b": 2}}}',
        '{"call": {"name": "now", "arguments": "not JSON"}}',
    ]
    assert told[2].content.startswith("Result of c1: 42\n\nCall one of these functions.")
    assert [message.role for message in tell_functions([Message("system", "Be brief.")], [NOW])] == ["system", "user"]
