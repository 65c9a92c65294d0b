"""Scores logic puzzles and grids as the public graders do: zebra, ordering, graph, ARC and BARC.

Kept from there: the last ``<answer>`` counts, also inside the thoughts, and for zebra, ordering and graph it must be on
one line; zebra ignores header and surplus cells; a hyphen splits a name; an unreadable grid is taken for ``[[0]]``.
"""

import ast
import json
import re
import warnings
from typing import Any, cast

from abruzzi.verifiers.row import Row

_ONE_LINE = re.compile(r"<answer>(.*?)</answer>")
_ANY_LINES = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_NAME = re.compile(r"['\"]?([\w\s]+)['\"]?")
_BARE_NAME = re.compile(r"(\[|\s*,\s*)(\w+)(\s*,|\])")
_PAD = -1


def score_logic(row: Row) -> float:
    """Score a puzzle, chosen by the row's data source.

    Raises:
        NotImplementedError: the public router knows no such source; ``logic__arcagi`` is one of these.
    """
    if row.data_source.startswith(("simulation__arcagi", "simulation__barc")):
        return score_grid(row)
    if row.data_source.startswith("logic__zebra_puzzle"):
        return score_zebra(row)
    if row.data_source.startswith("logic__ordering_puzzle"):
        return score_ordering(row)
    if row.data_source.startswith("logic__graph"):
        return score_graph(row)
    raise NotImplementedError(f"Reward function is not implemented for data_source={row.data_source!r}")


def score_zebra(row: Row) -> float:
    """Score the share of equal cells, by place."""
    try:
        answer = _read_literal_or_json(_last(_ONE_LINE, row.response))
        if not isinstance(answer, dict):
            return 0.0
        truth = row.ground_truth
        num_rows, num_columns = len(truth["rows"]), len(truth["header"])
        rows = cast("dict[str, Any]", answer)["rows"]
        places = [(i, j) for i in range(num_rows) for j in range(num_columns)]
        return sum(bool(rows[i][j] == truth["rows"][i][j]) for i, j in places) / (num_rows * num_columns)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError):
        return 0.0


def score_ordering(row: Row) -> float:
    """Score the list of names: lower-cased, cut at every character that no word has."""
    truth: object = row.ground_truth
    answer = _last(_ONE_LINE, row.response)
    if not isinstance(truth, list) or answer is None:
        return 0.0
    listed = _first_list(answer)
    if listed is None:
        return float(_read_python(_BARE_NAME.sub(r'\1"\2"\3', answer)) == truth)
    return float([name.lower().strip() for name in _NAME.findall(listed) if name.strip()] == truth)


def score_graph(row: Row) -> float:
    """Score a node's name, which must be letters only."""
    answer = _last(_ONE_LINE, row.response)
    is_name = answer is not None and re.fullmatch("[A-Za-z]+", answer) is not None
    return float(is_name and answer is not None and answer.lower() == str(row.ground_truth).lower())


def score_grid(row: Row) -> float:
    """Score a grid: every cell equal after padding both to one size, and none of them the padding.

    Raises:
        ValueError: the reply's grid is nested deeper than rows of cells.
    """
    ours, truth = _read_grid(row.response), row.ground_truth
    shape = (max(len(ours), len(truth)), max(len(ours[0]), len(truth[0])))
    return float(_to_cells(ours, shape) == _to_cells(truth, shape) and _has_no_padding(_to_cells(truth, shape)))


def _last(pattern: re.Pattern[str], response: str) -> str | None:
    answers = pattern.findall(response)
    return answers[-1].strip() if answers else None


def _read_literal_or_json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return _literal(text)
    except (SyntaxError, ValueError):
        return json.loads(text)


def _read_python(text: str) -> Any:
    """Read what the public code gives to ``eval``; only literals have a value here."""
    try:
        return _literal(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def _literal(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)


def _first_list(answer: str) -> str | None:
    """Find the first bracketed list without an empty item, brackets included."""
    start = answer.find("[")
    while start >= 0:
        end = answer.find("]", start)
        if end < 0:
            return None
        if all(answer[start + 1 : end].split(",")):
            return answer[start : end + 1]
        start = answer.find("[", start + 1)
    return None


def _read_grid(response: str) -> list[Any]:
    answer = _last(_ANY_LINES, response)
    if answer is None:
        return [[0]]
    answer = answer.replace("\n", "").replace("...", "-1")
    start = answer.find("[[")
    end = answer.find("]]", start)
    grid = _read_python(answer[start : end + 2]) if 0 <= start < end else None
    if not isinstance(grid, list):
        return [[0]]
    rows = cast("list[Any]", grid)
    return rows if rows and all(isinstance(line, list) for line in rows) else [[0]]


def _to_cells(grid: Any, shape: tuple[int, int]) -> list[list[int]]:
    """Cast to integers as numpy does, and pad; what cannot be cast becomes ``[[0]]``."""
    cells = _cast(grid) or [[0]]
    num_rows, num_columns = shape
    padded = [[_PAD] * num_columns for _ in range(num_rows)]
    for i, line in enumerate(cells):
        padded[i][: len(line)] = line
    return padded


def _cast(grid: Any) -> list[list[int]] | None:
    rows: list[list[Any]] = [list(line) for line in grid]
    if len({len(line) for line in rows}) != 1:
        return None
    values: list[Any] = [cell for line in rows for cell in line]
    if values and all(isinstance(cell, list) for cell in values):
        raise ValueError("a grid nested deeper than rows of cells does not fit into one")
    has_text = any(isinstance(cell, str) for cell in values)
    try:
        return [[_cast_cell(cell, as_text=has_text) for cell in line] for line in rows]
    except (ValueError, TypeError, OverflowError):
        return None


def _cast_cell(cell: Any, *, as_text: bool) -> int:
    """Cast one cell; a single text among the cells makes all of them text first."""
    if not isinstance(cell, str | int | float):
        raise TypeError(f"no number: {cell!r}")
    return int(str(cell)) if as_text else int(cell)


def _has_no_padding(cells: list[list[int]]) -> bool:
    return all(cell != _PAD for line in cells for cell in line)
