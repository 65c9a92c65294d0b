"""Verifies ARC and BARC grids: every cell right, or nothing.

Ground truth: a rectangle of colours, 0 to 9, as a list of rows. The answer is one nested list in JSON or Python
notation, or lines of single digits. There is no default grid: a reply that holds none, or two that differ, is
``unparsed``. Partial credit is not given, because most cells of a grid are right before the rule is understood.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from abruzzi.nouns import Verdict
from abruzzi.verifiers.literals import find_literals
from abruzzi.verifiers.logic.tagged import NoAnswerError, tagged_answer
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

Grid = tuple[tuple[int, ...], ...]

_DIGIT_ROW = re.compile(r"\d(?:[\s,|]*\d)*")


def verify_grid(row: Row) -> Verdict:
    """Verify the one grid that the reply gives."""
    truth = _read_grid(row.ground_truth)
    if truth is None:
        return broken(f"the ground truth is no rectangle of colours 0 to 9: {shown(row.ground_truth)}")
    try:
        answer = tagged_answer(row.response)
    except NoAnswerError as problem:
        return unparsed(str(problem))
    grids = {grid for value, _ in find_literals(answer, "[") for grid in [_read_grid(value)] if grid}
    if not grids:
        grids = {grid for grid in [_read_lines(answer)] if grid}
    if len(grids) != 1:
        problem = "two grids that differ" if grids else "no rectangle of colours 0 to 9"
        return unparsed(f"the answer holds {problem}", shown(answer))
    grid = grids.pop()
    if grid == truth:
        return correct(shown(answer), f"all {len(truth) * len(truth[0])} cells are right")
    if (len(grid), len(grid[0])) != (len(truth), len(truth[0])):
        return wrong(shown(answer), f"{len(grid)}x{len(grid[0])} cells where {len(truth)}x{len(truth[0])} are right")
    num_wrong = sum(a != b for ours, theirs in zip(grid, truth, strict=True) for a, b in zip(ours, theirs, strict=True))
    return wrong(shown(answer), f"{num_wrong} of {len(truth) * len(truth[0])} cells are wrong")


def gold_reply_grid(row: Row) -> str:
    """Write the right grid inside answer tags."""
    return f"<answer> {json.dumps(row.ground_truth)} </answer>"


def _read_grid(value: Any) -> Grid | None:
    """Read a rectangle of colours; quoted digits count, truth values and fractions do not."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    rows: list[tuple[int, ...]] = []
    for line in cast("Sequence[Any]", value):
        if not isinstance(line, Sequence) or isinstance(line, str):
            return None
        cells = [_read_colour(cell) for cell in cast("Sequence[Any]", line)]
        if None in cells:
            return None
        rows.append(tuple(cell for cell in cells if cell is not None))
    return tuple(rows) if len(rows[0]) > 0 and len({len(line) for line in rows}) == 1 else None


def _read_colour(cell: Any) -> int | None:
    if isinstance(cell, str):
        cell = int(cell) if cell.isdecimal() and len(cell) == 1 else None
    if isinstance(cell, bool) or not isinstance(cell, int | float) or cell not in range(10):
        return None
    return int(cell)


def _read_lines(answer: str) -> Grid | None:
    lines = [line.strip().strip("|").strip() for line in answer.splitlines() if line.strip()]
    if not all(_DIGIT_ROW.fullmatch(line) for line in lines):
        return None
    return _read_grid([[int(digit) for digit in re.findall(r"\d", line)] for line in lines])
