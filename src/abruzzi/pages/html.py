"""Writes a page as one HTML file that needs nothing else: style and plots inside, no script, no request.

The page's own policy forbids everything but its one style sheet, which it names by hash. All text is escaped by the
template engine; only drawings of ours and prose that holds no foreign element go in as they are.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from abruzzi.config import missing_package
from abruzzi.pages.looks import SHAPES
from abruzzi.pages.page import Page, Plot
from abruzzi.pages.table import Table, plain

PRINTED_CHARS, PADDING_CHARS = 118, 2
"""Characters of a table's row that a printed page has room for, and those that a column's padding takes."""


def write_page(page: Page, plots: Mapping[str, Sequence[Sequence[Plot]]]) -> str:
    """Write a page to be opened offline, read on any screen, and printed.

    Args:
        page: what it says; any part may be empty.
        plots: key of a section → its plots in order, those of a kind together.

    Returns:
        The whole page, the same for the same input.

    Raises:
        ConfigError: a package that pages need is missing.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup

        from abruzzi.pages.prose import render_prose
    except ModuleNotFoundError as error:
        raise missing_package("the HTML report", str(error.name)) from error

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style = _read("page.css")
    sections: list[dict[str, Any]] = [
        {
            "section": section,
            "plots": [
                [(plot, Markup(plot.svg)) for plot in alike]  # noqa: S704 - svg.py wrote it
                for alike in plots.get(section.key, ())
            ],
            "prose": Markup(render_prose(section.markdown)),  # noqa: S704 - prose.py lets no element through
        }
        for section in page.sections
    ]
    written = environment.from_string(_read("template.html.j2")).render(
        title=plain(page.title),
        subtitle=page.subtitle,
        findings=page.findings,
        sections=sections,
        shapes=SHAPES,
        split_interval=split_interval,
        is_wide=is_wide,
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )
    return written.rstrip() + "\n"


def split_interval(cell: str) -> tuple[str, str]:
    """Split ``37.5 [34.1, 40.9]`` into value and interval; the interval is empty where a cell has none."""
    value, bracket, interval = cell.partition(" [")
    is_interval = bool(bracket) and interval.endswith("]") and not any(c.isalpha() for c in cell)
    return (value, f"[{interval}") if is_interval else (cell, "")


def is_wide(table: Table) -> bool:
    """Tell whether a printed page is too narrow for the table's intervals to stand beside their values."""
    width = 0
    for index, name in enumerate(table.head):
        cells = [row[index] for group in table.groups for row in group.rows]
        is_words = index < table.num_text or (table.has_last_words and index == len(table.head) - 1)
        parts = [part for cell in cells for part in (cell.split(" ") if is_words else [cell])]
        width += PADDING_CHARS + max(map(len, [*parts, *name.split(" ")]))
    return width > PRINTED_CHARS


def _read(name: str) -> str:
    return files(__package__ or __name__.rpartition(".")[0]).joinpath(name).read_text(encoding="utf-8")
