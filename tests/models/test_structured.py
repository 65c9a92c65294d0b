"""JSON is found in a reply, checked, and complained of precisely."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import StructureError
from abruzzi.models.chat import Schema
from abruzzi.models.endpoints import Dialect
from abruzzi.models.structured import (
    ask_again,
    constrain,
    is_object,
    is_proof,
    probe_request,
    probe_schema,
    read_json,
    tell_schema,
)
from abruzzi.nouns import Message, Role, ToolCall

BODY: dict[str, Any] = {
    "type": "object",
    "properties": {"topics": {"type": "array", "items": {"type": "string"}, "maxItems": 2}, "plan": {"type": "string"}},
    "required": ["topics", "plan"],
    "additionalProperties": False,
}
PLAN = Schema("plan", BODY)
GOOD = '{"topics": ["a"], "plan": "p {x} </think>"}'


def test_each_dialect_has_its_own_field() -> None:
    assert constrain(Dialect.RESPONSE_FORMAT, PLAN) == {
        "response_format": {"type": "json_schema", "json_schema": {"name": "plan", "schema": BODY, "strict": True}}
    }
    assert constrain(Dialect.STRUCTURED_OUTPUTS, PLAN) == {"structured_outputs": {"json": BODY}}
    assert constrain(Dialect.JSON_SCHEMA, PLAN) == {"json_schema": BODY}
    assert constrain(Dialect.JSON_OBJECT, PLAN) == {"response_format": {"type": "json_object"}}
    assert constrain(Dialect.PROMPT, PLAN) == {}


@pytest.mark.parametrize(
    "reply", [GOOD, f" \n{GOOD}\n", f"```json\n{GOOD}\n```", f"Sure {{thing}}: [1] {GOOD} done", f"[{GOOD}"]
)
def test_the_json_is_found(reply: str) -> None:
    assert read_json(reply, PLAN) == GOOD


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        ("", "no complete JSON object: ''"),
        ("no braces", "no complete JSON object"),
        (GOOD[:-1], "no complete JSON object"),
        ('{"topics": [], "plan": 1}', "'plan' at $.plan: 1 is not of type 'string'"),
        ('{"topics": []}', "at $: 'plan' is a required property"),
        ('{"topics": ["a", "b", "c"], "plan": ""}', "at $.topics:"),
        ('{"topics": [], "plan": "", "answer": 42}', "'answer' was unexpected"),
        ("[]", "no complete JSON object"),
        ('{"topics": [], "plan": NaN}', "no complete JSON object"),
        ("[" * 100_000, "no complete JSON object"),
        ("{" * 100_000, "no complete JSON object"),
    ],
)
def test_what_is_wrong_is_said(reply: str, complaint: str) -> None:
    with pytest.raises(StructureError) as caught:
        read_json(reply, PLAN)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.text(max_size=30), st.lists(st.text(max_size=5), max_size=2), st.text(max_size=20), st.text(max_size=30))
def test_whatever_is_returned_fits(before: str, topics: list[str], plan: str, after: str) -> None:
    value = {"topics": topics, "plan": plan}
    found = json.loads(read_json(before.replace("{", "(") + json.dumps(value) + after, PLAN))
    assert found == value


def test_the_schema_is_told_in_the_last_message() -> None:
    messages = (Message("system", "be brief"), Message("user", "plan it"))
    told = tell_schema(messages, PLAN)
    assert told[0] == messages[0]
    assert told[1].content.startswith("plan it\n\n")
    assert json.dumps(BODY) in told[1].content
    again = ask_again(messages, PLAN, "", "it is empty")
    assert [message.role for message in again] == ["system", "user", "assistant", "user"]
    assert "it is empty" in again[-1].content


def test_the_schema_is_told_to_the_user_and_not_in_the_result_of_a_tool() -> None:
    result = Message("tool", "42", tool_call_id="call_1")
    told = tell_schema(
        (Message("user", "40 + 2?"), Message("assistant", "", (ToolCall("call_1", "add", "{}"),)), result), PLAN
    )
    assert told[-1] == result
    assert json.dumps(BODY) in told[0].content
    assert [message.role for message in tell_schema((Message("system", "be brief"),), PLAN)] == ["system", "user"]


def test_nothing_is_fetched_to_check_a_reply() -> None:
    with pytest.raises(StructureError, match="cannot be followed"):
        read_json('{"a": 1}', Schema("s", {"properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}}))


def test_only_the_nonce_proves_a_constraint() -> None:
    schema = probe_schema("0f1e2d")
    request = probe_request(schema, 2)
    assert (request.role, request.n) == (Role.PROBE, 2)
    assert "0f1e2d" not in request.messages[0].content
    assert is_proof(Dialect.RESPONSE_FORMAT, '{"word": "0f1e2d"}', schema)
    assert not is_proof(Dialect.RESPONSE_FORMAT, '{"word": "turtle"}', schema)
    assert not is_proof(Dialect.RESPONSE_FORMAT, "0f1e2d", schema)
    assert is_proof(Dialect.JSON_OBJECT, '{"word": "turtle"}', schema)
    assert not is_proof(Dialect.JSON_OBJECT, "```json\n{}\n```", schema)


def test_what_counts_as_an_object() -> None:
    assert is_object('{"a": 1}')
    assert not is_object("[]")
    assert not is_object("{")
    assert not is_object("[" * 100_000)
