"""LiveCodeBench v5, code generation: contest problems of a window of dates (arXiv 2403.07974).

Programs are judged by what they write, methods of a given class by what they return, both on the public examples and
the hidden tests. Hidden tests are published as base64 of a compressed pickle of JSON text; only text is unpickled, so
that a forged file can run nothing.

QwenLM's copy of the window (``{id, question, tests, meta}``), which holds the public examples alone, is read too.
"""

import ast
import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, cast

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.asking import ask_function, ask_program
from abruzzi.evaluation.benchmarks.benchmark import WITHOUT_STOP, file_benchmark

FIRST_DAY, LAST_DAY = date(2024, 8, 1), date(2025, 2, 1)
_PRELUDE = "\n".join(
    f"from {name} import *"
    for name in ("typing", "collections", "itertools", "functools", "math", "heapq", "bisect", "string", "operator")
)
"""What the contest's own site has imported before a method is submitted."""
_TESTS = """
import json


def plain(value):
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


for arguments, expected in json.loads({cases!r}):
    assert plain(Solution().{method}(*arguments)) == expected
"""


def _read_item(record: Record) -> Item | None:
    meta = record.table("meta") if record.has("meta") else record
    if not FIRST_DAY <= _read_day(meta.text("contest_date"), record) <= LAST_DAY:
        return None
    tests = record.table("tests") if record.has("tests") else record
    start = str(tests.columns.get("starter_code") or "")
    cases = _read_cases(record, tests)
    key = str(record.columns.get("id") or f"lcb_v5/{record.text('question_id')}")
    statement = record.text("question_content", "question")
    if not start.strip():
        truth: Mapping[str, Any] = {"inputs": [read for read, _ in cases], "outputs": [write for _, write in cases]}
        return Item(key, ask_program(statement), json.dumps(truth), "codegen__livecodebench")
    method = _read_method(record, start)
    source = _TESTS.format(cases=json.dumps([_read_call(case, record) for case in cases]), method=method)
    return Item(
        id=key,
        question=ask_function(statement, start),
        ground_truth=json.dumps({"functional": source}),
        data_source="codegen__livecodebench",
        extra={"function_name": "Solution", "prefix": _PRELUDE},
    )


def _read_day(text: str, record: Record) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise DataError(f"{record.place}: the contest date is none: {text!r}") from error


def _read_cases(record: Record, tests: Record) -> list[tuple[str, str]]:
    """Read all tests as pairs of input and output, both text."""
    if tests is record:
        found = [*unpack_cases(record, "public_test_cases"), *unpack_cases(record, "private_test_cases")]
    else:
        found = cast("list[Mapping[str, Any]]", tests.get("cases", "examples"))
    if not found:
        raise DataError(f"{record.place} has no tests")
    return [(str(case["input"]), str(case["output"])) for case in found]


def unpack_cases(record: Record, name: str) -> list[Mapping[str, Any]]:
    """Read one of the two columns of tests: JSON text, or base64 of a compressed pickle of JSON text.

    Raises:
        DataError: it is neither, or the pickle holds anything but text.
    """
    text = record.columns.get(name)
    if text is None or text == "":
        return []
    try:
        if not isinstance(text, str):
            raise TypeError("it is no text")
        if not text.lstrip().startswith("["):
            text = _TextUnpickler(io.BytesIO(zlib.decompress(base64.b64decode(text)))).load()
        return cast("list[Mapping[str, Any]]", json.loads(text))
    except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, TypeError, ValueError) as error:
        raise DataError(f"{record.place}: {name} cannot be unpacked: {error}") from error


class _TextUnpickler(pickle.Unpickler):
    """Reads a pickle of plain text and refuses every other thing."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Refuse whatever the pickle would import."""
        raise pickle.UnpicklingError(f"it would import {module_name}.{global_name}")


def _read_method(record: Record, start: str) -> str:
    """Find the name of the method to be called: in the metadata, else the first of the beginning that is given."""
    if record.has("metadata"):
        return record.table("metadata").text("func_name")
    try:
        tree = ast.parse(f"{start.rstrip()}\n        pass\n")
    except SyntaxError as error:
        raise DataError(f"{record.place}: the starter code does not parse: {start!r}") from error
    methods = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    if not methods:
        raise DataError(f"{record.place}: the starter code has no method: {start!r}")
    return methods[0]


def _read_call(case: tuple[str, str], record: Record) -> tuple[Sequence[Any], Any]:
    """Read a call's arguments and its result: JSON an argument a line, or ``name = JSON, …`` in one line."""
    given, expected = case
    try:
        return _read_arguments(given), json.loads(expected)
    except ValueError as error:
        raise DataError(f"{record.place}: a test cannot be read: {given[:80]!r} -> {expected[:80]!r}") from error


def _read_arguments(given: str) -> list[Any]:
    try:
        return [json.loads(line) for line in given.split("\n") if line.strip()]
    except ValueError:
        pass
    named, decoder, values = given.strip(), json.JSONDecoder(), list[Any]()
    while named:
        _, equals, rest = named.partition("=")
        if not equals:
            raise ValueError(f"no name before {named[:40]!r}")
        rest = rest.lstrip()
        value, end = decoder.raw_decode(rest)
        values.append(value)
        named = rest[end:].lstrip().removeprefix(",").lstrip()
    return values


LIVECODEBENCH_V5 = file_benchmark(
    DataFiles(
        "livecodebench/code_generation_lite",
        ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl"),
        revision="0fe84c3912ea0c4d4a78037083943e8f0c4dd505",
    ),
    _read_item,
    name="livecodebench-v5",
    title="LiveCodeBench v5",
    licence="CC BY 4.0; problems (c) their contests",
    num_items=279,
    scorer="code: all tests pass, in the sandbox",
    sampling=WITHOUT_STOP,
    notes=(
        f"Contests from {FIRST_DAY} to {LAST_DAY}, the window that Qwen and Guru use; K2-Think took problems from July "
        "2024 on, in a number that is not published.",
        "A copy that holds the public examples alone is a much weaker test.",
    ),
)
