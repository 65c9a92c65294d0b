"""What a report's numbers say, a sentence each, written from the numbers alone.

A part counts as helping on a benchmark when the 95 % interval of its paired difference to the base lies above zero, and
in no other case. Where nothing helps, the first sentence says so. Averages over benchmarks are left to the tables.
"""

from collections.abc import Sequence

from abruzzi.evaluation.component_table import ComponentRow, ComponentTable
from abruzzi.evaluation.report.component_tables import AVERAGES, ORACLE, group_variants, solver_of
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.evaluation.report.rows import ScoreRow, mark_label, name_rows, short_benchmarks
from abruzzi.evaluation.report.score_tables import SIGNIFICANT
from abruzzi.evaluation.samples import UNSCORED, SampleOutcome
from abruzzi.pages.digits import count, p_value, percent, points
from abruzzi.pages.page import Finding, Kind
from abruzzi.pages.table import DAGGER, join_words, plain
from abruzzi.statistics.estimate import Estimate

MANY_CUT = 0.1
"""A share of truncated samples above this is worth a sentence."""
FEW = 3
"""Up to so many benchmarks are named one by one; of more, a sentence gives their number and the range."""
_PER_CENT = "\N{NO-BREAK SPACE}%"


def summarise(report: ReportInput) -> list[Finding]:
    """Write the summary: what helped, what the systems reached, and what a reader must be careful about."""
    findings: list[Finding] = []
    for table in report.tables:
        model = solver_of(table) if len(report.tables) > 1 else ""
        findings += _component_findings(table, model)
    rows = name_rows(report)
    findings += _score_findings(rows)
    findings += _paired_findings(report)
    findings += _average_findings(report)
    if rows:
        findings += [_clean_finding(rows), _sample_finding(rows)]
        findings += _truncation_findings(rows)
    if report.differences:
        text = f"what is marked {DAGGER} was made under other settings than the rest; the footnotes say which."
        findings.append(Finding("caution", "Unequal settings:", text))
    return findings


def _component_findings(table: ComponentTable, model: str) -> list[Finding]:
    judged: list[Finding] = []
    for variant in group_variants(table.rows):
        own = [row for row in variant.rows if row.difference is not None and row.benchmark not in AVERAGES]
        judged += [_judge_variant(variant.label, own, table)] if own else []
    return [_headline(judged, model), *judged] if judged else []


def _headline(judged: Sequence[Finding], model: str) -> Finding:
    subject = f"In short, for {model}:" if model else "In short:"
    tried = [finding for finding in judged if finding.kind != "bound"]
    everywhere = [finding.subject for finding in tried if finding.kind == "helps"]
    in_part = [finding.subject for finding in tried if finding.kind == "helps in part"]
    if not everywhere and not in_part:
        return Finding("does not help", subject, f"none of the {len(tried)} variants beats the base beyond noise.")
    if not everywhere:
        return Finding(
            "helps in part", subject, f"no variant helps everywhere; on some benchmarks {_join(in_part)} do."
        )
    rest = len(tried) - len(everywhere) - len(in_part)
    text = f"{_join(everywhere)} beat the base on every benchmark"
    text += f", {_join(in_part)} on some" if in_part else ""
    return Finding("helps", subject, text + (f"; {rest} of {len(tried)} variants on none." if rest else "."))


def _judge_variant(subject: str, rows: Sequence[ComponentRow], table: ComponentTable) -> Finding:
    first = rows[0]
    if first.selection == ORACLE:
        reached = join_words([f"{percent(row.accuracy.value)}{_PER_CENT} on {plain(row.benchmark)}" for row in rows])
        if len(rows) > FEW:
            low, high = (percent(pick(row.accuracy.value for row in rows)) for pick in (min, max))
            reached = f"{low} to {high}{_PER_CENT} on {len(rows)} benchmarks"
        return Finding("bound", subject, f"would reach {reached}: no choice among the same candidates can do better.")
    helping = [row for row in rows if row.helps]
    hurting = [row for row in rows if row.helps is False]
    unclear = [row for row in rows if row.helps is None]
    if not helping and not hurting and len(unclear) >= FEW:
        text = f"makes no difference beyond noise on any of {len(rows)} benchmarks ({_spread(rows)})"
    else:
        parts = [f"helps on {_list(helping)}"] if helping else []
        parts += [f"hurts on {_list(hurting)}"] if hurting else []
        parts += [f"makes no difference beyond noise on {_list(unclear)}"] if unclear else []
        text = "; it ".join(parts)
    if first.section == "placebo" and helping:
        text += "; where a plan without content helps, more than the plan’s content is at work"
    if first.section == "equal budget":
        text += _against_full(rows, table)
    kind: Kind = "does not help" if not helping else "helps in part" if hurting or unclear else "helps"
    return Finding(kind, subject, text + ".")


def _against_full(rows: Sequence[ComponentRow], table: ComponentTable) -> str:
    """Compare rows of an equal budget with the system whose tokens they may spend: planned, with most candidates."""
    pairs: list[tuple[ComponentRow, ComponentRow]] = []
    for row in rows:
        full = [
            other
            for other in table.rows
            if (other.section, other.benchmark, other.plan) == ("components", row.benchmark, "plan") and other.n > 1
        ]
        if full:
            pairs.append((row, max(full, key=lambda other: other.n)))
    if len(pairs) > FEW:
        num_equal = sum(row.accuracy.value >= full.accuracy.value for row, full in pairs)
        return f"; it reaches at least what the full system does on {num_equal} of {len(pairs)} benchmarks"
    phrases = [
        f"{percent(row.accuracy.value)}{_PER_CENT} against {percent(full.accuracy.value)}{_PER_CENT} "
        f"on {plain(row.benchmark)}"
        for row, full in pairs
    ]
    return f"; beside the full system it reaches {join_words(phrases)}" if phrases else ""


def _list(rows: Sequence[ComponentRow]) -> str:
    if len(rows) > FEW:
        return f"{len(rows)} benchmarks ({_spread(rows)})"
    return join_words([f"{plain(row.benchmark)} ({points(row.difference)})" for row in rows])


def _spread(rows: Sequence[ComponentRow]) -> str:
    values = sorted(row.difference.value for row in rows if row.difference is not None)
    return f"{points(values[0])} to {points(values[-1])} points"


def _join(subjects: Sequence[str]) -> str:
    return join_words([f"“{subject}”" for subject in subjects])


def _score_findings(rows: Sequence[ScoreRow]) -> list[Finding]:
    findings: list[Finding] = []
    for benchmark in dict.fromkeys(row.benchmark for row in rows):
        ranked = sorted((r for r in rows if r.benchmark == benchmark), key=lambda r: -r.score.accuracy.value)
        text = f"{ranked[0].marked} reaches {_at_price(ranked[0])}"
        cheapest = min(ranked, key=_tokens)
        if cheapest is not ranked[0]:
            text += f"; the cheapest, {cheapest.marked}, reaches {_at_price(cheapest)}"
        elif len(ranked) > 1:
            text += ", the most accurate and the cheapest of its rows"
        findings.append(Finding("result", f"{benchmark}:", text + "."))
    return findings


def _at_price(row: ScoreRow) -> str:
    accuracy = percent(row.score.accuracy).replace(" [", f"{_PER_CENT} [")
    return f"{accuracy} for {count(_tokens(row))} tokens a question"


def _tokens(row: ScoreRow) -> float:
    return row.score.prompt_tokens + row.score.completion_tokens


def _paired_findings(report: ReportInput) -> list[Finding]:
    if not report.paired:
        return []
    apart = [row for row in report.paired if row.p_holm < SIGNIFICANT]
    subject = "Head to head:"
    if not apart:
        text = f"none of {len(report.paired)} paired comparisons stands after Holm’s correction."
        return [Finding("caution", subject, text)]
    names = short_benchmarks(report)
    phrases: list[str] = []
    for row in apart:
        labels = [mark_label(report, label, row.benchmark) for label in (row.first, row.second)]
        better, worse = labels if row.difference.value > 0 else reversed(labels)
        margin = points(abs(row.difference.value)).lstrip("+")
        p = p_value(row.p_holm)
        equals = "" if p.startswith("<") else "= "
        where = names.get(row.benchmark, plain(row.benchmark))
        phrases.append(f"{better} beats {worse} on {where} by {margin} points (p {equals}{p})")
    rest = len(report.paired) - len(apart)
    text = join_words(phrases) + (f"; {rest} of {len(report.paired)} pairs are not told apart" if rest else "")
    return [Finding("result", subject, text + ".")]


def _average_findings(report: ReportInput) -> list[Finding]:
    if len(report.averages) < 2:
        return []
    names = short_benchmarks(report)
    phrases: list[str] = []
    for name in ("micro", "macro"):
        best: dict[str | None, str] = {}
        values: dict[str | None, float] = {}
        for system, rows in report.averages.items():
            for row in rows:
                average: Estimate | float = getattr(row, name)
                value = average.value if isinstance(average, Estimate) else average
                if row.left_out not in best or value > values[row.left_out]:
                    best[row.left_out], values[row.left_out] = mark_label(report, system), value
        if None not in best:
            continue
        changes = [
            f"{best[left]} without {names.get(left, plain(left))}" for left in best if left and best[left] != best[None]
        ]
        stays = ", whichever benchmark is left out" if len(best) > 1 else ""
        phrases.append(
            f"{best[None]} leads the {name} average" + (f", but {join_words(changes)}" if changes else stays)
        )
    return [Finding("result", "On average:", "; ".join(phrases) + ".")] if phrases else []


def _clean_finding(rows: Sequence[ScoreRow]) -> Finding:
    subject = "Contamination:"
    checked = [row for row in rows if row.score.clean_accuracy is not None]
    if not checked:
        return Finding("caution", subject, "no report was given, so how clean the items are is not known.")
    sets = dict.fromkeys((r.benchmark, r.score.num_clean or 0, r.score.num_items) for r in checked)
    shares = join_words([f"{count(clean)} of {count(items)} on {name}" for name, clean, items in sets])
    if len(sets) > FEW:
        clean, items = (sum(numbers) for numbers in list(zip(*sets, strict=True))[1:])
        shares = f"{count(clean)} of {count(items)} on {len(sets)} benchmarks"
    widest = max(checked, key=lambda row: abs(_clean_change(row)))
    change = f"{points(_clean_change(widest))} points ({widest.marked} on {widest.benchmark})"
    rest = f"; {len(rows) - len(checked)} of {len(rows)} rows were not checked" if len(checked) < len(rows) else ""
    return Finding("result", subject, f"clean items are {shares}; counting only them changes most by {change}{rest}.")


def _clean_change(row: ScoreRow) -> float:
    clean = row.score.clean_accuracy
    return 0.0 if clean is None else clean.value - row.score.accuracy.value


def _sample_finding(rows: Sequence[ScoreRow]) -> Finding:
    subject = "Samples:"
    total = sum(sum(row.score.outcomes.values()) for row in rows)
    unscored = {o: sum(row.score.outcomes.get(o, 0) for row in rows) for o in SampleOutcome if o in UNSCORED}
    missing = sum(row.score.num_missing for row in rows)
    if not missing and not any(unscored.values()):
        return Finding("result", subject, f"all {count(total)} that were asked for are recorded and scored.")
    parts = [f"{count(number)} {outcome.value}" for outcome, number in unscored.items() if number]
    parts += [f"{count(missing)} missing"] if missing else []
    scored = count(total - sum(unscored.values()))
    return Finding("caution", subject, f"{join_words(parts)}, not counted as wrong; {scored} are scored.")


def _truncation_findings(rows: Sequence[ScoreRow]) -> list[Finding]:
    cut = [row for row in rows if row.score.truncated_share > MANY_CUT]
    if not cut:
        return []
    worst = max(cut, key=lambda row: row.score.truncated_share)
    share = f"{percent(worst.score.truncated_share)}{_PER_CENT} ({worst.marked} on {worst.benchmark})"
    text = f"in {len(cut)} of {len(rows)} rows more than a tenth of the chosen answers were cut; at most {share}."
    return [Finding("caution", "Truncation:", text)]
