"""A table as text, made once and written by every format: head, groups of rows, footnotes.

It knows neither Markdown nor HTML. Cells are plain text; a format escapes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from unicodedata import category

from abruzzi.pages.digits import MISSING

DAGGER = "†"
"""Marks a row that is not comparable with the rest."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under a heading of their own."""

    title: str
    """Empty for rows without one."""
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a report."""

    caption: str
    head: tuple[str, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()
    """Footnotes, each with its mark in front."""
    num_text: int = 1
    """Leading columns that hold words rather than numbers; the first names the row."""
    has_last_words: bool = False
    """True when the last column holds words too."""


class Footnotes:
    """Hands out marks: the same note gets the same mark."""

    def __init__(self) -> None:
        self._notes: dict[str, str] = {}

    def mark(self, note: str) -> str:
        """Give the mark of a note, to follow a label: ¹, ², …; nothing for no note."""
        if not note:
            return ""
        return "\N{NO-BREAK SPACE}" + self._notes.setdefault(note, _superscript(len(self._notes) + 1))

    def lines(self) -> tuple[str, ...]:
        """Give all notes with their marks, in order."""
        return tuple(f"{mark} {note}" for note, mark in self._notes.items())


def drop_empty_columns(table: Table) -> Table:
    """Take out the columns that hold nothing but missing values; those of words stay."""
    rows = [row for group in table.groups for row in group.rows]
    kept = [
        index
        for index in range(len(table.head))
        if index < table.num_text or any(row[index] not in (MISSING, "") for row in rows)
    ]
    groups = tuple(Group(g.title, tuple(tuple(row[i] for i in kept) for row in g.rows)) for g in table.groups)
    has_last_words = table.has_last_words and len(table.head) - 1 in kept
    return replace(table, head=tuple(table.head[i] for i in kept), groups=groups, has_last_words=has_last_words)


def group_by(rows: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[Group, ...]:
    """Group rows by title, groups and rows in the order of their first appearance."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for title, row in rows:
        groups.setdefault(title, []).append(row)
    return tuple(Group(title, tuple(found)) for title, found in groups.items())


def words_table(caption: str, head: tuple[str, ...], groups: tuple[Group, ...]) -> Table:
    """Make a table that holds words only."""
    return Table(caption, head, groups, num_text=len(head), has_last_words=True)


def fact_table(caption: str, facts: Mapping[str, str]) -> list[Table]:
    """Make a table of names and values; none without facts."""
    cells = tuple((plain(name), plain(value)) for name, value in facts.items())
    return [words_table(caption, ("What", "Value"), (Group("", cells),))] if cells else []


def plain(text: str) -> str:
    """Make text safe to stand in a line: white space single, control characters out."""
    return "".join(c for c in " ".join(text.split()) if category(c) not in ("Cc", "Cf", "Cs"))


def join_words(words: Sequence[str]) -> str:
    """Join a list as prose does: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
