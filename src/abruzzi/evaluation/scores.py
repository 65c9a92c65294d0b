"""Scores: what one system reached on one benchmark, at which price, computed from its samples."""

from collections.abc import Mapping
from dataclasses import dataclass

from abruzzi.evaluation.protocol import Protocol
from abruzzi.evaluation.statistics.estimate import Estimate


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
    """pass@1 of the system's candidates before any choice; None where it samples one."""
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
