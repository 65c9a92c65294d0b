"""What a search for contamination found, as frozen data and as the JSON file that scores on clean subsets start from.

    {"version": 1,
     "benchmarks": [{"name", "items_sha256", "num_items",
                     "dirty": [{"item", "kind", "score", "file", "row", "row_id", "num_rows",
                                "evidence": {"benchmark", "train"}}]}],
     "training": [{"file", "rows", "malformed", "dirty_rows", "first_malformed"}],
     "settings": {…}, "seconds": …}

``items_sha256`` is ``items.hash_items`` of the benchmark: a report speaks of exactly those items. An item that
``dirty`` does not name is clean as far as these detectors see. ``version`` changes when the meaning of a field does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from abruzzi.config import describe_problem
from abruzzi.errors import DataError

VERSION = 1


class Kind(StrEnum):
    """How an item was found, the strongest evidence first."""

    EXACT = "exact"
    """The row's text is the item's, word for word after normalisation."""
    CONTAINED = "contained"
    """The row's text holds the item, or most of it; the score is the share of its n-grams found."""
    NEAR = "near"
    """The row's text is the item's with changes; the score is the Jaccard similarity of their n-grams."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The longest passage that both sides share, as each side writes it; cut at 300 characters."""

    benchmark: str
    train: str


@dataclass(frozen=True, slots=True)
class Match:
    """An item and the training row that shows best that the training set holds it."""

    item: str
    """The item's id."""
    kind: Kind
    score: float
    """In (0, 1]; what it measures depends on the kind."""
    file: str
    row: int
    """Line of a JSON Lines file, row of a parquet file; from 1."""
    evidence: Evidence
    row_id: str | None = None
    """The row's own id, where it has one."""
    num_rows: int = 1
    """How many training rows match the item in any way."""


@dataclass(frozen=True, slots=True)
class BenchmarkFinding:
    """What the training set holds of one benchmark."""

    name: str
    items_sha256: str
    num_items: int
    dirty: tuple[Match, ...] = ()
    """One for each dirty item, in the benchmark's order."""


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """What was read of one training file."""

    file: str
    rows: int
    """Rows that were searched."""
    malformed: int
    """Rows that could not be read, and so were not searched."""
    dirty_rows: int = 0
    """Rows in which an item was found."""
    first_malformed: str = ""
    """Why the first malformed row could not be read."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a search for contamination found."""

    benchmarks: tuple[BenchmarkFinding, ...]
    training: tuple[TrainingFile, ...]
    settings: Mapping[str, float] = field(default_factory=dict[str, float])
    seconds: float = 0.0
    """Wall time of the search."""
    version: int = VERSION

    @property
    def num_dirty(self) -> int:
        """Items found, of all benchmarks."""
        return sum(len(benchmark.dirty) for benchmark in self.benchmarks)


_ADAPTER = TypeAdapter(Report)


def write_report(report: Report, path: Path) -> None:
    """Write a report as JSON.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        path.write_bytes(_ADAPTER.dump_json(report, indent=1) + b"\n")
    except OSError as error:
        raise DataError(f"cannot write the report to {str(path)!r}: {error.strerror}") from error


def read_report(path: Path) -> Report:
    """Read a report that ``write_report`` wrote.

    Raises:
        DataError: it cannot be read, is no such report, or of another version.
    """
    try:
        report = _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except ValidationError as error:
        raise DataError(
            f"{str(path)!r} is no contamination report: {describe_problem(error)}; write one with 'abruzzi data "
            "contamination … --out FILE'"
        ) from error
    if report.version != VERSION:
        raise DataError(f"{str(path)!r} has version {report.version}, this Abruzzi reads {VERSION}; make it anew")
    return report
