"""Tables of scores: how good, at which price, what became of every sample, over many runs, by domain, on average.

Nothing is hidden: failed, broken and missing samples have their columns also where they are all zero.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median, quantiles

from abruzzi.evaluation.report.report_input import PairedRow, ReportInput
from abruzzi.evaluation.report.rows import ScoreRow, difference_notes, mark_label, name_rows, short_benchmarks
from abruzzi.evaluation.samples import SampleOutcome
from abruzzi.evaluation.scores import Score
from abruzzi.nouns import DecidedBy
from abruzzi.pages.digits import MISSING, count, p_value, percent, points, quantity, whole_percent
from abruzzi.pages.table import Group, Table, drop_empty_columns, group_by, plain
from abruzzi.statistics.estimate import Estimate

SIGNIFICANT = 0.05
"""A corrected p value below this tells two systems apart."""
MAX_POINTS = 6
"""Values of k that a table has room for."""

_Column = tuple[str, Callable[[Score], str]]


def score_tables(report: ReportInput) -> list[Table]:
    """Make the tables of accuracy, paired comparisons and averages."""
    rows = name_rows(report)
    made = [_accuracy_table(report, rows)] if rows else []
    if report.paired:
        made.append(_paired_table(report))
    return made + average_tables(report)


def price_tables(report: ReportInput) -> list[Table]:
    """Make the tables of tokens and seconds, of lengths, and of what became of the samples."""
    rows = name_rows(report)
    if not rows:
        return []
    made = [_price_table(rows), _outcome_table(rows)]
    if any(row.score.chosen_lengths or row.score.spent_lengths for row in rows):
        made.append(_length_table(rows))
    choosing = [row for row in rows if set(row.score.decided_by) - {DecidedBy.ONLY_CANDIDATE}]
    return [*made, _decision_table(choosing)] if choosing else made


def curve_tables(report: ReportInput) -> list[Table]:
    """Make the table of pass@k, majority@k and best@k, where anything was run more than once."""
    rows = [row for row in name_rows(report) if len(row.score.pass_at) > 1]
    ks = sorted({k for row in rows for curve in _curves(row.score).values() for k in curve})
    if not ks:
        return []
    # The last of the kept ones is the largest k, whatever must go.
    kept = ks if len(ks) <= MAX_POINTS else [*[k for k in ks if k & (k - 1) == 0 and k != ks[-1]], ks[-1]][-MAX_POINTS:]
    cells = [
        (row.benchmark, (row.marked, name, *(percent(curve.get(k)) for k in kept)))
        for row in rows
        for name, curve in _curves(row.score).items()
    ]
    head = ("System", "Measure, %", *(f"k = {k}" for k in kept))
    return [Table("Accuracy over k runs", head, group_by(cells), num_text=2)]


def domain_tables(report: ReportInput) -> list[Table]:
    """Make the table of accuracy by domain, for benchmarks that have more than one."""
    rows = [row for row in name_rows(report) if len(row.score.domains) > 1]
    if not rows:
        return []
    cells = [
        (row.benchmark, (row.marked, plain(domain), percent(accuracy)))
        for row in rows
        for domain, accuracy in row.score.domains.items()
    ]
    return [Table("Accuracy by domain", ("System", "Domain", "Accuracy, %"), group_by(cells), num_text=2)]


def average_tables(report: ReportInput) -> list[Table]:
    """Make the table of averages over benchmarks, all and with each left out."""
    names = short_benchmarks(report)
    cells = [
        (
            mark_label(report, system),
            (
                "all benchmarks" if row.left_out is None else f"without {names.get(row.left_out, plain(row.left_out))}",
                percent(row.micro),
                percent(row.macro),
            ),
        )
        for system, rows in report.averages.items()
        for row in rows
    ]
    if not cells:
        return []
    notes = ("The micro average weighs by items, the macro average weighs every benchmark the same.",)
    return [Table("Averages, and without each benchmark", ("Over", "Micro, %", "Macro, %"), group_by(cells), notes)]


def _accuracy_table(report: ReportInput, rows: Sequence[ScoreRow]) -> Table:
    columns: list[_Column] = [
        ("Accuracy, %", lambda s: percent(s.accuracy)),
        ("Clean items only, %", lambda s: percent(s.clean_accuracy)),
        ("Before choosing, %", lambda s: percent(s.candidate_accuracy)),
        ("Oracle, %", lambda s: percent(s.oracle)),
        ("Gap recovered, %", lambda s: whole_percent(s.gap_recovered)),
        ("Items", lambda s: count(s.num_items)),
        ("Of them clean", lambda s: count(s.num_clean)),
        ("Runs", lambda s: count(s.protocol.runs)),
    ]
    notes = [*difference_notes(report), "Means over all runs; brackets hold 95 % intervals, clustered by question."]
    if not any(row.score.clean_accuracy for row in rows):
        notes.append("No contamination report was given: how clean these items are is not known.")
    return drop_empty_columns(_tabulate("Accuracy", rows, columns, notes))


def _price_table(rows: Sequence[ScoreRow]) -> Table:
    columns: list[_Column] = [
        ("Prompt tokens", lambda s: count(s.prompt_tokens)),
        ("Completion tokens", lambda s: count(s.completion_tokens)),
        ("Tokens per correct", lambda s: _per_correct(s, s.tokens_per_correct, count)),
        ("Seconds", lambda s: quantity(s.seconds)),
        ("Seconds per correct", lambda s: _per_correct(s, s.seconds_per_correct, quantity)),
        ("Cost", lambda s: quantity(s.cost)),
        ("Cost per correct", lambda s: MISSING if s.cost is None else _per_correct(s, s.cost_per_correct, quantity)),
    ]
    notes = ["Means per question over all calls, planner, every candidate and judge; “per correct” counts both kinds."]
    return drop_empty_columns(_tabulate("Price per question", rows, columns, notes))


def _per_correct(score: Score, value: float | None, write: Callable[[float | None], str]) -> str:
    return "none correct" if value is None and not score.outcomes.get(SampleOutcome.CORRECT) else write(value)


def _outcome_table(rows: Sequence[ScoreRow]) -> Table:
    columns: list[_Column] = [("Samples", lambda s: count(sum(s.outcomes.values())))]
    columns += [(outcome.value.capitalize(), _counter(outcome)) for outcome in SampleOutcome]
    columns.append(("Missing", lambda s: count(s.num_missing)))
    columns.append(("Truncated, %", lambda s: percent(s.truncated_share)))
    notes = [
        "Unparsed and timed-out samples score 0. Error (item or verifier broken), failed (no answer came) and missing "
        "(not run yet) have no score and stay out of the accuracy. Truncated: the chosen candidate was cut at its "
        "limit."
    ]
    return _tabulate("What became of every sample", rows, columns, notes)


def _counter(outcome: SampleOutcome) -> Callable[[Score], str]:
    return lambda score: count(score.outcomes.get(outcome, 0))


def _length_table(rows: Sequence[ScoreRow]) -> Table:
    columns: list[_Column] = [
        ("Chosen, median", lambda s: count(_median(s.chosen_lengths))),
        ("Chosen, 90th percentile", lambda s: count(_ninetieth(s.chosen_lengths))),
        ("All spent, median", lambda s: count(_median(s.spent_lengths))),
        ("All spent, 90th percentile", lambda s: count(_ninetieth(s.spent_lengths))),
    ]
    return drop_empty_columns(_tabulate("Generated tokens per sample", rows, columns))


def _median(values: Sequence[int]) -> float | None:
    return median(values) if values else None


def _ninetieth(values: Sequence[int]) -> float | None:
    return quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else _median(values)


def _decision_table(rows: Sequence[ScoreRow]) -> Table:
    used = [decided for decided in DecidedBy if any(row.score.decided_by.get(decided) for row in rows)]
    columns: list[_Column] = [(decided.value.replace("_", " ").capitalize(), _decider(decided)) for decided in used]
    return _tabulate("What settled the samples, % of them", rows, columns)


def _decider(decided: DecidedBy) -> Callable[[Score], str]:
    def share(score: Score) -> str:
        total = sum(score.decided_by.values())
        return percent(score.decided_by.get(decided, 0) / total) if total else MISSING

    return share


def _paired_table(report: ReportInput) -> Table:
    def cells(row: PairedRow) -> tuple[str, ...]:
        words = "not told apart"
        if row.p_holm < SIGNIFICANT:
            words = "first is better" if row.difference.value > 0 else "second is better"
        labels = [mark_label(report, label, row.benchmark) for label in (row.first, row.second)]
        return (*labels, points(row.difference), p_value(row.p_value), p_value(row.p_holm), words)

    head = ("First", "Second", "Difference, points", "p", "p after Holm", "Reads as")
    names = short_benchmarks(report)
    groups = group_by((names.get(row.benchmark, plain(row.benchmark)), cells(row)) for row in report.paired)
    notes = (f"First minus second, paired by question; told apart where p after Holm is below {SIGNIFICANT}.",)
    return Table("Systems against one another", head, groups, notes, num_text=2, has_last_words=True)


def _curves(score: Score) -> Mapping[str, Mapping[int, Estimate]]:
    curves = {"pass@k": score.pass_at, "majority@k": score.majority_at}
    if score.best_at != score.pass_at:
        curves["best@k"] = score.best_at
    return {name: curve for name, curve in curves.items() if curve}


def _tabulate(caption: str, rows: Iterable[ScoreRow], columns: Sequence[_Column], notes: Sequence[str] = ()) -> Table:
    groups: tuple[Group, ...] = group_by(
        (row.benchmark, (row.marked, *(write(row.score) for _, write in columns))) for row in rows
    )
    return Table(caption, ("System", *(name for name, _ in columns)), groups, tuple(notes))
