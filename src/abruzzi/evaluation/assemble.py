"""Assembles a report from folders: scores, component tables, paired comparisons and averages.

Scores of one benchmark that were made under unequal settings are refused a place in one table, with what differs named;
a reader who asks for them all the same gets them marked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from abruzzi.data.contamination.report import Report, read_report
from abruzzi.errors import ConfigError
from abruzzi.evaluation.components import compute_components
from abruzzi.evaluation.folder import ABLATION_FILE, Evaluation, find_folders, read_ablation, read_evaluation
from abruzzi.evaluation.protocol import differences
from abruzzi.evaluation.report.report_input import PairedRow, ReportInput
from abruzzi.evaluation.scores import Score, compute_score
from abruzzi.statistics.averages import Averages, leave_one_out_estimates
from abruzzi.statistics.costs import Price
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.paired import holm, paired_difference, permutation_test


@dataclass(frozen=True, slots=True)
class Assembly:
    """How a report is to be put together."""

    title: str
    facts: Mapping[str, str]
    """Command, date, machine."""
    contamination: Path | None = None
    """A report of ``abruzzi data contamination``; None: nobody looked."""
    prices: Mapping[str, Price] | None = None
    is_mixed: bool = False
    """Let scores of unequal settings into one table, marked."""


def assemble_report(places: Sequence[Path], assembly: Assembly) -> ReportInput:
    """Read folders and put together what a report shows.

    Args:
        places: folders of evaluations and ablations, or folders above them.
        assembly: how.

    Raises:
        DataError: a place holds no evaluation, or an evaluation no scored sample.
        ConfigError: scores of one benchmark were made under unequal settings.
        RecordError: a folder cannot be read.
    """
    folders = list(find_folders(places))
    evaluations = [read_evaluation(folder) for folder in folders if not (folder / ABLATION_FILE).exists()]
    tables = [compute_components(read_ablation(folder), {}) for folder in folders if (folder / ABLATION_FILE).exists()]
    found = None if assembly.contamination is None else read_report(assembly.contamination)
    scores = score_evaluations(evaluations, found, assembly.prices)
    return ReportInput(
        title=assembly.title,
        scores=scores,
        tables=tuple(tables),
        differences=find_differences(scores, is_mixed=assembly.is_mixed),
        paired=compare_pairs(evaluations),
        averages=average_systems(scores),
        facts=assembly.facts,
    )


def score_evaluations(
    evaluations: Sequence[Evaluation], contamination: Report | None = None, prices: Mapping[str, Price] | None = None
) -> tuple[Score, ...]:
    """Compute the scores of evaluations, those of one benchmark together.

    Raises:
        DataError: one has no scored sample.
        ConfigError: a model has no price, or the contamination report is about other items.
    """
    ordered = sorted(evaluations, key=lambda evaluation: evaluation.protocol.benchmark.name)
    return tuple(
        compute_score(evaluation, dirty=_find_dirty(evaluation, contamination), prices=prices) for evaluation in ordered
    )


def find_differences(scores: Sequence[Score], *, is_mixed: bool) -> dict[str, tuple[str, ...]]:
    """Name the rows that are not comparable with the first one of their benchmark.

    Returns:
        ``benchmark/label`` → what differs.

    Raises:
        ConfigError: there are such rows, and nobody asked for them.
    """
    first: dict[str, Score] = {}
    marked: dict[str, tuple[str, ...]] = {}
    for score in scores:
        name = score.protocol.benchmark.name
        reference = first.setdefault(name, score).protocol
        if unequal := differences(reference, score.protocol):
            marked[f"{name}/{score.protocol.label}"] = tuple(unequal)
    if marked and not is_mixed:
        lines = "\n".join(f"  {row}: {'; '.join(reasons)}" for row, reasons in marked.items())
        raise ConfigError(
            f"these scores were made under other settings than the first of their benchmark, so that a table of them "
            f"would compare nothing:\n{lines}\nrun them again under equal settings, or pass --mixed to have them marked"
        )
    return marked


def compare_pairs(evaluations: Sequence[Evaluation]) -> tuple[PairedRow, ...]:
    """Compare every two systems of a benchmark on the questions that both answered.

    Returns:
        A row for each pair, p values corrected (Holm) for all pairs together.
    """
    found: list[tuple[str, str, str, Estimate, float]] = []
    for one, other in combinations(evaluations, 2):
        if one.protocol.benchmark != other.protocol.benchmark:
            continue
        first, second = _scores_by_item(one), _scores_by_item(other)
        shared = [item for item in first if item in second]
        if shared:
            pair = [first[item] for item in shared], [second[item] for item in shared]
            test = permutation_test(*pair)
            labels = one.protocol.label, other.protocol.label
            found.append((one.protocol.benchmark.name, *labels, paired_difference(*pair), test.value))
    corrected = holm([row[-1] for row in found])
    return tuple(PairedRow(*row, p_holm=p) for row, p in zip(found, corrected, strict=True))


def average_systems(scores: Sequence[Score]) -> dict[str, tuple[Averages[Estimate], ...]]:
    """Average each system that was run once on all benchmarks, with every benchmark left out in turn.

    Of one that was run on a benchmark twice, say with another seed, nobody can tell which run the average is of.
    """
    benchmarks = sorted({score.protocol.benchmark.name for score in scores})
    by_label: dict[str, list[Score]] = {}
    for score in scores:
        by_label.setdefault(score.protocol.label, []).append(score)
    return {
        label: leave_one_out_estimates(
            {score.protocol.benchmark.name: score.accuracy for score in own},
            {score.protocol.benchmark.name: score.num_items for score in own},
        )
        for label, own in by_label.items()
        if len(benchmarks) > 1 and sorted(score.protocol.benchmark.name for score in own) == benchmarks
    }


def _scores_by_item(evaluation: Evaluation) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = {}
    for sample in evaluation.samples:
        if sample.is_scored:
            scores.setdefault(sample.item, []).append(sample.score)
    return scores


def _find_dirty(evaluation: Evaluation, contamination: Report | None) -> frozenset[str] | None:
    """Ids of the evaluation's items that the contamination report found in a training set."""
    if contamination is None:
        return None
    benchmark = evaluation.protocol.benchmark
    for finding in contamination.benchmarks:
        if finding.items_sha256 == benchmark.items_sha256:
            return frozenset(match.item for match in finding.dirty)
    known = ", ".join(finding.name for finding in contamination.benchmarks)
    raise ConfigError(
        f"the contamination report is about other items than those of {benchmark.name} ({benchmark.num_items} items, "
        f"sha256 {benchmark.items_sha256[:12]}); it holds {known}. Make it anew with --benchmark {benchmark.name}"
    )
