"""The public code reward: all tests in one program with the reply, right when it ends with status 0.

Kept as it is there: every block of the reply is joined; the prefix comes twice; ``sys.exit(0)`` before the tests passes
them; an empty input gives no input at all; a number counts when it differs by at most 1e-6, integers of any length
included, as they are read as floats; the first failing test ends it. What is not kept: the public code runs on the bare
machine, here all of it runs in the sandbox, which has neither network nor other processes. A program that ignores the
request to end after 30 s is killed here and hangs there.
"""

import json
import re
from collections.abc import Mapping

from abruzzi.errors import VerifierError
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.sandbox import Limits, Run, lend, run_program

_BLOCK = re.compile(r"```(?:\w+)?\n(.*?)\n```", re.DOTALL)
_LIMITS = Limits(cpu_s=60, wall_s=30.0, memory_bytes=10 << 30, output_bytes=64 << 20)
_TOLERANCE = 1e-6
_MAX_ARGUMENT_CHARS = 3072
"""Longer code goes through a file there, shorter code through an argument, which cannot hold a null."""
_RUN_PYTEST = (
    "import sys\nfrom abruzzi.verifiers.sandbox.inside.cells import run_pytest\n"
    "sys.exit(run_pytest('test_solution.py'))"
)


def score_code(row: Row) -> float:
    """Score a reply as the public function does.

    Raises:
        ValueError: the ground truth is no JSON, holds no known kind of test, or no tests at all.
        TypeError: the ground truth or the prefix has another type than the public code expects.
        UnicodeDecodeError: a program's output is not UTF-8.
        SandboxError: there is no sandbox on this machine.
    """
    _, tag, tail = row.response.partition("</think>")
    code = "\n".join(_BLOCK.findall(tail.strip() if tag else row.response)).strip()
    if not code:
        return 0.0
    truth = json.loads(row.ground_truth)
    if "functional" in truth:
        prefix = row.extra.get("prefix")
        program = code if prefix is None else prefix + "\n" + prefix + "\n" + code
        return float(_runs(program + "\n" + truth["functional"]))
    if "solution_file" in truth:
        return float(_passes_file(code, truth["solution_file"], truth["solution_file"]))
    if "pytest" in truth:
        return float(_passes_file(code, truth["pytest"], _RUN_PYTEST))
    if "inputs" in truth and "outputs" in truth:
        return float(_passes_pairs(code, truth["inputs"], truth["outputs"]))
    raise ValueError(f"no known kind of tests in the ground truth: {truth!r}")


def _run(source: str, *, stdin: str = "", files: Mapping[str, str] | None = None) -> Run:
    with lend("published") as sandbox:
        run = run_program(sandbox, source, stdin=stdin.encode(), files=files or {}, limits=_LIMITS)
    run.output.decode()
    return run


def _runs(code: str, stdin: str = "") -> bool:
    _check_argument(code)
    return _run(code, stdin=stdin).is_success


def _check_argument(code: str) -> None:
    if len(code) < _MAX_ARGUMENT_CHARS and "\0" in code:
        raise ValueError("embedded null byte")


def _passes_file(code: str, tests: str, program: str) -> bool:
    """Run tests beside the code; where they are empty the public code runs the code alone."""
    if not tests:
        return _runs(code)
    return _run(program, files={"solution.py": code, "test_solution.py": tests}).is_success


def _passes_pairs(code: str, inputs: list[str], outputs: list[str]) -> bool:
    if not inputs:
        raise ValueError("max_workers must be greater than 0")
    if not outputs:
        raise VerifierError("the public code reads a result that it never made")
    for stdin, expected in zip(inputs, outputs, strict=False):
        _check_argument(code)
        run = _run(code, stdin=stdin)
        if not run.is_success or not _is_fuzzily_equal(run.output.decode().strip(), expected.strip()):
            return False
    return True


def _is_fuzzily_equal(actual: str, expected: str) -> bool:
    actual_lines = actual.strip().replace("\r\n", "\n").split("\n")
    expected_lines = expected.strip().replace("\r\n", "\n").split("\n")
    if len(actual_lines) != len(expected_lines):
        return False
    for ours, theirs in zip(actual_lines, expected_lines, strict=True):
        words, needed = ours.split(), theirs.split()
        if ours != theirs and (len(words) != len(needed) or not all(map(_is_same_word, words, needed))):
            return False
    return True


def _is_same_word(actual: str, expected: str) -> bool:
    if actual == expected:
        return True
    if actual.lower() in ("yes", "no") and expected.lower() in ("yes", "no"):
        return actual.lower() == expected.lower()
    try:
        return abs(float(actual) - float(expected)) <= _TOLERANCE
    except ValueError:
        return False
