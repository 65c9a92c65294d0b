"""The lines of a run's record: what a step, its rollouts and a measurement of held-out items are written as."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from abruzzi.training.grpo.collect import Batch
from abruzzi.training.grpo.guessing import find_guesses
from abruzzi.training.grpo.hacks import count_hacks, find_hacks
from abruzzi.training.grpo.rollouts import Prompt, Rollout
from abruzzi.training.grpo.update import Update
from abruzzi.training.held_out import HeldOut


def step_row(step: int, batch: Batch, update: Update | None, tokenizer: Any, *, max_tokens: int) -> dict[str, Any]:
    """Say what a step did."""
    rollouts = batch.rollouts
    rewards: dict[str, list[float]] = {}
    for scored in batch.scored:
        judged = [reward for reward, is_judged in zip(scored.rewards_G, scored.mask_G, strict=True) if is_judged]
        rewards.setdefault(scored.group.prompt.family, []).extend(judged)
    every = [reward for values in rewards.values() for reward in values]
    asked = tokenizer.batch_decode([scored.group.prompt.ids for scored in batch.scored], skip_special_tokens=True)
    hacks = count_hacks(
        find_hacks(prompt, rollout.text, len(rollout.sampled.ids), max_tokens)
        for prompt, scored in zip(asked, batch.scored, strict=True)
        for rollout in scored.group.rollouts
    )
    row: dict[str, Any] = {
        "kind": "step",
        "step": step,
        "reward": _mean(every),
        "reward_by_family": {family: _mean(values) for family, values in rewards.items()},
        "num_groups": len(batch.scored),
        "num_used": len(batch.used),
        "num_rounds": batch.num_rounds,
        "num_rollouts": len(rollouts),
        "outcomes": dict(batch.outcomes),
        "mean_tokens": _mean([len(rollout.sampled.ids) for rollout in rollouts]),
        "max_tokens": max(len(rollout.sampled.ids) for rollout in rollouts),
        "truncated": _mean([float(rollout.is_truncated) for rollout in rollouts]),
        "hacks": {hack: found.rate for hack, found in hacks.items()},
        "guesses": {
            family: asdict(guess) for family, guess in find_guesses(scored.group for scored in batch.scored).items()
        },
    }
    if update is not None:
        row |= {
            "loss": update.loss,
            "grad_norm": update.grad_norm,
            "entropy": update.entropy,
            "kl_to_start": update.kl_to_start,
            "clipped_low": update.metrics.clipped_low,
            "clipped_high": update.metrics.clipped_high,
            "sampler_kl": update.gap.kl,
            "sampler_effective": update.gap.effective,
            "update_tokens": update.num_tokens,
        }
    return row


def rollout_rows(step: int, batch: Batch) -> list[dict[str, Any]]:
    """Give each rollout of a step its line, those of dropped groups included."""
    return [
        {"step": step, **_sample_row(scored.group.prompt, rollout), "advantage": round(advantage, 4)}
        for scored in batch.scored
        for rollout, advantage in zip(scored.group.rollouts, scored.advantages_G, strict=True)
    ]


def measured_rows(found: HeldOut) -> list[dict[str, Any]]:
    """Give each sample of held-out items its line."""
    return [_sample_row(group.prompt, rollout) for group in found.groups for rollout in group.rollouts]


def held_out_row(found: HeldOut, step: int, seconds: float) -> dict[str, Any]:
    """Say what a measurement of held-out items found."""
    return {
        "kind": "held_out",
        "step": step,
        "accuracy": found.accuracy and found.accuracy.value,
        "interval": found.accuracy and [found.accuracy.low, found.accuracy.high],
        "by_family": {name: [e.value, e.low, e.high] for name, e in found.by_family.items()},
        "pass_at": found.pass_at,
        "mean_tokens": found.mean_tokens,
        "truncated": found.truncated,
        "num_unjudged": found.num_unjudged,
        "num_items": len(found.groups),
        "scores": found.scores,
        "seconds": {"all": seconds},
    }


def _sample_row(prompt: Prompt, rollout: Rollout) -> dict[str, Any]:
    return {
        "item": prompt.item.id,
        "family": prompt.family,
        "text": rollout.text,
        "num_tokens": len(rollout.sampled.ids),
        "outcome": rollout.verdict.outcome,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
