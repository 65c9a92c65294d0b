"""Reads the paper's tables, and works its averages out again from the single cells.

``paper_tables.csv`` holds a row per cell: table, row, column, value as printed, source, verified. The paper's text was
not to be had when it was collected: a cell is ``yes`` when it stands in a file that was read (the model card, a
screenshot, an article, the rebuttal), ``derived`` when it follows from such cells, ``no`` when it rests on a language
model's memory of the paper. The file makes no cell better than it is; whoever shows one shows its flag.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from abruzzi.errors import DataError
from abruzzi.statistics.averages import Averages, leave_one_out

FILE = "paper_tables.csv"
MAIN, ABLATION, REBUTTAL, SIZES = "main", "ablation_plan_bo3", "matharena", "benchmark_size"
"""Names of the tables that are scores on our benchmarks, and of the one that gives their sizes."""
CRITICISM = "sri_rebuttal"
"""What an independent review found (ETH SRI Lab); not all of it numbers."""
MICRO, MACRO = "math micro-avg", "math macro-avg"
"""Columns of averages."""
MATHS = ("AIME24", "AIME25", "HMMT25", "Omni-MATH-HARD")
"""Columns that the averages are over."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of one of the paper's tables, or of tables about it."""

    table: str
    row: str
    """A model, or a variant of the pipeline."""
    column: str
    value: str
    """As it was found; scores are in per cent."""
    source: str
    verified: str
    """``yes``, ``derived``, ``partly`` or ``no``, often with a remark."""

    @property
    def number(self) -> float | None:
        """The value as a number; None where it is none, or a doubtful one."""
        try:
            return float(self.value)
        except ValueError:
            return None

    @property
    def is_verified(self) -> bool:
        """True when it stands in a file that was read; False also for what was only derived."""
        return self.verified.startswith("yes")

    @property
    def is_doubtful(self) -> bool:
        """True when it rests, at least partly, on nothing that was read."""
        return self.verified.startswith(("no", "partly"))


@cache
def read_cells() -> tuple[Cell, ...]:
    """Read all cells, in the order of the file."""
    text = files("abruzzi.evaluation.paper").joinpath(FILE).read_text(encoding="utf-8")
    return tuple(Cell(**row) for row in csv.DictReader(text.splitlines()))


def find_cells(table: str, *, row: str | None = None, column: str | None = None) -> tuple[Cell, ...]:
    """Find the cells of a table, of one row or column where it is named."""
    return tuple(
        cell
        for cell in read_cells()
        if cell.table == table and row in (None, cell.row) and column in (None, cell.column)
    )


def read_sizes() -> Mapping[str, int]:
    """Give the number of items of each benchmark whose size is known: AIME24, AIME25, HMMT25, Omni-MATH-HARD, GPQA."""
    return {cell.row: int(cell.value) for cell in find_cells(SIZES)}


def average_maths(table: str, row: str) -> Averages[float]:
    """Work out the micro and macro average of a row, in per cent, from its cells on the four maths sets.

    Raises:
        DataError: the row lacks one of them.
    """
    values = {cell.column: cell.number for cell in find_cells(table, row=row) if cell.column in MATHS}
    numbers = {column: number for column, number in values.items() if number is not None}
    missing = [column for column in MATHS if column not in numbers]
    if missing:
        raise DataError(f"the row {row!r} of table {table!r} has no value for {', '.join(missing)}")
    return leave_one_out(numbers, read_sizes())[0]
