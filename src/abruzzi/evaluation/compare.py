"""Puts a person's runs beside the paper's tables, and says of every pair why the two are not comparable.

Nothing is subtracted and nobody wins: the paper's numbers have no intervals, its items, planner and judge are not
published, and some cells are only remembered. What can be held against each other is listed with what cannot.

Sources: ``paper/paper_tables.csv`` for the cells; articles about the paper (arXiv 2509.07604) for its sampling: 16
runs, temperature 1.0, top-p 0.95, 64k tokens, stop at ``</answer>``; ETH SRI Lab's review for what was criticised.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from abruzzi.evaluation.paper.tables import (
    ABLATION,
    CRITICISM,
    MACRO,
    MAIN,
    MATHS,
    MICRO,
    REBUTTAL,
    Cell,
    find_cells,
    read_sizes,
)
from abruzzi.evaluation.protocol import Protocol
from abruzzi.evaluation.samples import UNSCORED
from abruzzi.evaluation.scores import Score
from abruzzi.pages.digits import percent
from abruzzi.pages.markdown import escape_markdown
from abruzzi.pages.table import plain
from abruzzi.statistics.averages import macro_estimate, micro_estimate
from abruzzi.statistics.estimate import Estimate

COLUMNS: Mapping[str, str] = {
    "aime-2024": "AIME24",
    "aime-2025": "AIME25",
    "hmmt-feb-2025": "HMMT25",
    "omni-math-hard": "Omni-MATH-HARD",
    "livecodebench-v5": "LiveCodeBench v5",
    "scicode": "SciCode sub",
    "scicode-main": "SciCode main",
    "gpqa-diamond": "GPQA-Diamond",
    "hle": "HLE",
}
"""Our benchmark → the paper's column."""
_RUNS, _TEMPERATURE, _TOP_P, _STOP = 16, 1.0, 0.95, "</answer>"
_MAX_TOKENS = (64_000, 65_536)
"""Either is "64k"."""
_NOTES: Mapping[str, str] = {
    "Omni-MATH-HARD": "which 173 problems the paper took is not published; ours are the 173 of highest difficulty",
    "LiveCodeBench v5": "the paper took problems from July 2024 on, ours are from 1 August 2024 to 1 February 2025",
    "SciCode sub": "the authors ask step by step and show the model its own code; here each step is one question",
    "SciCode main": "the authors ask step by step; here a whole problem is one question",
    "HLE": "here no model grades the answers, and questions with images are left out",
}
_FOUND: Mapping[str, tuple[str, str]] = {
    "Omni-MATH-HARD": ("Omni-MATH-HARD problems found in training data", "problems"),
    "LiveCodeBench v5": ("LiveCodeBench share found in training data (%)", "per cent of the problems"),
}
"""Column → the critics' cell, and what it counts."""
_SINGLE = (1, False)
_VARIANTS: Mapping[str, tuple[int, bool]] = {
    "K2-Think 32B": (3, True),
    "SFT+RL checkpoint": _SINGLE,
    "+ Plan only": (1, True),
    "+ Bo3 only": (3, False),
    "+ Plan + Bo3 (K2-Think)": (3, True),
}
"""Row → candidates, and whether a plan was made; the paper's other rows are single samples without one."""


@dataclass(frozen=True, slots=True)
class PaperValue:
    """One of the paper's cells beside a run."""

    cell: Cell
    """In per cent, with its source and whether it was verified."""
    how: str
    """How the answers came about, e.g. ``best of 3 with a plan``."""
    reasons: tuple[str, ...]
    """Why this cell is not comparable with the run, beyond what holds for all."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run, or the average of several, beside the paper's cells."""

    benchmark: str
    """Our name of it; ``MICRO`` or ``MACRO`` for an average over the four maths sets."""
    column: str | None
    """The paper's name of it; None when the paper has no score on it."""
    label: str
    """Our system and solver."""
    how: str
    where: str
    """What was run, in a phrase."""
    ours: Estimate
    """A fraction of 1."""
    values: tuple[PaperValue, ...]
    reasons: tuple[str, ...]
    """Why none of the paper's cells is comparable."""


def compare_with_paper(scores: Sequence[Score]) -> tuple[Comparison, ...]:
    """Put runs beside the paper's cells.

    Args:
        scores: in the order in which they shall appear; those on other benchmarks are let through without cells.

    Returns:
        One comparison for each score, then the averages of each system that was run on all four maths sets.
    """
    return (*map(_compare, scores), *_compare_averages(scores))


def render_comparison(comparisons: Sequence[Comparison]) -> str:
    """Write comparisons as Markdown: a table for each benchmark, and below it what is not comparable, and why."""
    blocks: list[str] = []
    for column in dict.fromkeys(c.column for c in comparisons if c.column is not None):
        blocks += _render_column(column, [c for c in comparisons if c.column == column])
    others = dict.fromkeys(c.benchmark for c in comparisons if c.column is None)
    if others:
        blocks.append(f"The paper has no score on {escape_markdown(plain(', '.join(others)))}.")
    return "\n\n".join(blocks) or "There is no run to compare."


def _compare(score: Score) -> Comparison:
    protocol = score.protocol
    column = COLUMNS.get(protocol.benchmark.name)
    size = "" if score.num_items == protocol.benchmark.num_items else f" of {protocol.benchmark.num_items}"
    return Comparison(
        benchmark=protocol.benchmark.name,
        column=column,
        label=protocol.label,
        how=_describe(_variant(protocol)),
        where=f"{score.num_items}{size} items, {protocol.runs} runs",
        ours=score.accuracy,
        values=() if column is None else _find_values(column, _variant(protocol)),
        reasons=("the paper has no score on it",) if column is None else _find_reasons(score, column),
    )


def _compare_averages(scores: Sequence[Score]) -> Iterator[Comparison]:
    """Average each system over the four maths sets where it was run once on each."""
    systems: dict[str, list[Score]] = {}
    for score in scores:
        if COLUMNS.get(score.protocol.benchmark.name) in MATHS:
            systems.setdefault(f"{score.protocol.label} {score.protocol.models!r}", []).append(score)
    for own in systems.values():
        if sorted(COLUMNS[score.protocol.benchmark.name] for score in own) != sorted(MATHS):
            continue
        parts = [_compare(score) for score in own]
        estimates = {part.benchmark: part.ours for part in parts}
        sizes = {score.protocol.benchmark.name: score.num_items for score in own}
        share = max(sizes.values()) / sum(sizes.values())
        averages = (
            (MICRO, micro_estimate(estimates, sizes), (f"one benchmark has {share:.0%} of the weight",)),
            (MACRO, macro_estimate(estimates), ()),
        )
        for name, ours, reasons in averages:
            yield Comparison(
                benchmark=name,
                column=name,
                label=parts[0].label,
                how=parts[0].how,
                where=" + ".join(str(size) for size in sizes.values()) + " items",
                ours=ours,
                values=_find_values(name, _variant(own[0].protocol)),
                reasons=(*reasons, *_merge({str(part.column): part.reasons for part in parts})),
            )


def _merge(reasons: Mapping[str, Sequence[str]]) -> list[str]:
    """Name reasons that hold for all once, and the others with whom they hold for."""
    merged: list[str] = []
    for reason in dict.fromkeys(reason for own in reasons.values() for reason in own):
        names = [name for name, own in reasons.items() if reason in own]
        merged.append(reason if len(names) == len(reasons) else f"{', '.join(names)}: {reason}")
    return merged


def _find_values(column: str, ours: tuple[int, bool]) -> tuple[PaperValue, ...]:
    cells = [cell for table in (MAIN, ABLATION, REBUTTAL) for cell in find_cells(table, column=column)]
    return tuple(_read_value(cell, ours) for cell in cells if cell.number is not None)


def _read_value(cell: Cell, ours: tuple[int, bool]) -> PaperValue:
    reasons: list[str] = []
    if cell.is_doubtful:
        reasons.append(f"not verified ({cell.verified}): {cell.source}")
    elif not cell.is_verified:
        reasons.append(f"not in the paper, {cell.source}")
    if cell.table == REBUTTAL:
        how = "as MathArena ran it"
        reasons.append("measured by MathArena under settings of its own, not by the paper")
    else:
        theirs = _VARIANTS.get(cell.row, _SINGLE)
        how = _describe(theirs)
        if theirs != ours:
            reasons.append(f"{how} there, {_describe(ours)} here")
    return PaperValue(cell, how, tuple(reasons))


def _variant(protocol: Protocol) -> tuple[int, bool]:
    ask = protocol.ask
    return ask.n, ask.preset == "paper" or ask.plan != "off"


def _describe(variant: tuple[int, bool]) -> str:
    num, has_plan = variant
    return f"{'one sample' if num == 1 else f'best of {num}'}{' with a plan' if has_plan else ''}"


def _find_reasons(score: Score, column: str) -> tuple[str, ...]:
    return (
        *_compare_items(score, column),
        *_compare_sampling(score.protocol),
        *_compare_pipeline(score.protocol),
        *_doubt_paper(column),
        *(["nobody looked whether our models were trained on the items"] if score.clean_accuracy is None else []),
    )


def _compare_items(score: Score, column: str) -> Iterator[str]:
    benchmark, size = score.protocol.benchmark, read_sizes().get(column)
    if size is None:
        yield f"how many items the paper asked is not known; {score.num_items} here"
    elif size != score.num_items:
        yield f"{size} items there, {score.num_items} here"
    yield f"the paper names no revision of the items; {benchmark.revision} here"
    if column in _NOTES:
        yield _NOTES[column]
    unscored = sum(score.outcomes.get(outcome.value, 0) for outcome in UNSCORED) + score.num_missing
    if unscored:
        yield f"{unscored:,} of {benchmark.num_items * score.protocol.runs:,} samples have no score here"


def _compare_sampling(protocol: Protocol) -> Iterator[str]:
    ask = protocol.ask
    if protocol.runs != _RUNS:
        yield f"{_RUNS} runs there, {protocol.runs} here"
    if ask.temperature != _TEMPERATURE:
        yield f"temperature {_TEMPERATURE} there, {ask.temperature} here"
    if ask.top_p != _TOP_P:
        yield f"top-p {_TOP_P} there, {ask.top_p} here"
    for name, value in ask.cuts.items():
        if value:
            yield f"{name.replace('_', '-')} is not mentioned there, {value:g} here"
    if ask.max_tokens not in _MAX_TOKENS:
        limit = "as many as the context allows" if ask.max_tokens is None else f"{ask.max_tokens:,}"
        yield f"at most 64k tokens an answer there, {limit} here"
    if ask.token_budget is not None:
        yield f"no budget of tokens for a question there, {ask.token_budget:,} here"
    if ask.stop != (_STOP,):
        yield f"stop at {_STOP} there, {'at ' + ', '.join(ask.stop) if ask.stop else 'no stop string'} here"


def _compare_pipeline(protocol: Protocol) -> Iterator[str]:
    for role in ("planner", "judge"):
        if role in protocol.models:
            yield f"{role}: a large outside model that the paper does not name there, {protocol.models[role].name} here"
    if protocol.ask.preset == "default" and protocol.ask.n > 1:
        yield "the judge compares all candidates there, agreement decides first here"


def _doubt_paper(column: str) -> Iterator[str]:
    yield "the paper gives no interval"
    if column in _FOUND:
        name, what = _FOUND[column]
        for cell in find_cells(CRITICISM, row="contamination", column=name):
            yield f"an independent review found {cell.value} {what} in the paper's training data"


def _render_column(column: str, comparisons: Sequence[Comparison]) -> list[str]:
    rows = [
        ("score of", "answers", "score, %", "verified", "source"),
        ("---", "---", "---:", "---", "---"),
        *((c.label, c.how, percent(c.ours), "measured here", c.where) for c in comparisons),
        *(
            (_name(value.cell), value.how, value.cell.value, value.cell.verified, value.cell.source)
            for value in comparisons[0].values
        ),
    ]
    names = [comparison.label for comparison in comparisons]
    labels = [name if names.count(name) == 1 else f"{name}, no. {i}" for i, name in enumerate(names, start=1)]
    reasons = _merge(dict(zip(labels, (c.reasons for c in comparisons), strict=True)))
    doubtful = [value.cell.row for value in comparisons[0].values if value.cell.is_doubtful]
    if doubtful:
        reasons.append(f"not verified: {', '.join(dict.fromkeys(doubtful))}")
    if any(value.cell.table == REBUTTAL for value in comparisons[0].values):
        reasons.append("MathArena's rows were measured under settings of its own, not by the paper")
    reasons.append("rows whose answers came about in another way (second column) differ in more than the model")
    table = "\n".join(f"| {' | '.join(row if row[0] == '---' else map(_escape, row))} |" for row in rows)
    listed = "\n".join(f"- {_escape(reason)}" for reason in reasons)
    return [f"### {_escape(column)}", table, f"Not comparable, because\n\n{listed}"]


def _name(cell: Cell) -> str:
    return {ABLATION: f"{cell.row} (ablation)", REBUTTAL: f"{cell.row} (MathArena)"}.get(cell.table, cell.row)


def _escape(text: str) -> str:
    return escape_markdown(plain(text))
