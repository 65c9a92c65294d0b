"""Writes reports of training from the command line."""

from collections.abc import Sequence
from pathlib import Path

from abruzzi.cli.reporting import describe_here
from abruzzi.training.report.write import write_reports


def report_runs(runs: Sequence[Path], out: Path | None) -> int:
    """Write ``report.md`` and ``report.html`` of one or several runs and print their paths.

    Args:
        runs: their folders.
        out: where to write; None takes the first run's folder.

    Returns:
        The exit code: 0.

    Raises:
        AbruzziError: a run cannot be read, or the report not be written.
    """
    for path in write_reports(runs, runs[0] if out is None and runs else out or Path(), describe_here()):
        print(path)
    return 0
