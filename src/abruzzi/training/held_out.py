"""Measures the policy on held-out items while it is trained: mean accuracy with its interval, pass@k, by family.

Items are asked as in training and verified by the same verifiers; samples without a verdict are left out and counted.
It watches a run. The comparison of finished models, with plans and best-of-N, is evaluation's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from abruzzi.nouns import FinishReason, Outcome
from abruzzi.statistics.curves import powers_of_two
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.estimators import pass_at_k
from abruzzi.statistics.intervals import clustered_mean
from abruzzi.training.grpo.collect import score_groups
from abruzzi.training.grpo.rewards import Verify
from abruzzi.training.grpo.rollouts import JUDGED, Prompt, RolloutGroup, Sampler


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How the policy does on items that it was not trained on."""

    accuracy: Estimate | None
    """Mean over items of the share of correct samples; None where no sample has a verdict."""
    by_family: dict[str, Estimate]
    pass_at: dict[int, float]
    """k → pass@k, where every item has at least k samples with a verdict."""
    mean_tokens: float
    """Of a completion."""
    truncated: float
    """Share of completions cut at the limit."""
    num_unjudged: int
    """Samples whose verifier timed out or broke."""
    scores: dict[str, dict[str, list[int]]]
    """Family → item → 1 or 0 for each sample with a verdict."""
    groups: tuple[RolloutGroup, ...]


def measure_held_out(
    sampler: Sampler,
    prompts: Sequence[Prompt],
    tokenizer: Any,
    *,
    samples: int,
    temperature: float,
    max_tokens: int,
    seed: int,
    verify: Verify,
) -> HeldOut:
    """Sample and verify held-out items.

    Args:
        sampler: holds the policy.
        prompts: at least one.
        tokenizer: decodes.
        samples: per item.
        temperature: 0 is greedy, and then one sample says all.
        max_tokens: limit of a completion.
        seed: of the draws.
        verify: the verifiers.
    """
    sampled_P = sampler.sample(
        [prompt.ids for prompt in prompts],
        group_size=samples,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
    )
    return summarise(score_groups(prompts, sampled_P, tokenizer, verify))


def summarise(groups: Sequence[RolloutGroup]) -> HeldOut:
    """Work out what groups of held-out items say."""
    scores = {place: _scores(group) for place, group in enumerate(groups)}
    judged = {place: values for place, values in scores.items() if values}
    families = dict.fromkeys(group.prompt.family for group in groups)
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    fewest = min(map(len, judged.values()), default=0)
    return HeldOut(
        accuracy=clustered_mean(list(judged.values())) if judged else None,
        by_family={
            family: clustered_mean([v for p, v in judged.items() if groups[p].prompt.family == family])
            for family in families
            if any(groups[place].prompt.family == family for place in judged)
        },
        pass_at={
            k: sum(pass_at_k(len(v), int(sum(v)), k) for v in judged.values()) / len(judged)
            for k in (powers_of_two(fewest) if judged else ())
        },
        mean_tokens=sum(len(rollout.sampled.ids) for rollout in rollouts) / len(rollouts),
        truncated=sum(r.sampled.finish_reason is FinishReason.LENGTH for r in rollouts) / len(rollouts),
        num_unjudged=sum(rollout.verdict.outcome not in JUDGED for rollout in rollouts),
        scores={
            family: {
                groups[place].prompt.item.id: [int(value) for value in values]
                for place, values in scores.items()
                if groups[place].prompt.family == family
            }
            for family in families
        },
        groups=tuple(groups),
    )


def _scores(group: RolloutGroup) -> list[float]:
    return [float(r.verdict.outcome is Outcome.CORRECT) for r in group.rollouts if r.verdict.outcome in JUDGED]
