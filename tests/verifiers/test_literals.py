import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.verifiers.literals import MAX_DEPTH, LiteralError, find_literals, read_literal

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_is_read_as_json_reads_it(value: object) -> None:
    assert read_literal(json.dumps(value)) == value
    assert read_literal(json.dumps(value, ensure_ascii=False, indent=1)) == value


@given(st.lists(st.integers() | st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=5))
def test_python_notation_is_read_as_python_reads_it(value: list[object]) -> None:
    assert read_literal(repr(value)) == value
    assert read_literal(repr(tuple(value))) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': True, \"b\": None,}", {"a": True, "b": None}),
        ("[1, 2, ]", [1, 2]),
        ("  -1.5e3 ", -1500.0),
        ("1_000", 1000),
        (".5", 0.5),
        ("[ [1,0], [0,1] ]", [[1, 0], [0, 1]]),
        ("{1: 'x'}", {"1": "x"}),
        (r'"é\x41\'\n"', "éA'\n"),
        (r'"😀"', "😀"),
        ("-Infinity", -math.inf),
    ],
)
def test_mixed_notations(text: str, value: object) -> None:
    assert read_literal(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", "[1, 2", "[1 2]", "{'a' 1}", "{[1]: 2}", "{1, 2}", "1 + 1", "f()", "name", "[1] [2]", "'open"],
        *["1" * 5000, "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "[" * 10**6, "__import__('os')"],
    ],
)
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(LiteralError):
        read_literal(text)


def test_literals_are_found_in_prose_left_to_right_and_not_inside_each_other() -> None:
    text = "see [x], then [1, [2]] and {'a': [3]}; at last [4, [5], [6"
    assert list(find_literals(text, "[")) == [([1, [2]], "[1, [2]]"), ([3], "[3]"), ([5], "[5]")]
    assert list(find_literals(text, "{")) == [({"a": [3]}, "{'a': [3]}")]


@pytest.mark.parametrize(
    "text", ["[" * 10**6, "{" * 10**6, "['" * 10**5, "[1," * 10**5, '{"a":' * 10**5, "[x " * 10**5, '["' * 10**5]
)
def test_searching_a_bomb_finds_nothing_soon(text: str) -> None:
    started = time.perf_counter()
    assert list(find_literals(text, text[0])) == []
    assert time.perf_counter() - started < 10
