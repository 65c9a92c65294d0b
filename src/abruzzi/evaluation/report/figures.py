"""Chooses what a report draws, from its scores and component tables; a plot that would say nothing is left out.

Nothing is drawn of a value that does not exist, of a system without a second one to compare it with by price, or of a
curve of one point. Every plot has a key in words and an alternative text with its numbers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from abruzzi.evaluation.component_table import ComponentRow, ComponentTable
from abruzzi.evaluation.report.component_tables import AVERAGES, ORACLE, SECTIONS
from abruzzi.evaluation.report.outline import component_key
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.evaluation.report.rows import ScoreRow, name_rows
from abruzzi.pages.canvas import alt_text
from abruzzi.pages.digits import count, percent, points
from abruzzi.pages.looks import BOUND, HELPS, HURTS, UNCLEAR, Look, look
from abruzzi.pages.page import KeyEntry, Plot
from abruzzi.pages.plots import (
    Bar,
    Curve,
    Lengths,
    Point,
    draw_bars,
    draw_curves,
    draw_lengths,
    draw_points,
)
from abruzzi.pages.table import plain
from abruzzi.statistics.estimate import Estimate

Value = TypeVar("Value")


def draw_plots(report: ReportInput) -> dict[str, list[list[Plot]]]:
    """Draw everything that a report has to show.

    Returns:
        Key of the section → its plots in order, those of a kind together.
    """
    rows = [row for row in name_rows(report) if _is_finite(row.score.accuracy)]
    names = list(dict.fromkeys(row.label for row in rows))
    looks = {name: look(number) for number, name in enumerate(names)}
    plots = {component_key(number): _component_plots(number, table) for number, table in enumerate(report.tables)}
    groups: dict[str, list[ScoreRow]] = {}
    for row in rows:
        groups.setdefault(row.benchmark, []).append(row)
    plots["scores"] = [[_price_plot(name, own, looks) for name, own in groups.items() if len(own) > 1]]
    plots["runs"] = [[plot for name, own in groups.items() for plot in _run_plots(name, own, looks)]]
    plots["price"] = [[plot for name, own in groups.items() for plot in _length_plots(name, own, looks)]]
    plots["domains"] = [_domain_plots(groups, looks)]
    return {key: [alike for alike in kinds if alike] for key, kinds in plots.items()}


def _component_plots(number: int, table: ComponentTable) -> list[list[Plot]]:
    rows: dict[str, list[ComponentRow]] = {}
    for row in table.rows:
        if _is_finite(row.accuracy):
            rows.setdefault(row.benchmark, []).append(row)
    key = component_key(number)
    return [
        [plot for name, own in rows.items() for plot in _gain_plots(key, name, own)],
        [plot for name, own in rows.items() for plot in _variant_price_plots(key, name, own)],
        _arm_curve_plots(key, table.curves),
        _arm_length_plots(key, table.lengths),
    ]


def _gain_plots(key: str, benchmark: str, rows: Sequence[ComponentRow]) -> list[Plot]:
    bars: dict[str, list[Bar]] = {}
    looks: list[tuple[str, Look]] = []
    for section, heading in SECTIONS.items():
        for row in rows:
            if row.section == section and row.difference is not None and _is_finite(row.difference):
                words, bar_look = _read_gain(row)
                looks.append((words, bar_look))
                bars.setdefault(heading, []).append(Bar(plain(row.label), row.difference, bar_look))
    if not bars:
        return []
    told = [f"{bar.label} {points(bar.estimate)}" for own in bars.values() for bar in own]
    title = f"Difference to the base: {_name(benchmark)}"
    svg = draw_bars(
        list(bars.items()),
        label="Accuracy above or below the base, points",
        name=f"{key} gain {benchmark}",
        alt=alt_text(title, told),
    )
    return [Plot(title, svg, tuple(KeyEntry(words, shown, "bar") for words, shown in dict.fromkeys(looks)))]


def _read_gain(row: ComponentRow) -> tuple[str, Look]:
    if row.selection == ORACLE:
        return "upper bound", BOUND
    if row.helps is None:
        return "within noise", UNCLEAR
    return ("helps", HELPS) if row.helps else ("hurts", HURTS)


def _variant_price_plots(key: str, benchmark: str, rows: Sequence[ComponentRow]) -> list[Plot]:
    sections = list(SECTIONS)
    entries: list[KeyEntry] = []
    drawn: list[Point] = []
    told: list[str] = []
    seen: dict[str, int] = {}
    for row in rows:
        if row.completion_tokens is None or not math.isfinite(row.completion_tokens):
            continue
        shape = seen[row.section] = seen.get(row.section, -1) + 1
        entries.append(KeyEntry(plain(row.label), look(sections.index(row.section), shape), "point"))
        drawn.append(Point(row.completion_tokens, row.accuracy, entries[-1].look))
        told.append(_tell_point(entries[-1].label, row.accuracy, row.completion_tokens))
    if len(drawn) < 2:
        return []
    title = f"Accuracy against tokens: {_name(benchmark)}"
    svg = draw_points(drawn, name=f"{key} price {benchmark}", alt=alt_text(title, told))
    return [Plot(title, svg, tuple(entries))]


def _arm_curve_plots(key: str, curves: Mapping[str, Mapping[int, Estimate]]) -> list[Plot]:
    made: list[Plot] = []
    for benchmark, arms in _split(curves).items():
        kept = {arm: found for arm, curve in arms.items() if len(found := _finite_points(curve)) > 1}
        if kept:
            looks = {arm: look(number) for number, arm in enumerate(kept)}
            title = f"pass@k by plan: {_name(benchmark)}"
            around = [estimate for curve in kept.values() for estimate in curve.values()]
            made.append(_curve_plot(title, kept, looks, label="pass@k, %", around=around, key=key))
    return made


def _arm_length_plots(key: str, lengths: Mapping[str, Sequence[int]]) -> list[Plot]:
    made: list[Plot] = []
    for benchmark, arms in _split(lengths).items():
        rows = [Lengths(arm, found, (), look(number)) for number, (arm, found) in enumerate(arms.items()) if found]
        if rows:
            made.append(_lengths_plot(f"Length of every candidate by plan: {_name(benchmark)}", rows, key))
    return made


def _price_plot(benchmark: str, rows: Sequence[ScoreRow], looks: Mapping[str, Look]) -> Plot:
    scores = [row.score for row in rows]
    drawn = [Point(s.completion_tokens, s.accuracy, looks[row.label]) for row, s in zip(rows, scores, strict=True)]
    told = [_tell_point(row.marked, s.accuracy, s.completion_tokens) for row, s in zip(rows, scores, strict=True)]
    title = f"Accuracy against tokens: {benchmark}"
    svg = draw_points(drawn, name=f"scores price {benchmark}", alt=alt_text(title, told))
    return Plot(title, svg, tuple(KeyEntry(row.marked, looks[row.label], "point") for row in rows))


def _run_plots(benchmark: str, rows: Sequence[ScoreRow], looks: Mapping[str, Look]) -> list[Plot]:
    kinds = {
        "pass@k": {row.marked: _finite_points(row.score.pass_at) for row in rows},
        "majority@k": {row.marked: _finite_points(row.score.majority_at) for row in rows},
    }
    kept = {kind: {name: curve for name, curve in curves.items() if len(curve) > 1} for kind, curves in kinds.items()}
    around = [estimate for curves in kept.values() for curve in curves.values() for estimate in curve.values()]
    named = {row.marked: looks[row.label] for row in rows}
    return [
        _curve_plot(f"{kind}: {benchmark}", curves, named, label=f"{kind}, %", around=around, key="runs")
        for kind, curves in kept.items()
        if curves
    ]


def _curve_plot(
    title: str,
    curves: Mapping[str, Mapping[int, Estimate]],
    looks: Mapping[str, Look],
    *,
    label: str,
    around: Sequence[Estimate],
    key: str,
) -> Plot:
    told = [
        f"{name} {', '.join(f'{percent(curve[k].value)} % at {k}' for k in sorted(curve))}"
        for name, curve in curves.items()
    ]
    svg = draw_curves(
        [Curve(curve, looks[name]) for name, curve in curves.items()],
        label=label,
        around=around,
        name=f"{key} {title}",
        alt=alt_text(title, told),
    )
    return Plot(title, svg, tuple(KeyEntry(name, looks[name], "line") for name in curves))


def _length_plots(benchmark: str, rows: Sequence[ScoreRow], looks: Mapping[str, Look]) -> list[Plot]:
    drawn = [
        Lengths(row.marked, row.score.chosen_lengths, row.score.spent_lengths, looks[row.label])
        for row in rows
        if row.score.chosen_lengths or row.score.spent_lengths
    ]
    return (
        [_lengths_plot(f"Length of the chosen answer and of everything spent: {benchmark}", drawn, "price")]
        if drawn
        else []
    )


def _lengths_plot(title: str, rows: Sequence[Lengths], key: str) -> Plot:
    told = [
        f"{row.label} from {count(min(all_))} to {count(max(all_))} tokens"
        for row in rows
        for all_ in [(*row.chosen, *row.spent)]
    ]
    svg = draw_lengths(rows, name=f"{key} {title}", alt=alt_text(title, told))
    entries = [KeyEntry("chosen", UNCLEAR, "bar"), KeyEntry("everything spent", UNCLEAR, "outline")]
    return Plot(title, svg, tuple(entries) if any(row.spent for row in rows) else ())


def _domain_plots(groups: Mapping[str, Sequence[ScoreRow]], looks: Mapping[str, Look]) -> list[Plot]:
    """Draw a plot for each domain: benchmarks as groups, systems as bars."""
    rows = [row for own in groups.values() for row in own]
    made: list[Plot] = []
    for domain in dict.fromkeys(domain for row in rows for domain in row.score.domains):
        bars: dict[str, list[Bar]] = {}
        for row in rows:
            accuracy = row.score.domains.get(domain)
            if accuracy is not None and _is_finite(accuracy):
                bars.setdefault(row.benchmark, []).append(Bar(row.marked, accuracy, looks[row.label]))
        if bars:
            title = f"Accuracy: {plain(domain)}"
            told = [f"{bar.label} on {name} {percent(bar.estimate)} %" for name, own in bars.items() for bar in own]
            svg = draw_bars(list(bars.items()), label="Accuracy, %", name=f"domain {domain}", alt=alt_text(title, told))
            made.append(Plot(title, svg))
    return made


def _split(named: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Turn ``benchmark/arm`` → value into benchmark → arm → value."""
    found: dict[str, dict[str, Value]] = {}
    for name, value in named.items():
        benchmark, _, arm = name.rpartition("/")
        found.setdefault(benchmark, {})[plain(arm)] = value
    return found


def _finite_points(curve: Mapping[int, Estimate]) -> dict[int, Estimate]:
    return {k: estimate for k, estimate in sorted(curve.items()) if k > 0 and _is_finite(estimate)}


def _is_finite(estimate: Estimate) -> bool:
    return all(map(math.isfinite, (estimate.value, estimate.low, estimate.high)))


def _name(benchmark: str) -> str:
    return f"{plain(benchmark)} average" if benchmark in AVERAGES else plain(benchmark)


def _tell_point(label: str, accuracy: Estimate, tokens: float) -> str:
    return f"{label} {percent(accuracy)} % for {count(tokens)} tokens"
