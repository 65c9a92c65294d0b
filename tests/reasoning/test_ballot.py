"""What candidates vote for: calls and JSON by their values, prose by its words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.nouns import Candidate, FinishReason, Message, ToolCall
from abruzzi.reasoning.ballot import Ballot, cast_ballot, write_calls, write_json
from abruzzi.reasoning.conversation import Conversation

CHAT = Conversation((Message("user", "Hello?"),))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def candidate(answer: str | None, *calls: ToolCall, finish: FinishReason = FinishReason.STOP) -> Candidate:
    return Candidate(0, answer or "", "", answer, finish, None, 1.0, tool_calls=calls)


def call(name: str, arguments: str, call_id: str = "x") -> ToolCall:
    return ToolCall(call_id, name, arguments)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"a": 1, "b": [1, 2]}', ' {"b":[1,2],\n"a":1}'),
        ('{"a": 2.0}', '{"a": 2}'),
        ('{"a": 1e2}', '{"a": 100}'),
        ('{"a": "é"}', '{"a": "\\u00e9"}'),
    ],
)
def test_equal_values_are_equal_texts(first: str, second: str) -> None:
    assert write_json(first) == write_json(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": [1, 2]}', '{"a": [2, 1]}'),
        ('{"a": null}', "{}"),
        ('{"a": "x y"}', '{"a": "x  y"}'),
    ],
)
def test_different_values_are_different_texts(first: str, second: str) -> None:
    assert write_json(first) != write_json(second)


@given(JSON)
def test_the_way_of_writing_a_value_does_not_matter(value: Any) -> None:
    assert write_json(json.dumps(value, indent=1)) == write_json(json.dumps(value, ensure_ascii=False))


def test_what_is_not_json_stays() -> None:
    assert write_json(" {not json ") == "{not json"
    assert write_json("[" * 100_000) == "[" * 100_000


def test_parallel_calls_are_equal_in_any_order_and_under_any_id() -> None:
    first = [call("add", '{"a": 1, "b": 2}', "1"), call("now", "{}", "2")]
    second = [call("now", " { } ", "8"), call("add", '{"b": 2, "a": 1}', "9")]
    assert write_calls(first) == write_calls(second)
    assert write_calls(first) != write_calls(first[:1])
    assert write_calls([first[1]]) != write_calls([first[1]] * 2)
    assert write_calls([call("add", "{}")]) != write_calls([call("sub", "{}")])


def test_what_each_kind_votes_for() -> None:
    typed = Conversation(CHAT.messages, json_object=True)
    calling = candidate("beside it", call("now", "{}"), finish=FinishReason.TOOL_CALLS)
    assert cast_ballot(candidate("42"), None) == cast_ballot(candidate("42"), CHAT) == Ballot("42")
    assert cast_ballot(candidate("a\nb  c"), None) == Ballot("a\nb  c")
    assert cast_ballot(candidate("a\nb  c"), CHAT) == Ballot("a b c", is_exact=True)
    assert cast_ballot(candidate("{ }"), typed) == Ballot("{}", is_exact=True)
    assert cast_ballot(calling, typed) == Ballot("now {}", is_exact=True)
    assert cast_ballot(candidate(None), CHAT) is None
    assert cast_ballot(candidate("42", finish=FinishReason.LENGTH), CHAT) is None
