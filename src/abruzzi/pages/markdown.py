"""Writes a page as Markdown: summary, tables with footnotes, prose; no plots.

Text of models and files is escaped, so that it cannot become markup. Prose is Markdown already and goes in as it is.
"""

import re
from collections.abc import Sequence

from abruzzi.pages.page import Finding, Page
from abruzzi.pages.table import Table, plain

_MARKUP = re.compile(r"[\\`*|<~$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|(?<=\])[(\[:]")


def write_document(page: Page) -> str:
    """Write a page as Markdown.

    Args:
        page: what it says; any part may be empty.

    Returns:
        The whole document, the same for the same input.
    """
    parts = [f"# {escape_markdown(plain(page.title))}"]
    if page.findings:
        parts += ["## Summary", "\n".join(map(_write_finding, page.findings))]
    for section in page.sections:
        tables = [*section.intro, *section.tables]
        if not tables and not section.markdown:
            continue
        parts.append(f"## {escape_markdown(section.title)}")
        parts += [section.markdown] if section.markdown else []
        for table in tables:
            parts += [f"### {escape_markdown(table.caption)}", _write_table(table)]
            parts += [escape_markdown(note) for note in table.notes]
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    """Make a line of text mean itself, wherever in a line it stands."""
    return _MARKUP.sub(lambda match: f"\\{match.group()}", text).replace("\N{NO-BREAK SPACE}", " ")


def _write_finding(finding: Finding) -> str:
    return f"- **{escape_markdown(finding.subject)}** {escape_markdown(finding.text)}"


def _write_table(table: Table) -> str:
    last = len(table.head) - 1
    is_text = [i < table.num_text or (i == last and table.has_last_words) for i in range(len(table.head))]
    lines = [_write_row(table.head), _write_row(["---" if words else "---:" for words in is_text], is_raw=True)]
    for group in table.groups:
        if group.title:
            lines.append(_write_row([f"**{escape_markdown(group.title)}**", *[""] * last], is_raw=True))
        lines += [_write_row(row) for row in group.rows]
    return "\n".join(lines)


def _write_row(cells: Sequence[str], *, is_raw: bool = False) -> str:
    return "| " + " | ".join(cells if is_raw else map(escape_markdown, cells)) + " |"
