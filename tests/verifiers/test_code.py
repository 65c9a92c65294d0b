import json
from dataclasses import replace
from typing import Any

import pytest

from abruzzi.errors import DataError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.code import compare_outputs, gold_reply_code, verify_code
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.sandbox import Limits
from tests.verifiers.sandbox.walls import need_any

CHECK = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(-1, 1) == 0\n\ncheck(add)\n"
ADD = "def add(a, b):\n    return a + b"
SUM = "a, b = map(int, input().split())\nprint(a + b)"
QUICK = Limits(cpu_s=1, wall_s=5)


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    need_any()


def fence(*codes: str, tag: str = "python") -> str:
    return "\n".join(f"Then:\n```{tag}\n{code}\n```" for code in codes)


def row(response: str, truth: object, **extra: Any) -> Row:
    return Row("r", "codegen__test", response, truth if isinstance(truth, str) else json.dumps(truth), extra)


def judge(response: str, truth: object, **extra: Any) -> Verdict:
    return verify_code(row(response, truth, **extra), program=QUICK, suite=QUICK)


def outcome(response: str, truth: object = {"functional": CHECK}, **extra: Any) -> Outcome:
    return judge(response, truth, **extra).outcome


def test_a_right_function_is_correct() -> None:
    verdict = judge(fence(ADD), {"functional": CHECK})
    assert verdict == Verdict(Outcome.CORRECT, 1.0, ADD, "all tests pass")


def test_a_wrong_function_is_wrong_and_the_failing_test_is_named() -> None:
    verdict = judge(fence(ADD.replace("+", "-")), {"functional": CHECK})
    assert (verdict.outcome, verdict.score) == (Outcome.WRONG, 0.0)
    assert "assert candidate(1, 2) == 3" in verdict.reason


@pytest.mark.parametrize(
    "response",
    [
        f"```py\n{ADD}\n```",
        f"```\n{ADD}\n```",
        f"```python \n{ADD}```",
        f"```python\n{ADD}",
        f"<think>```python\nraise\n```</think>{fence(ADD)}",
        fence("def add(a, b): return 0", ADD),
        fence("def second(b): return b", "def add(a, b): return a + second(b)"),
        fence("import operator", "def add(a, b): return operator.add(a, b)"),
        fence(ADD, "print(add(1, 2))"),
        fence(ADD) + "\nIt prints:\n```\n3\n```",
        fence("import math", ADD) + "\n```bash\npython add.py\n```",
        fence(ADD + "\nif __name__ == '__main__':\n    print(add(*map(int, input().split())))"),
        fence("from __future__ import annotations\n" + ADD),
    ],
)
def test_code_is_found_however_it_is_fenced(response: str) -> None:
    assert outcome(response, prefix="import os") is Outcome.CORRECT


@pytest.mark.parametrize(
    "response",
    ["", ADD, f"```c++\n{ADD}\n```", "```python\n```", f"<think>{fence(ADD)}", f"{fence(ADD)}</think>", "`add`"],
)
def test_a_reply_without_code_is_unparsed(response: str) -> None:
    assert outcome(response) is Outcome.UNPARSED


@pytest.mark.parametrize(
    "truth",
    [
        "not JSON",
        "[]",
        "{}",
        '"functional"',
        {"functional": ""},
        {"functional": "assert ("},
        {"functional": 3},
        {"inputs": ["1"]},
        {"inputs": [], "outputs": []},
        {"inputs": ["1", "2"], "outputs": ["1"]},
        {"inputs": [1], "outputs": ["1"]},
        {"functional": "assert True"},
        {"functional": "import not_installed\nassert add(1, 2) == 3"},
    ],
)
def test_a_broken_row_is_an_error_whatever_the_reply_holds(truth: object) -> None:
    assert outcome(fence(ADD), truth) is Outcome.ERROR


def test_the_prefix_serves_both_sides() -> None:
    code = "class Solution:\n    def pair(self, a: int) -> List[int]:\n        return [a, a]"
    tests = {"functional": "assert Solution().pair(2) == List([2, 2])"}
    prefix = "from typing import List as Hint\nclass List(list):\n    __class_getitem__ = classmethod(lambda c, i: c)"
    assert outcome(fence(code), tests, prefix=prefix) is Outcome.CORRECT
    assert outcome(fence(code), tests) is Outcome.WRONG
    assert outcome(fence(code), tests, prefix=None) is Outcome.WRONG


def test_what_the_tests_import_is_there_for_the_solution_too() -> None:
    tests = {"functional": "import math\nassert root(9) == math.sqrt(9)"}
    assert outcome(fence("def root(x): return math.sqrt(x)"), tests) is Outcome.CORRECT


def test_the_row_may_name_a_method() -> None:
    tests = {"functional": "def check_add():\n    assert Solution().add(1, 2) == 3\ncheck_add()"}
    code = "class Solution:\n    def add(self, a, b): return a + b"
    assert outcome(fence(code, "print('done')"), tests, function_name="add", reference="") is Outcome.CORRECT


def test_a_function_called_as_one_of_python_is_the_solutions() -> None:
    tests = {"functional": "assert sum(10, 15) == 25\nassert max(sum(1, 2), 0) == 3"}
    code = "def sum(a, b): return a + b"
    assert outcome(fence(code), tests, function_name="sum") is Outcome.CORRECT
    assert outcome(fence(code), tests, reference=code) is Outcome.CORRECT
    assert outcome(fence(code + "\ndef max(*a): return 3"), tests, reference=code) is Outcome.CORRECT
    assert outcome(fence(code.replace("+", "-") + "\ndef max(*a): return 3"), tests, reference=code) is Outcome.WRONG


@pytest.mark.parametrize("kind", ["solution_file", "pytest"])
@pytest.mark.parametrize(("value", "expected"), [(3, Outcome.CORRECT), (4, Outcome.WRONG)])
def test_tests_in_a_file_of_their_own(kind: str, value: int, expected: Outcome) -> None:
    tests = f"from solution import add\ndef test_add():\n    assert add(1, 2) == {value}\n"
    truth = {kind: tests + ("test_add()\n" if kind == "solution_file" else "")}
    assert verify_code(row(fence(ADD), truth)).outcome is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (SUM, Outcome.CORRECT),
        (SUM + "\nprint()", Outcome.CORRECT),
        ("import sys\nprint(sum(map(float, sys.stdin.read().split())))", Outcome.CORRECT),
        ("print(3)", Outcome.WRONG),
        (SUM + "\nimport sys; sys.exit(1)", Outcome.WRONG),
        (SUM + "\n1 / 0", Outcome.WRONG),
        (SUM + "\nimport sys; sys.exit(0)", Outcome.CORRECT),
        ("import sys; sys.exit(0)", Outcome.WRONG),
        ("print(3); print(7)", Outcome.WRONG),
    ],
)
def test_a_program_is_judged_by_what_it_writes(code: str, expected: Outcome) -> None:
    assert outcome(fence(code), {"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7\n"]}) is expected


def test_a_program_of_several_attempts_is_the_last_one() -> None:
    truth = {"inputs": ["1 2"], "outputs": ["3"]}
    assert outcome(fence("print(0)", SUM), truth) is Outcome.CORRECT
    assert outcome(fence(SUM, "print(0)"), truth) is Outcome.WRONG


def test_a_program_may_come_in_pieces() -> None:
    truth = {"inputs": ["1 2"], "outputs": ["3"]}
    assert outcome(fence("def add(a, b): return a + b", "print(add(*map(int, input().split())))"), truth) == "correct"


def test_inputs_may_be_lists_of_lines_and_may_be_empty() -> None:
    assert (
        outcome(fence("print(int(input()) + int(input()))"), {"inputs": [["1", "2"]], "outputs": [["3"]]}) == "correct"
    )
    assert outcome(fence("print('hi')"), {"inputs": [""], "outputs": ["hi"]}) is Outcome.CORRECT
    assert "EOFError" in judge(fence("print(input())"), {"inputs": [""], "outputs": [""]}).reason


def test_a_solution_that_exceeds_its_limit_is_wrong_and_says_which() -> None:
    slow = judge(fence("def add(a, b):\n    while True: pass"), {"functional": CHECK})
    assert (slow.outcome, slow.reason) == (Outcome.WRONG, "the solution used more than 1 s of CPU time")
    asleep = verify_code(
        row(fence("import time; time.sleep(60)"), {"inputs": ["", ""], "outputs": ["", ""]}),
        program=replace(QUICK, wall_s=0.3),
    )
    assert asleep.outcome is Outcome.WRONG
    assert asleep.reason.startswith("test 1 of 2: ran for more than")


def test_a_verification_cut_off_as_a_whole_is_a_timeout() -> None:
    slow = row(fence("import time; time.sleep(0.2)"), {"inputs": [""] * 50, "outputs": [""] * 50})
    verdict = verify_code(slow, program=QUICK, max_seconds=0.5)
    assert verdict.outcome is Outcome.TIMEOUT
    assert "not done within 0.5 s" in verdict.reason


def test_a_large_answer_may_be_written() -> None:
    expected = "\n".join(map(str, range(300_000)))
    assert (
        outcome(fence("print('\\n'.join(map(str, range(300_000))))"), {"inputs": [""], "outputs": [expected]})
        == "correct"
    )


@pytest.mark.parametrize("strange", ["\ud800", "\0", "x = '\ud800'", "\ufeffx = 1"])
def test_strange_characters_in_the_code_are_no_crash(strange: str) -> None:
    assert outcome(fence(strange)) is Outcome.WRONG
    assert outcome(fence(strange), {"inputs": ["\ud800"], "outputs": ["\ud800"]}) is Outcome.WRONG


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        ("3\n", "3"),
        ("3\r\n4", "3\n4\n"),
        ("  1   2 ", "1 2"),
        ("3.0", "3"),
        ("3", "3.0"),
        ("3.0000001", "3"),
        ("1e3", "1000"),
        ("1234567890.123", "1234567890.1230001"),
        ("007", "7"),
        ("-0", "0"),
        ("+5", "5"),
        ("yes\nNO", "YES\nno"),
        ("nan", "nan"),
        ("", ""),
        ("é", "é"),
    ],
)
def test_outputs_that_mean_the_same(actual: str, expected: str) -> None:
    assert compare_outputs(actual, expected) == ""


@pytest.mark.parametrize(
    ("actual", "expected", "difference"),
    [
        ("3.00001", "3", "line 1 is 3.00001, not 3"),
        ("1 2", "1\n2", "line 1 is 1 2, not 1"),
        ("1\n2\n3", "1\n2", "3 lines, not 2"),
        ("1", "1\n2", "1 lines, not 2"),
        ("nan", "NaN", "line 1 is nan, not NaN"),
        ("inf", "1e999", "line 1 is inf, not 1e999"),
        ("1e999", "2e999", "line 1 is 1e999, not 2e999"),
        ("Hello", "hello", "line 1 is Hello, not hello"),
        ("yes", "no", "line 1 is yes, not no"),
        ("1_000", "1000", "line 1 is 1_000, not 1000"),
        ("0x10", "16", "line 1 is 0x10, not 16"),
        ("", "0", "line 1 is , not 0"),
    ],
)
def test_outputs_that_do_not(actual: str, expected: str, difference: str) -> None:
    assert compare_outputs(actual, expected) == difference


def test_integers_of_any_length_are_compared_to_the_last_digit() -> None:
    long = "7" * 10_000
    assert compare_outputs(long, long) == ""
    assert compare_outputs(long + "1", long + "2") != ""
    assert compare_outputs("-" + long, long) != ""
    assert compare_outputs("00" + long, "+" + long) == ""


def test_the_gold_reply_holds_the_reference_and_passes() -> None:
    gold = row("", {"functional": CHECK}, reference=ADD)
    assert outcome(gold_reply_code(gold), {"functional": CHECK}) is Outcome.CORRECT


def test_a_reference_that_is_the_body_of_the_questions_function_is_completed() -> None:
    question = 'Write it.\n\n```python\ndef add(a, b):\n    """Add."""\n```'
    gold = gold_reply_code(row("", {"functional": CHECK}, reference="    return a + b\n", original_prompt=question))
    assert outcome(gold) is Outcome.CORRECT


def test_a_reference_may_hold_a_fence() -> None:
    code = ADD + '\n"""\n```\n"""'
    assert outcome(gold_reply_code(row("", {"functional": CHECK}, reference=code))) is Outcome.CORRECT


@pytest.mark.parametrize("extra", [{}, {"reference": ""}, {"reference": None}])
def test_a_row_without_a_reference_has_no_gold_reply(extra: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="no reference"):
        gold_reply_code(row("", {"functional": CHECK}, **extra))
