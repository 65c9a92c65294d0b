"""Searches training files for benchmark items, with a progress bar, and prints what was found as tables."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from abruzzi.cli.gauge import open_gauge
from abruzzi.data.contamination.find import Settings, find_contamination
from abruzzi.data.contamination.report import Kind, Match, Report, write_report
from abruzzi.data.items import Item
from abruzzi.data.rows import count_rows
from abruzzi.data.training_rows import read_training_rows
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.registry import find_benchmark

DIRTY = 1
"""Exit code when items were found and that was to be a failure."""
MAX_SHOWN = 20
MAX_SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for."""

    files: tuple[Path, ...]
    benchmarks: tuple[str, ...]
    data: Path | None
    limit: int | None
    fields: tuple[str, ...]
    workers: int | None


def search_files(wish: Wish, out: Path | None, *, fail_if_dirty: bool) -> int:
    """Search training files and print which items they hold; a report is written first of all.

    Returns:
        The exit code: 1 when items were found and ``fail_if_dirty`` is set, else 0.

    Raises:
        AbruzziError: a benchmark or a file cannot be had, or no row of a file could be read.
    """
    items = _load_items(wish)
    total = sum(count_rows(path) for path in wish.files)
    rows = chain.from_iterable(read_training_rows(path, wish.fields) for path in wish.files)
    settings = Settings(workers=wish.workers or _count_cores())
    with open_gauge() as gauge:
        report = find_contamination(
            items, rows, settings, progress=lambda done: gauge.show("searching", done, max(done, total))
        )
    if out is not None:
        write_report(report, out)
    print("\n\n".join(_describe(report)))
    _check_files(report, wish.files)
    return DIRTY if fail_if_dirty and report.num_dirty else 0


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load_items(wish: Wish) -> dict[str, Sequence[Item]]:
    """Load the benchmarks by their names; a name that comes twice is told apart by what was asked for."""
    found: dict[str, Sequence[Item]] = {}
    for asked in wish.benchmarks:
        benchmark = find_benchmark(asked)
        items = benchmark.load(wish.data)[: wish.limit]
        if not items:
            raise DataError(f"{benchmark.name} has no items{'' if wish.data is None else f' in {wish.data}'}")
        found[asked if benchmark.name in found else benchmark.name] = items
    return found


def _describe(report: Report) -> Iterator[str]:
    yield _describe_benchmarks(report)
    yield _describe_files(report)
    if report.num_dirty:
        yield _describe_matches([match for benchmark in report.benchmarks for match in benchmark.dirty])
    num_rows = sum(file.rows for file in report.training)
    yield f"{num_rows:,} rows in {report.seconds:,.1f} s"


def _describe_benchmarks(report: Report) -> str:
    rows: list[tuple[object, ...]] = [("benchmark", "items", "clean", "dirty", *Kind)]
    for benchmark in report.benchmarks:
        kinds = Counter(match.kind for match in benchmark.dirty)
        num_dirty = len(benchmark.dirty)
        clean = benchmark.num_items - num_dirty
        rows.append((benchmark.name, benchmark.num_items, clean, num_dirty, *(kinds[kind] for kind in Kind)))
    return _lay_out(rows)


def _describe_files(report: Report) -> str:
    rows: list[tuple[object, ...]] = [("training file", "rows", "malformed", "with items")]
    rows += [(file.file, file.rows, file.malformed, file.dirty_rows) for file in report.training]
    notes = [f"{file.file}: {file.first_malformed}" for file in report.training if file.first_malformed]
    return "\n".join([_lay_out(rows), *notes])


def _describe_matches(matches: Sequence[Match]) -> str:
    """Write two lines for each of the first items found: where, and what the row says."""
    lines: list[str] = []
    for match in matches[:MAX_SHOWN]:
        passage = match.evidence.train
        shown = passage if len(passage) <= MAX_SHOWN_CHARS else passage[: MAX_SHOWN_CHARS - 1] + "…"
        others = f", {match.num_rows} rows in all" if match.num_rows > 1 else ""
        lines += [
            f"{match.item}: {match.kind} {match.score:.2f} in {match.file}, row {match.row}{others}",
            f"  {shown}",
        ]
    if len(matches) > MAX_SHOWN:
        lines.append(f"and {len(matches) - MAX_SHOWN} more items; --out FILE writes them all")
    return "\n".join(lines)


def _lay_out(rows: Sequence[Sequence[object]]) -> str:
    """Put cells below each other: the first column to the left, figures to the right."""
    width = max(len(str(first)) for first, *_ in rows)
    return "\n".join(f"{first!s:{width}}" + "".join(f"{cell!s:>11}" for cell in cells) for first, *cells in rows)


def _check_files(report: Report, files: Sequence[Path]) -> None:
    """A file of which nothing could be read is not clean, it was not searched.

    Raises:
        DataError: there is one.
    """
    searched = {file.file: file for file in report.training}
    for path in files:
        file = searched.get(str(path))
        if file is None:
            raise DataError(f"{str(path)!r} holds no rows; give the training file itself")
        if not file.rows:
            raise DataError(
                f"none of the {file.malformed} rows of {str(path)!r} could be searched: {file.first_malformed}; name "
                "the field that holds the text with --field"
            )
