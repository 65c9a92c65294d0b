"""Scores: what one system reached on one benchmark, at which price, computed from its samples."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypedDict

from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.evaluation.folder import Evaluation
from abruzzi.evaluation.protocol import Protocol
from abruzzi.evaluation.samples import Sample, SampleOutcome
from abruzzi.statistics.costs import Price, sum_costs
from abruzzi.statistics.curves import best_curve, majority_curve, pass_curve
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.intervals import clustered_gap_recovered, clustered_mean
from abruzzi.verifiers.agree import agree_quickly
from abruzzi.verifiers.cluster import cluster
from abruzzi.verifiers.router import route


@dataclass(frozen=True, slots=True)
class Score:
    """One system on one benchmark. Accuracies, shares and gaps are fractions of 1; lengths and budgets are tokens."""

    protocol: Protocol
    """What it was made under; names system, benchmark and models."""
    num_items: int
    """Items with at least one scored sample."""
    num_missing: int
    """Samples that the protocol asks for and the record does not hold."""
    outcomes: Mapping[str, int]
    """Samples by ``SampleOutcome``, all of them."""
    accuracy: Estimate
    """mean@k: mean score over the runs, clustered by question."""
    clean_accuracy: Estimate | None
    """The same over the items that no training set holds; None without a contamination report."""
    num_clean: int | None
    pass_at: Mapping[int, Estimate]
    """k → unbiased pass@k over the runs."""
    majority_at: Mapping[int, Estimate]
    """k → accuracy of a plain majority among k runs."""
    best_at: Mapping[int, Estimate]
    """k → expected best score among k runs: pass@k where scores are 0 or 1."""
    candidate_accuracy: Estimate | None
    """pass@1 of the system's candidates before any choice; None where it samples one, or cancels some."""
    oracle: Estimate | None
    """Share of samples with a correct candidate: what a perfect choice would reach; None where it samples one."""
    gap_recovered: Estimate | None
    """(accuracy − candidate accuracy) / (oracle − candidate accuracy); None where there is no gap."""
    prompt_tokens: float
    """Per question, all calls."""
    completion_tokens: float
    """Per question, all calls."""
    tokens_per_correct: float | None
    """Prompt and completion tokens spent for each correct sample; None when none is."""
    seconds: float
    """Per question."""
    seconds_per_correct: float | None
    cost: float | None
    """Per question, in the currency of the prices given; None without prices."""
    cost_per_correct: float | None
    chosen_lengths: tuple[int, ...]
    """Generated tokens of the chosen candidate, a number a sample, where the endpoint tells."""
    spent_lengths: tuple[int, ...]
    """Generated tokens of everything spent, a number a sample."""
    truncated_share: float
    """Of samples whose chosen candidate was cut at its limit."""
    domains: Mapping[str, Estimate]
    """Verifier domain (maths, code, …) → accuracy on its items."""
    decided_by: Mapping[str, int]
    """What settled the samples."""


def compute_score(
    evaluation: Evaluation, *, dirty: Set[str] | None = None, prices: Mapping[str, Price] | None = None
) -> Score:
    """Compute the score of one evaluation from its samples.

    Samples without a score (failed, or the verifier broke) are counted and left out of every mean.

    Args:
        evaluation: a folder's.
        dirty: ids of items that a training set holds; None where nobody looked.
        prices: model name → its price; None for no money in the table.

    Raises:
        DataError: no sample has a score yet.
        ConfigError: a model has no price.
    """
    samples = sorted(evaluation.samples, key=lambda sample: sample.key)
    by_item: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.is_scored:
            by_item.setdefault(sample.item, []).append(sample)
    if not by_item:
        raise DataError(f"{evaluation.folder} holds no scored sample yet; let 'abruzzi eval run' make some")
    scores = {item: [sample.score for sample in own] for item, own in by_item.items()}
    clean = {item: own for item, own in scores.items() if dirty is not None and item not in dirty}
    cost = sum_costs(
        [call for sample in samples for call in sample.calls],
        num_answers=len(samples),
        num_correct=sum(sample.outcome is SampleOutcome.CORRECT for sample in samples),
        seconds=sum(sample.seconds for sample in samples),
        prices=prices,
    )
    tokens, money = cost.usage.total_tokens, cost.money
    chosen = [sample.chosen_tokens for sample in samples]
    return Score(
        protocol=evaluation.protocol,
        num_items=len(by_item),
        num_missing=len(evaluation.items) * evaluation.protocol.runs - len(samples),
        outcomes=Counter(sample.outcome.value for sample in samples),
        accuracy=clustered_mean(list(scores.values())),
        clean_accuracy=clustered_mean(list(clean.values())) if clean else None,
        num_clean=None if dirty is None else len(clean),
        pass_at=pass_curve(scores),
        majority_at=majority_curve({item: _vote(own) for item, own in by_item.items()}, scores),
        best_at=best_curve(scores),
        **_weigh_choice(by_item),
        prompt_tokens=cost.per_question(cost.usage.prompt_tokens),
        completion_tokens=cost.per_question(cost.usage.completion_tokens),
        tokens_per_correct=cost.per_correct(tokens),
        seconds=cost.per_question(cost.seconds),
        seconds_per_correct=cost.per_correct(cost.seconds),
        cost=None if money is None else cost.per_question(money),
        cost_per_correct=None if money is None else cost.per_correct(money),
        chosen_lengths=tuple(length for length in chosen if length is not None),
        spent_lengths=tuple(sample.usage.completion_tokens for sample in samples),
        truncated_share=sum(sample.is_truncated for sample in samples) / len(samples),
        domains=_by_domain(evaluation.items, scores),
        decided_by=Counter(sample.decided_by.value for sample in samples if sample.decided_by is not None),
    )


class _Choice(TypedDict):
    candidate_accuracy: Estimate | None
    oracle: Estimate | None
    gap_recovered: Estimate | None


def _weigh_choice(by_item: Mapping[str, Sequence[Sample]]) -> _Choice:
    """Hold the system's choices against its candidates; needs all of them, so a cancelled one leaves no numbers."""
    nothing = _Choice(candidate_accuracy=None, oracle=None, gap_recovered=None)
    samples = [sample for own in by_item.values() for sample in own]
    if all(len(sample.candidates) < 2 for sample in samples) or any(None in sample.verdicts for sample in samples):
        return nothing
    single = [[v.score for sample in own for v in sample.verdicts if v is not None] for own in by_item.values()]
    best = [
        [max((v.score for v in sample.verdicts if v is not None), default=0.0) for sample in own]
        for own in by_item.values()
    ]
    if not all(single):
        return nothing
    return _Choice(
        candidate_accuracy=clustered_mean(single),
        oracle=clustered_mean(best),
        gap_recovered=clustered_gap_recovered(
            [[sample.score for sample in own] for own in by_item.values()], single, best
        ),
    )


def _vote(samples: Sequence[Sample]) -> tuple[int | None, ...]:
    """Cluster the runs' final answers where that takes no algebra; what is undecided then counts as different."""
    return cluster([sample.answer for sample in samples], lambda one, other: agree_quickly(one, other) is True)


def _by_domain(items: Sequence[Item], scores: Mapping[str, Sequence[float]]) -> dict[str, Estimate]:
    found: dict[str, list[Sequence[float]]] = {}
    for item in items:
        if item.id in scores:
            found.setdefault(route(item.data_source).name, []).append(scores[item.id])
    return {domain: clustered_mean(own) for domain, own in found.items()}
