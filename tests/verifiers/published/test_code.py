"""What the public code reward gives, bugs included; the public case file is run elsewhere."""

import json
from typing import Any

import pytest

from abruzzi.errors import VerifierError
from abruzzi.verifiers.published.code import score_code
from abruzzi.verifiers.row import Row
from tests.verifiers.sandbox.walls import need_any

TESTS = {"functional": "def check(f):\n    assert f(2, 3) == 6\n\ncheck(times)"}
TIMES = "def times(a, b):\n    return a * b"


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    need_any()


def fence(code: str) -> str:
    return f"```python\n{code}\n```"


def score(response: str, truth: object, **extra: Any) -> float:
    return score_code(Row("r", "codegen__x", response, truth if isinstance(truth, str) else json.dumps(truth), extra))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (fence(TIMES), 1.0),
        (fence(TIMES.replace("*", "+")), 0.0),
        (TIMES, 0.0),
        (f"```\n{TIMES}\n```", 1.0),
        (f"```c++\n{TIMES}\n```", 0.0),
        (f"```python \n{TIMES}\n```", 0.0),
        (f"```python\n{TIMES}```", 0.0),
        (fence(TIMES) + "\n" + fence("def times(a, b): return 0"), 0.0),
        (fence("import sys; sys.exit(0)"), 1.0),
        (fence("import os; os._exit(0)"), 1.0),
        (fence("raise SystemExit"), 1.0),
        (fence("import sys; sys.exit(1)"), 0.0),
        (f"<think>{fence('raise')}</think>{fence(TIMES)}", 1.0),
        (f"{fence(TIMES)}</think>", 0.0),
        (f"a</think>b</think>{fence(TIMES)}", 1.0),
    ],
)
def test_functions(response: str, expected: float) -> None:
    assert score(response, TESTS) == expected


def test_the_prefix_comes_before_the_code() -> None:
    code = "def times(a: Number, b: Number): return a * b"
    assert score(fence(code), TESTS, prefix="from numbers import Number") == 1.0
    assert score(fence(code), TESTS) == 0.0
    assert score(fence(code), TESTS, prefix=None) == 0.0


@pytest.mark.parametrize(
    ("code", "outputs", "expected"),
    [
        ("print(int(input()) ** 2)", ["4", "9"], 1.0),
        ("print(int(input()) ** 2)", ["4", "8"], 0.0),
        ("print(float(int(input()) ** 2))\nprint()", ["4", "9"], 1.0),
        ("print(int(input()) ** 2 + 1e-7)", ["4", "9"], 1.0),
        ("print(int(input()) ** 2 + 1e-5)", ["4", "9"], 0.0),
        ("print(int(input()) ** 2)\nimport sys; sys.exit(1)", ["4", "9"], 0.0),
        ("print('YES')", ["yes", "Yes"], 1.0),
        ("print('Yes', 1)", ["yes 1.0", "YES  1"], 1.0),
        ("print('ok')", ["OK", "OK"], 0.0),
        ("print('1\\n2')", ["1 2", "1 2"], 0.0),
        ("print('1' * 30 + '1')", ["1" * 30 + "2"] * 2, 1.0),
        ("print('nan')", ["NaN"] * 2, 0.0),
        ("print('1_0')", ["10"] * 2, 1.0),
    ],
)
def test_programs(code: str, outputs: list[str], expected: float) -> None:
    assert score(fence(code), {"inputs": ["2", "3"], "outputs": outputs}) == expected


def test_programs_with_more_inputs_than_outputs_are_judged_on_the_pairs() -> None:
    assert score(fence("print(1)"), {"inputs": ["", "x"], "outputs": ["1"]}) == 1.0


@pytest.mark.parametrize(
    ("kind", "value", "expected"), [("solution_file", 6, 1.0), ("solution_file", 7, 0.0), ("pytest", 6, 1.0)]
)
def test_tests_in_a_file_of_their_own(kind: str, value: int, expected: float) -> None:
    tests = f"from solution import times\ndef test_times():\n    assert times(2, 3) == {value}\n"
    assert score(fence(TIMES), {kind: tests + ("test_times()" if kind == "solution_file" else "")}) == expected


def test_empty_tests_in_a_file_run_the_code_alone() -> None:
    assert score(fence("1 / 1"), {"pytest": ""}) == 1.0
    assert score(fence("1 / 0"), {"solution_file": ""}) == 0.0


@pytest.mark.parametrize(
    "truth",
    ["not JSON", "{}", '{"input": []}', {"inputs": [], "outputs": []}, {"inputs": ["1"], "outputs": []}],
)
def test_a_broken_row_raises_once_there_is_code(truth: object) -> None:
    assert score("no code", truth) == 0.0
    with pytest.raises((ValueError, VerifierError)):
        score(fence(TIMES), truth)


def test_a_null_in_short_code_raises_and_in_long_code_fails() -> None:
    with pytest.raises(ValueError, match="null"):
        score(fence("x = '\0'"), {"inputs": ["1"], "outputs": ["1"]})
    assert score(fence("x = '\0'" + "#" * 3072), {"inputs": ["1"], "outputs": ["1"]}) == 0.0


def test_output_that_is_no_text_raises() -> None:
    with pytest.raises(UnicodeDecodeError):
        score(fence("import sys; sys.stdout.buffer.write(b'\\xff')"), {"inputs": ["1"], "outputs": ["1"]})
