"""Tables of an ablation: an overview of parts by benchmarks, then each benchmark with intervals, prices and words.

A part that does not help is said to be one. The oracle knows the answers: it is a bound and no system.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from abruzzi.evaluation.component_table import ComponentRow, ComponentTable, Section
from abruzzi.pages.digits import MISSING, count, percent, points, whole_percent
from abruzzi.pages.table import Footnotes, Table, drop_empty_columns, group_by, plain

AVERAGES = ("micro", "macro")
"""Names of benchmarks that are averages."""
ORACLE = "oracle"
UP, DOWN = "▲", "▼"
INTERVALS = "Brackets hold 95 % intervals, clustered by question; differences are paired by question."
SECTIONS: Mapping[str, str] = {
    "components": "Components",
    "selection": "Other ways to choose",
    "placebo": "Placebo plans",
    "equal budget": "Equal budget, spent plainly",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of answering, on every benchmark it was tried on."""

    section: Section
    label: str
    rows: tuple[ComponentRow, ...]


def component_tables(table: ComponentTable) -> list[Table]:
    """Make the overview, where there is more than one benchmark, and a table for each benchmark and average."""
    benchmarks = list(dict.fromkeys(row.benchmark for row in table.rows))
    made = [_overview(table.rows, benchmarks)] if len(benchmarks) > 1 else []
    made += [_detail(benchmark, table.rows) for benchmark in benchmarks]
    return [replace(made[0], notes=(*made[0].notes, *_chance_note(table.rows))), *made[1:]] if made else []


def say_helps(row: ComponentRow) -> str:
    """Say in words what a row's difference to the base shows."""
    if row.selection == ORACLE:
        return "upper bound, no system"
    if row.difference is None:
        return "the base"
    if row.helps is None:
        return "does not help: within noise"
    return "helps" if row.helps else "does not help: it hurts"


def group_variants(rows: Sequence[ComponentRow]) -> list[Variant]:
    """Put the rows of one variant together, sections in their order.

    At an equal budget the number of candidates, and so the label, is another on every benchmark: there a variant is
    what its plan and its way of choosing make it, and is called as its average is.
    """
    variants: dict[tuple[str, ...], list[ComponentRow]] = {}
    for row in _by_section(rows):
        is_fitted = row.section == "equal budget"
        key = (row.section, row.plan, row.selection) if is_fitted else (row.section, row.label)
        variants.setdefault(key, []).append(row)
    return [Variant(found[0].section, plain(_name_variant(found)), tuple(found)) for found in variants.values()]


def _name_variant(rows: Sequence[ComponentRow]) -> str:
    labels = list(dict.fromkeys(row.label for row in rows))
    averages = [row.label for row in rows if row.benchmark in AVERAGES]
    return labels[0] if len(labels) == 1 else (averages or [" / ".join(labels)])[0]


def solver_of(table: ComponentTable) -> str:
    """Name the model of an ablation; empty where its facts do not."""
    return plain(table.facts.get("solver", "").partition(", sha256")[0])


def _chance_note(rows: Sequence[ComponentRow]) -> list[str]:
    tested = [r for r in rows if r.difference is not None and r.selection != ORACLE and r.benchmark not in AVERAGES]
    if len(tested) < 2:
        return []
    expected = count(len(tested) / 20)
    return [f"{len(tested)} differences are shown; were there none, chance alone would mark about {expected} of them."]


def _overview(rows: Sequence[ComponentRow], benchmarks: Sequence[str]) -> Table:
    groups = group_by(
        (SECTIONS[variant.section], (variant.label, *(_brief(variant, name) for name in benchmarks)))
        for variant in group_variants(rows)
    )
    notes = [
        f"{UP} the 95 % interval of the paired difference to the base lies above zero, {DOWN} below; no mark: the row "
        "does not differ from the base beyond noise.",
    ]
    if any(row.selection == ORACLE for row in rows):
        notes.append("The oracle knows the answers: an upper bound and no system, it bears no mark.")
    return Table("Accuracy of every variant, %", ("Variant", *map(plain, benchmarks)), groups, tuple(notes))


def _brief(variant: Variant, benchmark: str) -> str:
    row = next((row for row in variant.rows if row.benchmark == benchmark), None)
    if row is None:
        return MISSING
    helps = None if row.selection == ORACLE else row.helps
    mark = {True: f"{UP}\N{NO-BREAK SPACE}", False: f"{DOWN}\N{NO-BREAK SPACE}", None: ""}[helps]
    return mark + percent(row.accuracy.value)


def _detail(benchmark: str, rows: Sequence[ComponentRow]) -> Table:
    footnotes = Footnotes()
    own = [row for row in _by_section(rows) if row.benchmark == benchmark]
    head = (
        "Variant",
        "Accuracy, %",
        "Difference to base, points",
        "Gap recovered, %",
        "Prompt tokens",
        "Completion tokens",
        "Items",
        "Runs",
        "Reads as",
    )
    groups = group_by(
        (
            SECTIONS[row.section],
            (
                f"{plain(row.label)}{footnotes.mark(plain(row.note))}",
                percent(row.accuracy),
                points(row.difference),
                whole_percent(row.gap_recovered),
                count(row.prompt_tokens),
                count(row.completion_tokens),
                count(row.num_items),
                count(row.num_runs),
                say_helps(row),
            ),
        )
        for row in own
    )
    caption = f"{plain(benchmark).capitalize()} average" if benchmark in AVERAGES else plain(benchmark)
    notes = (*footnotes.lines(), INTERVALS)
    return drop_empty_columns(Table(caption, head, groups, notes, has_last_words=True))


def _by_section(rows: Sequence[ComponentRow]) -> list[ComponentRow]:
    order = list(SECTIONS)
    return sorted(rows, key=lambda row: order.index(row.section))
