"""The three things that a confined process may be: a program, a solution that answers calls, or the tests that call it.

A program reads standard input and is judged from outside by what it writes. Solution and tests are two processes in
two sandboxes with one socket between them (``peer``), so that neither can be reached from the other.
"""

import ast
import atexit
import builtins
import contextlib
import gc
import io
import json
import os
import symtable
import sys
import threading
import traceback
import types
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from abruzzi.verifiers.sandbox.inside.peer import OPERATIONS, LineError, Peer

_TESTS_NAME = "<tests>"
_MAX_REASON = 300
_PYTEST_COLLECTION_FAILED = 2


def open_standard_streams() -> None:
    """Make ``sys.stdin`` and its like anew for descriptors 0, 1 and 2, which have just been replaced."""
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _new_module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__["__builtins__"] = builtins
    sys.modules[name] = module
    return module


def _run(source: str, name: str, namespace: dict[str, Any]) -> None:
    exec(compile(source, name, "exec"), namespace)  # noqa: S102 - running it is what this process is for


def _write_files(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    if files:
        sys.path.insert(0, str(Path.cwd()))


def run_program(job: Mapping[str, Any]) -> None:
    """Run source as ``python FILE`` would, and end with its exit status.

    The interpreter's own way out is not taken: it visits every object of a memory shared with the spawner, which takes
    longer than most solutions do. What a program can tell of it is done by hand.

    Args:
        job: ``source``, and ``files`` to be put beside it.
    """
    _write_files(job["files"])
    sys.argv = ["solution.py"]
    status = 0
    try:
        _run(job["source"], "solution.py", _new_module("__main__").__dict__)
    except SystemExit as error:
        status = _exit_status(error.code)
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage] - there is no public way
    os._exit(status if _flush_files() else status or 120)


def _flush_files() -> bool:
    """Write out every open file, as its end would have done; False where standard output cannot be written."""
    streams = [value for value in gc.get_objects() if issubclass(type(value), io.IOBase)]
    could_write = True
    for stream in [*streams, sys.stdout]:
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:  # noqa: BLE001 - a program's own stream raises what it likes
            could_write = could_write and stream is not sys.stdout
    return could_write


def _exit_status(code: object) -> int:
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def serve_solution(job: Mapping[str, Any], line: int) -> None:
    """Load a solution when asked to, then answer calls until the tests hang up.

    Args:
        job: ``prefix`` and ``source``, run one after the other in one module named ``solution``.
        line: descriptor of the socket to the tests.
    """
    namespace = _new_module("solution").__dict__

    def load(class_names: list[str]) -> list[str]:
        _run(job["prefix"], "prefix.py", namespace)
        given = dict(namespace)
        _run(job["source"], "solution.py", namespace)
        peer.classes.update({name: namespace[name] for name in class_names if isinstance(namespace.get(name), type)})
        return [name for name, value in namespace.items() if given.get(name, given) is not value]

    peer = Peer(line, {**OPERATIONS, "load": load, "name": namespace.__getitem__}, {})
    with contextlib.suppress(LineError):
        while True:
            peer.answer(peer.receive())
    os._exit(0)


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _scopes(child)


def free_names(source: str) -> set[str]:
    """Find the names that a module reads from its global scope and does not bind there."""
    module = symtable.symtable(source, _TESTS_NAME, "exec")
    bound: set[str] = set()
    read: set[str] = set()
    for scope in _scopes(module):
        for symbol in scope.get_symbols():
            if scope is not module and not symbol.is_global():
                continue
            if symbol.is_referenced():
                read.add(symbol.get_name())
            if symbol.is_assigned() or symbol.is_imported():
                bound.add(symbol.get_name())
    return read - bound


def _handed_over(source: str) -> set[str]:
    """Find what the tests pass to a function of their own, as in ``check(add)`` or ``check(Solution().add)``."""
    tree = ast.parse(source)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    names: set[str] = set()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in own:
            for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
                root = argument.value if isinstance(argument, ast.Attribute) else argument
                root = root.func if isinstance(root, ast.Call) and root is not argument else root
                if isinstance(root, ast.Name):
                    names.add(root.id)
    return names


def names_of_solution(
    source: str, entry_names: Iterable[str], namespace: Mapping[str, Any], offered: Iterable[str]
) -> set[str]:
    """Decide which names of the tests mean the solution's; every other one means the tests' own or Python's.

    A solution must not be able to replace what the tests judge with, such as ``abs`` or ``math``. So it gives what the
    row calls its entry points (or else what the tests hand to their own functions), and the names that nothing but it
    can give. Where that leaves none, it may give one name that Python has too (tests of a function called ``sum``),
    provided that there is just one candidate.

    Args:
        source: the tests.
        entry_names: what the row says is under test; may be empty.
        namespace: what the tests' process holds already.
        offered: names that the solution defines.
    """
    free = free_names(source)
    entries = free & set(entry_names) or free & _handed_over(source)
    names = entries | (free - namespace.keys() - vars(builtins).keys() - sys.stdlib_module_names)
    shadowing = {name for name in free & set(offered) if not name.startswith("__")}
    return names or (shadowing if len(shadowing) == 1 else set())


class _SolutionModule(types.ModuleType):
    """What ``from solution import …`` finds in the tests' process."""

    def __init__(self, peer: Peer, offered: list[str]) -> None:
        super().__init__("solution")
        self.__dict__["_peer"] = peer
        self.__dict__["__all__"] = [name for name in offered if not name.startswith("_")]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self.__dict__["_peer"].request("name", name)
        except KeyError:
            raise AttributeError(name) from None


def run_tests(job: Mapping[str, Any], line: int, report: int) -> None:
    """Run tests against a solution in another process, and report what came of it.

    Args:
        job: ``prefix``, ``tests``, ``entry_names``, ``runner`` ("script" or "pytest") and the ``nonce`` of the report.
        line: descriptor of the socket to the solution.
        report: descriptor that takes the report: JSON with ``nonce``, ``passed``, ``is_fault``, ``reason``.
    """
    peer = Peer(line, {"call": OPERATIONS["call"]}, {})
    is_fault = False
    try:
        reason = _test(job, peer)
    except LineError as error:
        reason = f"the solution's process broke off: {error}"
    except BaseException as error:  # noqa: BLE001 - tests fail by raising, and what they raise is the report
        reason = _describe_failure(error, job["tests"])
        is_fault = isinstance(error, SyntaxError | ImportError) and not peer.num_requests
    if not reason and peer.is_broken:
        reason = "the solution's process broke off"
    if not reason and not peer.num_requests:
        reason, is_fault = "the tests never use the solution", True
    message = {"nonce": job["nonce"], "passed": not reason, "is_fault": is_fault, "reason": reason[:_MAX_REASON]}
    os.write(report, json.dumps(message).encode())
    os._exit(0)


def _test(job: Mapping[str, Any], peer: Peer) -> str:
    """Run the tests; raises where they fail, returns a reason where they cannot be run, else an empty text."""
    namespace = _new_module("__main__").__dict__
    _run(job["prefix"], "prefix.py", namespace)
    peer.classes.update(
        {name: kind for name, kind in namespace.items() if isinstance(kind, type) and kind.__module__ == "__main__"}
    )
    try:
        offered = peer.request("load", list(peer.classes))
    except Exception as error:  # noqa: BLE001 - whatever the solution raised while loading
        return f"the code does not load: {type(error).__name__}: {error}"
    sys.modules["solution"] = _SolutionModule(peer, offered)
    tests: str = job["tests"]
    if job["runner"] == "pytest":
        Path("test_solution.py").write_text(tests, encoding="utf-8")
        code = run_pytest("test_solution.py")
        if code > _PYTEST_COLLECTION_FAILED:
            raise ImportError(f"pytest found no tests that it can run (exit code {code})")
        return "" if code == 0 else "pytest found failures"
    names = names_of_solution(tests, set(job["entry_names"]) - peer.classes.keys(), namespace, offered)
    for name in names.intersection(offered):
        namespace[name] = peer.request("name", name)
    for name in (free_names(tests) - namespace.keys()) & sys.stdlib_module_names:
        namespace[name] = import_module(name)
    try:
        _run(tests, _TESTS_NAME, namespace)
    except SystemExit as error:
        return "" if not error.code else f"the tests ended with {error.code!r}"
    return ""


def run_pytest(path: str) -> int:
    """Run a file of tests with pytest, or, where the sandbox has none, its plain test functions one by one.

    Returns:
        pytest's exit code.

    Raises:
        Exception: what the first failing test raised, without pytest.
    """
    sys.path.insert(0, str(Path.cwd()))
    try:
        import pytest  # heavy, and for this kind of tests only
    except ImportError:
        module = import_module(Path(path).stem)
        functions = [value for name, value in vars(module).items() if name.startswith("test") and callable(value)]
        for function in functions:
            function()
        return 0 if functions else 5
    return int(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir=.", path]))


def _describe_failure(error: BaseException, tests: str) -> str:
    lines = tests.splitlines()
    numbers = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _TESTS_NAME]
    where = lines[numbers[-1] - 1].strip() if numbers and numbers[-1] and numbers[-1] <= len(lines) else ""
    what = "failed" if isinstance(error, AssertionError) else f"raised {type(error).__name__}: {error}"
    return f"{what} at: {where}" if where else what
