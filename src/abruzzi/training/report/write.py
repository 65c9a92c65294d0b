"""Writes the report of one or several runs: ``report.md`` and ``report.html``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from abruzzi.config import missing_package
from abruzzi.pages.files import save_pages
from abruzzi.pages.html import write_page
from abruzzi.pages.markdown import write_document
from abruzzi.training.report.outline import lay_out
from abruzzi.training.report.run_rows import read_runs


def write_reports(folders: Sequence[Path], out: Path, facts: Mapping[str, str]) -> list[Path]:
    """Report on runs, side by side.

    Args:
        folders: of the runs, each with a ``run.json``.
        out: where the two files go; made when it is not there.
        facts: how the report was made: command, date, machine.

    Returns:
        The files.

    Raises:
        ConfigError: a package that draws is missing.
        DataError: no run, or one is named twice.
        RecordError: a run cannot be read, or the report not be written.
    """
    try:
        from abruzzi.training.report.figures import draw_plots
    except ModuleNotFoundError as error:
        raise missing_package("the HTML report", str(error.name), extra="train") from error
    runs = read_runs(folders)
    page = lay_out(runs, facts)
    return save_pages(out, write_document(page), write_page(page, draw_plots(runs)))
