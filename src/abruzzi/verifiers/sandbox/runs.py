"""The two ways to judge code: a program by what it writes, and a solution by tests that call it."""

import json
import os
import secrets
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from abruzzi.verifiers.sandbox.limits import Limits, Run
from abruzzi.verifiers.sandbox.sandbox import NO_LONGER_NEEDED, Sandbox, watch

_NO_FILES: Mapping[str, str] = MappingProxyType({})
_MAX_REPORT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Trial:
    """What the tests of a solution found."""

    passed: bool
    """All tests ran, used the solution, and none failed."""
    reason: str
    """Why not, in a few words."""
    is_fault: bool = False
    """True when the tests are at fault: they cannot be run, or never use the solution."""


def run_program(
    sandbox: Sandbox,
    source: str,
    *,
    stdin: bytes = b"",
    files: Mapping[str, str] = _NO_FILES,
    limits: Limits,
    deadline: float | None = None,
) -> Run:
    """Run a Python program to its end.

    Args:
        sandbox: where.
        source: the program.
        stdin: its standard input.
        files: text files beside it, by name; then its folder is on its import path.
        limits: what it may use.
        deadline: on the monotonic clock, if earlier than what the limits say.

    Raises:
        SandboxError: the sandbox failed.
    """
    cell = sandbox.start("program", {"source": source, "files": dict(files)}, limits=limits, stdin=stdin)
    watch([cell], cell, deadline=_deadline(limits, deadline))
    return cell.run()


def run_tests(
    solutions: Sandbox,
    testers: Sandbox,
    *,
    source: str,
    tests: str,
    prefix: str = "",
    entry_names: Iterable[str] = (),
    runner: str = "script",
    limits: Limits,
    deadline: float | None = None,
) -> Trial:
    """Run tests that call a solution; the two never share a process.

    Args:
        solutions: a sandbox that has never held tests.
        testers: another one, for the tests.
        source: the solution.
        tests: source of the tests; they fail by raising.
        prefix: trusted source that both sides run first; instances of its classes pass between them by value.
        entry_names: names in the tests that mean the solution's even where Python or the prefix has the same.
        runner: "script" runs the tests as a program, "pytest" collects and runs them.
        limits: what each side may use.
        deadline: on the monotonic clock, if earlier than what the limits say.

    Raises:
        SandboxError: a sandbox failed.
    """
    nonce = secrets.token_hex(16)
    ours, theirs = socket.socketpair()
    report, report_end = os.pipe()
    job = {"prefix": prefix, "tests": tests, "entry_names": [*entry_names], "runner": runner, "nonce": nonce}
    with ours, theirs, os.fdopen(report, "rb") as reader:
        try:
            called = solutions.start(
                "solution", {"prefix": prefix, "source": source}, limits=limits, lines=[ours.fileno()]
            )
            tester = testers.start("tests", job, limits=limits, lines=[theirs.fileno(), report_end])
        finally:
            os.close(report_end)
        ours.close()  # so that each side sees the other's end
        theirs.close()
        watch([called, tester], tester, deadline=_deadline(limits, deadline))
        said = reader.read(_MAX_REPORT_BYTES)
    message: dict[str, Any] = json.loads(said) if said else {}
    why = called.run().stopped
    blame = f"the solution {why}" if why not in ("", NO_LONGER_NEEDED) else ""
    if message.get("nonce") != nonce:
        return Trial(False, blame or f"the tests did not come to an end: {tester.run().failure}")
    if message["passed"]:
        return Trial(True, "")
    return Trial(False, blame or message["reason"], message["is_fault"])


def _deadline(limits: Limits, deadline: float | None) -> float:
    own = time.monotonic() + limits.wall_s
    return own if deadline is None else min(own, deadline)
