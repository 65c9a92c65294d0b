"""Collects the rollouts of one optimiser step: samples, verifies, and drops the groups that teach nothing.

Dynamic sampling (DAPO, arXiv 2503.14476, §3.2): a group whose rewards are all equal has no advantage, so further
prompts are asked in its place. Departures from the paper: how many are asked at once follows from the share of groups
that taught something lately, so that one round usually suffices; and whatever teaches more than was asked for is used.

Rollouts without a verdict (a verifier that timed out or broke) are masked in their group and counted. Truncated ones
have no answer: they count as unsolved in their group's baseline, and whether their tokens are trained on is a setting.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from time import perf_counter
from typing import Any

import torch

from abruzzi.nouns import Outcome
from abruzzi.training.grpo.advantages import group_advantages
from abruzzi.training.grpo.rewards import Verify, judge_replies, reward_of
from abruzzi.training.grpo.rollouts import Prompt, Rollout, RolloutGroup, Sampler
from abruzzi.training.grpo.stream import PromptStream
from abruzzi.training.recipe import GrpoSettings
from abruzzi.training.seeds import seed_of

LEAST_YIELD = 0.2
"""However few groups taught something lately, no more than so many times the prompts are asked in one round."""
MEMORY = 0.8
"""Weight of the past in the running share of groups that teach something."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A group with its rewards and advantages."""

    group: RolloutGroup
    rewards_G: tuple[float, ...]
    mask_G: tuple[bool, ...]
    """False where there is no verdict."""
    advantages_G: tuple[float, ...]

    @property
    def is_informative(self) -> bool:
        """True when some rollout is better than another."""
        return any(self.advantages_G)


@dataclass(slots=True)
class Batch:
    """What an optimiser step learns from, and what it cost to get."""

    scored: list[Scored] = field(default_factory=list[Scored])
    """All groups, those dropped included."""
    num_rounds: int = 0
    sampling_s: float = 0.0
    verifying_s: float = 0.0

    @property
    def used(self) -> list[Scored]:
        """The groups that teach something."""
        return [group for group in self.scored if group.is_informative]

    @property
    def rollouts(self) -> list[Rollout]:
        """All rollouts, those of dropped groups included."""
        return [rollout for scored in self.scored for rollout in scored.group.rollouts]

    @property
    def outcomes(self) -> Counter[Outcome]:
        """How many rollouts ended with which verdict."""
        return Counter(rollout.verdict.outcome for rollout in self.rollouts)


def collect(
    stream: PromptStream,
    sampler: Sampler,
    tokenizer: Any,
    settings: GrpoSettings,
    *,
    seed: int,
    share: float,
    verify: Verify,
    clock: Callable[[], float] = perf_counter,
) -> Batch:
    """Collect the rollouts of one step.

    Args:
        stream: of prompts.
        sampler: holds the policy as it is now.
        tokenizer: decodes completions.
        settings: the recipe's ``[grpo]``.
        seed: of this step's draws.
        share: of groups that taught something lately; how many prompts are asked follows from it.
        verify: the verifiers.
        clock: seconds.

    Returns:
        The groups; those that teach something may be fewer than ``prompts_per_step`` after ``max_rounds``.
    """
    batch = Batch()
    wanted = settings.prompts_per_step
    max_rounds = settings.max_rounds if settings.dynamic_sampling else 1
    while batch.num_rounds < max_rounds and (missing := wanted - len(batch.used)) > 0:
        count = math.ceil(missing / max(share, LEAST_YIELD)) if settings.dynamic_sampling else missing
        prompts = stream.take(count)
        begun = clock()
        sampled_P = sampler.sample(
            [prompt.ids for prompt in prompts],
            group_size=settings.group_size,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=seed_of(seed, "rollouts", batch.num_rounds),
        )
        sampled = clock()
        groups = score_groups(prompts, sampled_P, tokenizer, verify)
        if settings.shuffle_rewards:
            groups = _deal_rewards(groups, Random(seed_of(seed, "control", batch.num_rounds)))
        batch.scored += [score_group(group, settings) for group in groups]
        batch.num_rounds += 1
        batch.sampling_s += sampled - begun
        batch.verifying_s += clock() - sampled
    return batch


def score_groups(
    prompts: Sequence[Prompt], sampled_P: Sequence[Sequence[Any]], tokenizer: Any, verify: Verify
) -> list[RolloutGroup]:
    """Decode and verify completions, all side by side."""
    texts = tokenizer.batch_decode([s.ids for group in sampled_P for s in group], skip_special_tokens=True)
    pairs = [(prompt, s) for prompt, group in zip(prompts, sampled_P, strict=True) for s in group]
    verdicts = judge_replies(
        [(prompt.item, text, s.finish_reason) for (prompt, s), text in zip(pairs, texts, strict=True)], verify
    )
    rollouts = iter(Rollout(s, text, v) for (_, s), text, v in zip(pairs, texts, verdicts, strict=True))
    return [
        RolloutGroup(prompt, tuple(next(rollouts) for _ in group))
        for prompt, group in zip(prompts, sampled_P, strict=True)
    ]


def score_group(group: RolloutGroup, settings: GrpoSettings) -> Scored:
    """Work out a group's rewards and advantages."""
    rewards_G = tuple(reward_of(rollout) for rollout in group.rollouts)
    mask_G = tuple(rollout.is_judged for rollout in group.rollouts)
    advantages_G = group_advantages(torch.tensor(rewards_G), torch.tensor(mask_G), scale=settings.advantage_scale)
    return Scored(group, rewards_G, mask_G, tuple(map(float, advantages_G)))


def update_share(share: float, batch: Batch) -> float:
    """Bring the running share of groups that teach something up to date."""
    if not batch.scored:
        return share
    return MEMORY * share + (1 - MEMORY) * len(batch.used) / len(batch.scored)


def _deal_rewards(groups: Sequence[RolloutGroup], rng: Random) -> list[RolloutGroup]:
    """Deal the verdicts out anew among all rollouts: the control whose rewards say nothing."""
    verdicts = [rollout.verdict for group in groups for rollout in group.rollouts]
    rng.shuffle(verdicts)
    dealt = iter(verdicts)
    return [
        replace(group, rollouts=tuple(replace(rollout, verdict=next(dealt)) for rollout in group.rollouts))
        for group in groups
    ]
