"""Verifies programs and functions by running them against the row's tests, in the sandbox.

Ground truth is JSON with one of: ``functional`` (source of tests that call the solution), ``solution_file`` and
``pytest`` (the same, importing it from the module ``solution``), or ``inputs`` and ``outputs`` (what a program reads
and must write). All tests must pass. ``extra`` may hold ``prefix`` (source that tests and solution both need),
``function_name`` and ``reference`` (a solution).

The code is the last Python block of the reply after its thoughts, with those before it that define what it lacks
(``source``). A reply without a fenced block has no code.

Output is right when each line has the same words. Two integers are compared digit by digit; other numbers may differ
by 1e-6 or by a relative 1e-9; yes and no are compared without case; trailing blanks and the number of blanks between
words do not matter. The program must also end with status 0. An empty input is an empty standard input.

A solution that exceeds a limit of its test is wrong, and the verdict says which limit. ``timeout`` is for a
verification that is cut off as a whole. Why a solution cannot pass without solving is told in ``sandbox``.
"""

import ast
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from abruzzi.errors import DataError, SandboxError
from abruzzi.nouns import Outcome, Verdict
from abruzzi.verifiers.extract import split_thinking
from abruzzi.verifiers.fences import python_blocks
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.sandbox import Limits, lend, run_program, run_tests
from abruzzi.verifiers.source import assemble, definitions, does_parse, imports, reads
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

PROGRAM_LIMITS = Limits()
"""For each test of a program."""
SUITE_LIMITS = Limits(cpu_s=20, wall_s=60.0)
"""For all tests of a function together."""
MAX_SECONDS = 270.0
"""For a verification as a whole; below the limit at which the pool would kill it."""
ABSOLUTE_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-9

_INTEGER = re.compile(r"[-+]?\d+")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_YES_NO = frozenset({"yes", "no"})
_MIN_OUTPUT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Functional:
    source: str
    runner: str
    prefix: str
    entry_names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _InputsOutputs:
    pairs: tuple[tuple[str, str], ...]


def verify_code(
    row: Row, *, program: Limits = PROGRAM_LIMITS, suite: Limits = SUITE_LIMITS, max_seconds: float = MAX_SECONDS
) -> Verdict:
    """Run the reply's code against the row's tests.

    Args:
        row: the reply and its tests.
        program: what a program may use in each of its tests.
        suite: what all tests of a function may use together.
        max_seconds: when to cut off the tests of a program as a whole.
    """
    try:
        tests = _read_tests(row)
    except DataError as error:
        return broken(str(error))
    reply = split_thinking(row.response)
    if not reply.is_closed:
        return unparsed("the reply breaks off inside its thoughts")
    blocks = python_blocks(reply.text)
    if not blocks:
        return unparsed("the reply holds no fenced block of Python")
    try:
        if isinstance(tests, _InputsOutputs):
            return _judge_program(assemble(blocks), tests, program, max_seconds)
        return _judge_functions(assemble(blocks, _used(tests)), tests, suite)
    except SandboxError as error:
        return broken(str(error))


def gold_reply_code(row: Row) -> str:
    """Write the row's reference solution in a fence.

    Raises:
        DataError: the row has none.
    """
    reference = row.extra.get("reference")
    if not isinstance(reference, str) or not reference.strip():
        raise DataError(f"row {row.id!r} holds no reference solution")
    blocks = python_blocks(str(row.extra.get("original_prompt", "")))
    if not does_parse(reference) and blocks:  # HumanEval gives the body of the function that its prompt begins
        reference = f"{blocks[-1]}\n{reference}"
    fence = "````" if "```" in reference else "```"
    return f"{fence}python\n{reference}\n{fence}"


def _read_tests(row: Row) -> _Functional | _InputsOutputs:
    truth = row.ground_truth
    if isinstance(truth, str):
        try:
            truth = json.loads(truth)
        except ValueError as error:
            raise DataError(f"the ground truth is no JSON: {error}") from error
    if not isinstance(truth, Mapping):
        raise DataError(f"the ground truth is no JSON object: {shown(truth)}")
    tests = cast("Mapping[str, Any]", truth)
    for kind in ("functional", "solution_file", "pytest"):
        if kind in tests:
            return _read_functional(kind, tests[kind], row.extra)
    return _read_pairs(tests.get("inputs"), tests.get("outputs"))


def _read_functional(kind: str, tests: object, extra: Mapping[str, Any]) -> _Functional:
    if not isinstance(tests, str) or not tests.strip() or not does_parse(tests):
        raise DataError(f"the {kind} tests are no Python source: {shown(tests)}")
    names = {str(extra.get("function_name") or "")} | definitions(str(extra.get("reference") or ""))
    prefix = str(extra.get("prefix") or "") if kind == "functional" else ""
    prefix += "\n" + _imports(tests)
    runner = "pytest" if kind == "pytest" else "script"
    return _Functional(tests, runner, prefix, frozenset(names - {""}))


def _read_pairs(inputs: object, outputs: object) -> _InputsOutputs:
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        raise DataError("the ground truth has no tests: functional, solution_file, pytest, or inputs and outputs")
    read, written = (list(map(_text, side)) for side in cast("tuple[list[object], list[object]]", (inputs, outputs)))
    if not read or len(read) != len(written):
        raise DataError(f"the row has {len(read)} inputs and {len(written)} outputs")
    return _InputsOutputs(tuple(zip(read, written, strict=True)))


def _text(item: object) -> str:
    if isinstance(item, list):
        return "\n".join(map(str, cast("list[object]", item)))
    if not isinstance(item, str):
        raise DataError(f"a test's input and output must be text, got {shown(item)}")
    return item


def _imports(tests: str) -> str:
    """Copy what the tests import at their top: in the one file that the authors run, the solution has it too."""
    lines = [ast.unparse(node) for node in imports(tests)]
    return "\n".join(line for line in lines if "solution" not in line.split() and "__future__" not in line.split())


def _used(tests: _Functional) -> frozenset[str]:
    """Find the names that the tests expect of the solution, as far as that can be told from the row."""
    froms = [node for node in imports(tests.source) if isinstance(node, ast.ImportFrom) and node.module == "solution"]
    return tests.entry_names | reads(tests.source) | {alias.name for node in froms for alias in node.names}


def _judge_functions(code: str, tests: _Functional, limits: Limits) -> Verdict:
    with lend("solutions") as solutions, lend("tests") as testers:
        trial = run_tests(
            solutions,
            testers,
            source=code,
            tests=tests.source,
            prefix=tests.prefix,
            entry_names=tests.entry_names,
            runner=tests.runner,
            limits=limits,
        )
    if trial.passed:
        return correct(code, "all tests pass")
    return broken(f"the row's tests: {trial.reason}", code) if trial.is_fault else wrong(code, trial.reason)


def _judge_program(code: str, tests: _InputsOutputs, limits: Limits, max_seconds: float) -> Verdict:
    deadline = time.monotonic() + max_seconds
    with lend("solutions") as sandbox:
        for number, (stdin, expected) in enumerate(tests.pairs, start=1):
            name = f"test {number} of {len(tests.pairs)}"
            enough = replace(limits, output_bytes=_MIN_OUTPUT_BYTES + 4 * len(expected))
            data = stdin.encode("utf-8", "surrogatepass")
            run = run_program(sandbox, code, stdin=data, limits=enough, deadline=deadline)
            if run.stopped and time.monotonic() >= deadline:
                return Verdict(Outcome.TIMEOUT, 0.0, code, f"not done within {max_seconds:g} s, at {name}")
            if not run.is_success:
                return wrong(code, f"{name}: {run.failure}")
            if difference := compare_outputs(run.output.decode("utf-8", "replace"), expected):
                return wrong(code, f"{name}: {difference}")
    return correct(code, f"all {len(tests.pairs)} tests pass")


def compare_outputs(actual: str, expected: str) -> str:
    """Compare what a program wrote with what it should have written.

    Returns:
        The first difference, in a few words; empty when there is none.
    """
    actual_lines, expected_lines = _lines(actual), _lines(expected)
    for number, (ours, theirs) in enumerate(zip(actual_lines, expected_lines, strict=False), start=1):
        if ours == theirs:
            continue
        words, needed = ours.split(), theirs.split()
        if len(words) != len(needed) or not all(map(_is_same_word, words, needed)):
            return f"line {number} is {shown(ours)}, not {shown(theirs)}"
    if len(actual_lines) != len(expected_lines):
        return f"{len(actual_lines)} lines, not {len(expected_lines)}"
    return ""


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").strip().split("\n")


def _is_same_word(actual: str, expected: str) -> bool:
    if actual == expected:
        return True
    if _INTEGER.fullmatch(actual) and _INTEGER.fullmatch(expected):
        return _plain_integer(actual) == _plain_integer(expected)
    if _NUMBER.fullmatch(actual) and _NUMBER.fullmatch(expected):
        wanted = float(expected)
        tolerance = max(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * abs(wanted))
        return math.isfinite(wanted) and abs(float(actual) - wanted) <= tolerance
    return actual.lower() == expected.lower() and expected.lower() in _YES_NO


def _plain_integer(text: str) -> str:
    """Write an integer of any length in one way, without computing it."""
    digits = text.lstrip("+-").lstrip("0") or "0"
    return f"-{digits}" if text.startswith("-") and digits != "0" else digits
