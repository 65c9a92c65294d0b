import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.nouns import Outcome
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.simulation import gold_reply_simulation, verify_simulation

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def judge(response: str, truth: str = '"output": 42') -> Outcome:
    return verify_simulation(Row("1", "simulation__codeio", response, truth)).outcome


@pytest.mark.parametrize(
    "response",
    [
        '```json\n{"output": 42}\n```',
        "<think>```json\n{\"output\": 41}\n```</think>```json\n{'output': 42,}\n```",
        '```python\nprint(41)\n```\nso ```json\n{"output": 42}\n``` as I said',
        '```json\n{"output": 41}\n``` No:\n```json\n{"output": 42}\n```',
        '```json\n"output": 42\n```',
        "```json\n42\n```",
        "```\n42.0\n```",
        '{"output": 41} then {"output": 42} done',
        '\\boxed{"output": 42}',
        '\\boxed{{"output": 42}}',
        '<answer>{"output": 42}</answer>',
        '{"input": 42}',
        "42",
        '```json\n{"output": 42}',
    ],
)
def test_the_value_is_found_where_replies_put_it(response: str) -> None:
    assert judge(response) is Outcome.CORRECT


@pytest.mark.parametrize(
    "response",
    [
        *["", "no json at all", "```json\n```", "<think>```json\n42\n```", "```json\n42 + 0\n```", "it is 42, I think"],
        *['```json\n{"output": 4' + "2" * 5000 + "}\n```", '{"a":' * 3000 + "1" + "}" * 3000],
    ],
)
def test_without_a_value_the_reply_is_unparsed(response: str) -> None:
    assert judge(response) is Outcome.UNPARSED
    assert judge(response, '"output": null') is Outcome.UNPARSED


@pytest.mark.parametrize(
    ("ours", "truth", "is_equal"),
    [
        ("42.0", "42", True),
        ("42", "42.0", True),
        ("42.0000001", "42", False),
        ("3.1415926", "3.14159265", True),
        ("3.14159", "3.1415", False),
        ('"42"', "42", False),
        ("true", "1", False),
        ('"True"', "true", True),
        ('"a "', '"a"', False),
        ('"A"', '"a"', False),
        ("[1, 2]", "[2, 1]", False),
        ('"[1, 2]"', "[1, 2]", True),
        ('{"b": 1, "a": 2}', '{"a": 2, "b": 1}', True),
        ('{"a": "true"}', '{"a": true}', True),
        ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ('{"output": 3}', '{"output": 3}', True),
        ("null", "0", False),
        ("NaN", "NaN", True),
        ('"a\\nb"', '"a\\nb"', True),
    ],
)
def test_equality_of_values(ours: str, truth: str, is_equal: bool) -> None:
    expected = Outcome.CORRECT if is_equal else Outcome.WRONG
    assert judge(f'```json\n{{"output": {ours}}}\n```', f'"output": {truth}') is expected
    assert judge(f'```json\n{{"input": {ours}}}\n```', f'"input": {truth}') is expected


@given(JSON_VALUES, st.sampled_from(["output", "input"]))
def test_the_own_value_is_correct(value: Any, key: str) -> None:
    row = Row("1", "simulation__codeio", "", f'"{key}": {json.dumps(value)}')
    assert verify_simulation(replace(row, response=gold_reply_simulation(row))).outcome is Outcome.CORRECT


def test_a_broken_truth_is_an_error() -> None:
    assert judge('{"output": 42}', '"output": {') is Outcome.ERROR
