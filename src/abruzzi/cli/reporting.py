"""Writes reports and comparisons of evaluations from the command line."""

import datetime as dt
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from abruzzi import __version__
from abruzzi.config import describe_problem, read_toml
from abruzzi.errors import ConfigError
from abruzzi.evaluation.assemble import Assembly, assemble_report, score_evaluations
from abruzzi.evaluation.folder import PROTOCOL_FILE, find_folders, read_evaluation
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.pages.files import save_pages
from abruzzi.statistics.costs import Price


def write_report(
    places: Sequence[Path],
    out: Path,
    *,
    title: str,
    contamination: Path | None,
    prices: Path | None,
    is_mixed: bool,
) -> int:
    """Write ``report.md`` and ``report.html`` into a folder and print their paths.

    Returns:
        The exit code: 0.

    Raises:
        AbruzziError: a folder cannot be read, its scores do not belong together, or the report not be written.
    """
    assembly = Assembly(
        title=title,
        facts=describe_here(),
        contamination=contamination,
        prices=None if prices is None else read_prices(prices),
        is_mixed=is_mixed,
    )
    for path in save_report(assemble_report(places, assembly), out):
        print(path)
    return 0


def save_report(report: ReportInput, out: Path) -> list[Path]:
    """Write ``report.md`` and ``report.html`` into a folder.

    Raises:
        ConfigError: what draws the plots is not installed.
        RecordError: the folder cannot be written.
    """
    from abruzzi.evaluation.report.html import write_html
    from abruzzi.evaluation.report.markdown import write_markdown

    return save_pages(out, write_markdown(report), write_html(report))


def print_comparison(places: Sequence[Path]) -> int:
    """Print runs beside the paper's tables, with what is not comparable.

    Returns:
        The exit code: 0.

    Raises:
        AbruzziError: a folder cannot be read, or holds no scored sample.
    """
    from abruzzi.evaluation.compare import compare_with_paper, render_comparison

    folders = [folder for folder in find_folders(places) if (folder / PROTOCOL_FILE).exists()]
    if not folders:
        raise ConfigError("only ablations here; 'abruzzi eval compare' wants folders of 'abruzzi eval run'")
    scores = score_evaluations([read_evaluation(folder) for folder in folders])
    print(render_comparison(compare_with_paper(scores)))
    return 0


def read_prices(path: Path) -> dict[str, Price]:
    """Read what models cost per million tokens, from tables ``[prices."MODEL"]``: prompt, completion and cached.

    Raises:
        ConfigError: the file cannot be read or a price is none.
    """
    found: dict[str, Price] = {}
    for model, table in read_toml(path, ("prices",)).get("prices", {}).items():
        try:
            found[model] = TypeAdapter(Price).validate_python(table)
        except ValidationError as error:
            given = error.errors()[0]["input"]
            raise ConfigError(f'{path}: [prices."{model}"] {describe_problem(error)} (got {given!r})') from error
    if not found:
        raise ConfigError(f'{path} has no prices; write [prices."MODEL"] with prompt and completion per million tokens')
    return found


def describe_here() -> dict[str, str]:
    """Say which command made a report, where and when."""
    return {
        "command": shlex.join(["abruzzi", *sys.argv[1:]]),
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "Abruzzi": __version__,
    }
