"""What a page is made of: findings, then sections of prose, tables and plots. Nouns only.

Whoever reports decides what stands in them; ``html`` and ``markdown`` write them down.
"""

from dataclasses import dataclass
from typing import Literal

from abruzzi.pages.looks import Look
from abruzzi.pages.table import Table

Kind = Literal[
    "helps", "helps in part", "does not help", "rose", "fell", "did not move", "bound", "result", "caution"
]  # fmt: skip
"""What a finding is, in the words of its badge."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence of the summary."""

    kind: Kind
    subject: str
    """What it is about; the sentence goes on from it."""
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its tables; one without any has plots only, or prose."""

    key: str
    """Names it within the page: lower case, digits and hyphens."""
    title: str
    tables: tuple[Table, ...] = ()
    intro: tuple[Table, ...] = ()
    """What was measured and how, above everything else of the section."""
    markdown: str = ""
    """Prose and tables that are Markdown already."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A line of a plot's key."""

    label: str
    look: Look
    kind: str
    """``point``, ``line``, ``bar`` or ``outline``: how the sample is drawn."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with its words."""

    title: str
    svg: str
    key: tuple[KeyEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Everything of a page but its plots, which only HTML shows."""

    title: str
    subtitle: str = ""
    findings: tuple[Finding, ...] = ()
    sections: tuple[Section, ...] = ()
