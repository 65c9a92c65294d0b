"""Rows of a report: every score with its names, and a mark where it is not comparable with the rest.

Where one solver played in all of them, its name goes without saying and a row is called by its system alone. A
generated benchmark goes without its settings where the rest of its name tells it from the others; they stand with the
provenance.
"""

from collections import Counter
from dataclasses import dataclass

from abruzzi.evaluation.components import short_names
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.evaluation.scores import Score
from abruzzi.pages.table import DAGGER, plain


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A score with the names it goes by."""

    score: Score
    benchmark: str
    label: str
    """Unlike any other of the benchmark."""
    is_comparable: bool
    """False when ``ReportInput.differences`` names it."""

    @property
    def marked(self) -> str:
        """The label, with a dagger where the row is not comparable with the rest."""
        return self.label if self.is_comparable else f"{self.label}\N{NO-BREAK SPACE}{DAGGER}"


def name_rows(report: ReportInput) -> tuple[ScoreRow, ...]:
    """Name the scores; those of one benchmark stand together, both in the order of first appearance."""
    shorten = short_labels(report)
    rows: list[ScoreRow] = []
    for benchmark, name in short_benchmarks(report).items():
        seen: Counter[str] = Counter()
        for score in report.scores:
            protocol = score.protocol
            if protocol.benchmark.name != benchmark:
                continue
            label = shorten[protocol.label]
            seen[label] += 1
            rows.append(
                ScoreRow(
                    score,
                    name,
                    label if seen[label] == 1 else f"{label} ({seen[label]})",
                    is_comparable=not ({protocol.label, f"{benchmark}/{protocol.label}"} & report.differences.keys()),
                )
            )
    return tuple(rows)


def short_labels(report: ReportInput) -> dict[str, str]:
    """Protocol label → the name that the report uses for it."""
    solvers = {score.protocol.models["solver"].name for score in report.scores}
    return {
        score.protocol.label: plain(score.protocol.system if len(solvers) == 1 else score.protocol.label)
        for score in report.scores
    }


def short_benchmarks(report: ReportInput) -> dict[str, str]:
    """Full name → the name that the report uses for it, in the order of first appearance."""
    names = list(dict.fromkeys(score.protocol.benchmark.name for score in report.scores))
    return {name: plain(short) for name, short in short_names(names).items()}


def mark_label(report: ReportInput, label: str, benchmark: str | None = None) -> str:
    """Give the report's name for a system, with a dagger where it is not comparable with the rest.

    Args:
        report: what is shown.
        label: of its protocol.
        benchmark: where; None for a value over several, which one marked row marks.
    """
    short = short_labels(report).get(label, plain(label))
    keys = report.differences.keys()
    one_of_several = benchmark is None and any(key.endswith(f"/{label}") for key in keys)
    is_marked = label in keys or f"{benchmark}/{label}" in keys or one_of_several
    return f"{short}\N{NO-BREAK SPACE}{DAGGER}" if is_marked else short


def difference_notes(report: ReportInput) -> tuple[str, ...]:
    """Say why marked rows are not comparable with the rest, a footnote each."""
    names, benchmarks = short_labels(report), short_benchmarks(report)
    for score in report.scores:
        protocol, benchmark = score.protocol, score.protocol.benchmark.name
        names[f"{benchmark}/{protocol.label}"] = f"{names[protocol.label]} on {benchmarks[benchmark]}"
    return tuple(
        f"{DAGGER} {names.get(key, plain(key))} is not comparable with the rest: {plain('; '.join(reasons))}."
        for key, reasons in report.differences.items()
    )
