"""Reads what runs left behind: ``run.json`` and the rows of ``metrics.jsonl``, each step once.

Runs under way, killed and resumed ones are read as they are. A step that stands there twice was done again after a
resume, and the later row counts. A value that a row lacks, or that is None or no number, is missing and never a zero.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from abruzzi.errors import DataError
from abruzzi.pages.table import plain
from abruzzi.records import read_lines
from abruzzi.statistics.estimate import Estimate
from abruzzi.training.run_record import METRICS_FILE, read_run

Row = Mapping[str, Any]
Series = list[tuple[int, float]]
"""Step and value, in order; steps without a value are left out."""
Scores = Mapping[str, Mapping[str, tuple[float, ...]]]
"""Family → item → its samples' scores, those without a verdict left out."""


@dataclass(frozen=True, slots=True)
class HeldOutPoint:
    """One measurement of the held-out items."""

    step: int
    accuracy: Estimate
    by_family: Mapping[str, Estimate]
    pass_at: Mapping[int, float]
    scores: Scores
    """Empty where the record holds none."""
    row: Row


@dataclass(frozen=True, slots=True)
class Run:
    """One run as its folder tells it."""

    folder: Path
    label: str
    """Unlike any other of the report."""
    facts: Row
    """Of ``run.json``."""
    steps: tuple[Row, ...]
    held_out: tuple[HeldOutPoint, ...]

    @property
    def recipe(self) -> Row:
        """The recipe as it was resolved; empty where the record lacks it."""
        return self.facts.get("recipe") or {}

    @property
    def stage(self) -> Literal["sft", "grpo"]:
        """Which stage of training it is."""
        return "sft" if (self.facts.get("stage") or ("grpo" if self.recipe.get("grpo") else "sft")) == "sft" else "grpo"

    @property
    def settings(self) -> Row:
        """Of its stage."""
        return self.recipe.get(self.stage) or {}

    @property
    def is_control(self) -> bool:
        """True where rewards were dealt out anew, so that they say nothing."""
        return bool(self.settings.get("shuffle_rewards"))

    @property
    def num_done(self) -> int:
        """The last step that is recorded; 0 where none is."""
        return int(self.steps[-1]["step"]) if self.steps else 0

    @property
    def num_planned(self) -> int | None:
        """Steps that the run was to have; None where the record does not say."""
        told = self.steps[-1].get("num_steps") if self.steps else None
        wanted = self.settings.get("steps") or self.settings.get("max_steps") or told
        return None if wanted is None else int(wanted)


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read runs, in the order given.

    Raises:
        DataError: no folder, or the same one twice.
        RecordError: a folder is no training run, or cannot be read.
    """
    if not folders:
        raise DataError("no run to report on; name the folder of one")
    twice = [str(folder) for folder, times in Counter(folder.resolve() for folder in folders).items() if times > 1]
    if twice:
        raise DataError(f"{twice[0]!r} is named twice; name each run once")
    facts = [read_run(folder) for folder in folders]
    labels = _label(folders, facts)
    return [_read(folder, label, own) for folder, label, own in zip(folders, labels, facts, strict=True)]


def series(rows: Iterable[Row], *path: str) -> Series:
    """Follow one quantity over the steps.

    Args:
        rows: in order.
        path: name of the field, or of fields one inside the other.
    """
    found = [(int(row["step"]), number(row, *path)) for row in rows]
    return [(step, value) for step, value in found if value is not None]


def number(row: Row, *path: str) -> float | None:
    """Take a number out of a row; None where there is none."""
    value: Any = row
    for name in path:
        value = cast("Row", value).get(name) if isinstance(value, Mapping) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None


def names_in(rows: Iterable[Row], field: str) -> list[str]:
    """Name the keys of a field that maps names to values, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in cast("Row", row.get(field) or {})))


def _read(folder: Path, label: str, facts: Row) -> Run:
    path = folder / METRICS_FILE
    kinds: dict[str, dict[int, Row]] = {"step": {}, "held_out": {}}
    for row in read_lines(path) if path.exists() else ():
        if row.get("kind") in kinds and isinstance(row.get("step"), int):
            kinds[row["kind"]][row["step"]] = row
    steps, held_out = (tuple(rows[step] for step in sorted(rows)) for rows in kinds.values())
    return Run(folder, label, facts, steps, tuple(point for row in held_out if (point := _held_out(row))))


def _held_out(row: Row) -> HeldOutPoint | None:
    value = number(row, "accuracy")
    if value is None:
        return None
    families = cast("Mapping[str, Sequence[float]]", row.get("by_family") or {})
    pass_at = cast("Mapping[str, float]", row.get("pass_at") or {})
    scores = cast("Mapping[str, Mapping[str, Sequence[float]]]", row.get("scores") or {})
    return HeldOutPoint(
        step=int(row["step"]),
        accuracy=Estimate(value, *(row.get("interval") or (value, value))),
        by_family={family: Estimate(*interval) for family, interval in families.items()},
        pass_at={int(k): share for k, share in pass_at.items()},
        scores={
            family: {item: tuple(samples) for item, samples in items.items() if samples}
            for family, items in scores.items()
        },
        row=row,
    )


def _label(folders: Sequence[Path], facts: Sequence[Row]) -> list[str]:
    """Call each run by its recipe, or by its folder where two have the same one."""
    recipes = [cast("Row", own.get("recipe") or {}) for own in facts]
    names = [str(recipe.get("name") or folder.name) for folder, recipe in zip(folders, recipes, strict=True)]
    for instead in ([folder.resolve().name for folder in folders], [str(folder) for folder in folders]):
        if len(set(names)) < len(names):
            names = instead
    return [plain(name) for name in names]
