"""What a report is made of: scores, component tables and comparisons that others have computed.

Nouns only. Nothing here, nor anywhere in this folder, computes a score; a report shows what it is given, and says what
it was not given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from abruzzi.evaluation.component_table import ComponentTable
from abruzzi.evaluation.scores import Score
from abruzzi.statistics.averages import Averages
from abruzzi.statistics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class PairedRow:
    """Two systems compared on the questions that both answered."""

    benchmark: str
    first: str
    """The label of a row."""
    second: str
    difference: Estimate
    """First minus second, a fraction of 1; paired by question."""
    p_value: float
    """Two-sided."""
    p_holm: float
    """After Holm's correction for all the report's comparisons."""


@dataclass(frozen=True, slots=True)
class ReportInput:
    """Everything that a report shows."""

    title: str
    scores: tuple[Score, ...] = ()
    """A row each, in this order; those of one benchmark need not stand together."""
    tables: tuple[ComponentTable, ...] = ()
    comparison_markdown: str | None = None
    """Published results beside these, as ``eval compare`` writes them; trusted to be tables and plain prose."""
    differences: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Label of a row (``Protocol.label``, or ``benchmark/label`` for one row of several) → why it is not comparable
    with the rest; such rows are marked."""
    paired: tuple[PairedRow, ...] = ()
    averages: Mapping[str, tuple[Averages[Estimate], ...] | tuple[Averages[float], ...]] = field(
        default_factory=dict[str, tuple[Averages[Estimate], ...] | tuple[Averages[float], ...]]
    )
    """Label of a system → what ``leave_one_out`` or ``leave_one_out_estimates`` gave."""
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name → value, in the order in which they stand: command, versions, date, machine."""
