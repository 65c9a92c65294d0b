"""Verifies zebra puzzles: a table of who is what, scored by the share of right cells.

Ground truth: ``{"header": [...], "rows": [[...], ...]}``. Columns are matched by the names in the reply's header (by
place where it has none, or other names), rows by the first column where that tells them apart (by place elsewhere).
Cells are compared without regard to case, spacing or whether a number is quoted.

Partial credit is for a table of the right shape only: as many rows and columns as the solution. So no padding earns
anything, and ``correct`` is a score of exactly 1.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from abruzzi.nouns import Verdict
from abruzzi.verifiers.literals import LiteralError, find_literals, read_literal
from abruzzi.verifiers.logic.tagged import NoAnswerError, normal_word, tagged_answer
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong


@dataclass(frozen=True, slots=True)
class Table:
    """A table of normalised cells."""

    header: tuple[str, ...]
    """Empty when the table names no columns."""
    rows: tuple[tuple[str, ...], ...]


def verify_zebra(row: Row) -> Verdict:
    """Verify the table in the reply, cell by cell."""
    truth = _read_table(row.ground_truth)
    if truth is None or not truth.header or not truth.rows or not _is_rectangular(truth.rows, len(truth.header)):
        return broken(f"the ground truth is no table with a header: {shown(row.ground_truth)}")
    try:
        answer = tagged_answer(row.response)
        table = _read_table(_last_object(answer))
    except NoAnswerError as problem:
        return unparsed(str(problem))
    if table is None:
        return unparsed("the answer is no object with a list of rows", shown(answer))
    width = len(truth.header)
    if len(table.rows) != len(truth.rows):
        return wrong(shown(answer), f"{len(table.rows)} rows where {len(truth.rows)} are asked for")
    if not _is_rectangular(table.rows, width) or len(table.header) not in {0, width}:
        return wrong(shown(answer), f"not every row has {width} cells")
    cells = [cell for line in _align_rows(_align_columns(table, truth.header), truth.rows) for cell in line]
    expected = [cell for line in truth.rows for cell in line]
    num_right = sum(cell == wanted for cell, wanted in zip(cells, expected, strict=True))
    if num_right == len(expected):
        return correct(shown(answer), f"all {num_right} cells are right")
    return wrong(shown(answer), f"{num_right} of {len(expected)} cells are right", score=num_right / len(expected))


def gold_reply_zebra(row: Row) -> str:
    """Write the solution's table inside answer tags."""
    truth = read_literal(row.ground_truth) if isinstance(row.ground_truth, str) else row.ground_truth
    return f"<answer> {json.dumps(truth, ensure_ascii=False)} </answer>"


def _last_object(answer: str) -> Any:
    objects = [value for value, _ in find_literals(answer, "{")]
    if not objects:
        raise NoAnswerError("the answer holds no table in JSON or Python notation")
    if any(value != objects[-1] for value in objects):
        raise NoAnswerError("the answer holds more than one table")
    return objects[-1]


def _read_table(value: Any) -> Table | None:
    if isinstance(value, str):
        try:
            value = read_literal(value)
        except LiteralError:
            return None
    if not isinstance(value, Mapping):
        return None
    parts = {normal_word(key): part for key, part in cast("Mapping[object, Any]", value).items()}
    header, rows = parts.get("header", ()), parts.get("rows")
    if not _is_list(header) or not _is_list(rows):
        return None
    lines = [line for line in rows if _is_list(line)]
    if len(lines) < len(rows):
        return None
    return Table(tuple(map(normal_word, header)), tuple(tuple(map(normal_word, line)) for line in lines))


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_rectangular(rows: tuple[tuple[str, ...], ...], width: int) -> bool:
    return all(len(line) == width for line in rows)


def _align_columns(table: Table, header: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    if table.header == header or sorted(table.header) != sorted(header) or len(set(header)) < len(header):
        return table.rows
    order = [table.header.index(name) for name in header]
    return tuple(tuple(line[i] for i in order) for line in table.rows)


def _align_rows(
    rows: tuple[tuple[str, ...], ...], expected: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, ...], ...]:
    keys = [line[0] for line in expected]
    by_key = {line[0]: line for line in rows}
    if len(set(keys)) < len(keys) or set(by_key) != set(keys):
        return rows
    return tuple(by_key[key] for key in keys)
