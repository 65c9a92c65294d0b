"""A bench's report, and how it is printed: a table of what was measured, and one of ratios with intervals and goals."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abruzzi.cli.bench_record import write_line
from abruzzi.cli.ratios import Ratio
from abruzzi.errors import RecordError

WIDTH = 160
"""Of tables that go into a file or a pipe, where nobody's window tells."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one bench found."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    """All with the same keys."""
    ratios: Sequence[Ratio]


def to_json(reports: Mapping[str, Report], record: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data of a run.

    Args:
        reports: by the bench's name.
        record: see ``bench_record.describe_run``.
    """
    return {
        "record": dict(record),
        "benches": {
            name: {
                "title": report.title,
                "rows": [dict(row) for row in report.rows],
                "ratios": [ratio.to_json() for ratio in report.ratios],
            }
            for name, report in reports.items()
        },
    }


def write_json(data: Mapping[str, Any], out: Path) -> None:
    """Write plain data to a file.

    Raises:
        RecordError: it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot write {out}: {error.strerror or error}") from error


def print_reports(reports: Mapping[str, Report], record: Mapping[str, Any]) -> None:
    """Print what was measured bench by bench, then all ratios in one table; in Markdown, ready for a results page."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    for report in reports.values():
        _print_table(console, report.title, report.rows)
    ratios = [ratio.to_row() for report in reports.values() for ratio in report.ratios]
    _print_table(console, "ours as a multiple of the other", ratios)
    console.print(write_line(record), style="dim", highlight=False, soft_wrap=True)


def _print_table(console: Any, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.box import MARKDOWN
    from rich.table import Table

    console.print(title, style="italic", highlight=False)
    console.print()
    table = Table(box=MARKDOWN)
    for number, column in enumerate(rows[0]):
        table.add_column(column.replace("_", " "), justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    console.print()
