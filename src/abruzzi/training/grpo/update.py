"""The update: a step's rollouts into gradients, and the gradients into weights.

Only groups that teach something get here. Their completions are packed without padding, prompts once per group, and
each is computed once: with one update per step the old log-probabilities are the policy's own, detached; with more they
are those of the sampler, which had the same weights. Gradients of all packs add up to that of the whole update, so that
``pack_tokens`` changes the memory and not the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from abruzzi.errors import TrainingError
from abruzzi.training.grpo.aggregation import token_weights
from abruzzi.training.grpo.collect import Scored
from abruzzi.training.grpo.correction import SamplerGap, compare_sampler, sampler_weights
from abruzzi.training.grpo.kl import k3, kl_penalty
from abruzzi.training.grpo.loss import LossMetrics, policy_loss
from abruzzi.training.grpo.packing import Branches, Pack, completion_logprobs, pack_rollouts
from abruzzi.training.policy import Policy, weights_of
from abruzzi.training.recipe import GrpoSettings


@dataclass(frozen=True, slots=True)
class Update:
    """What an optimiser step did."""

    loss: float
    grad_norm: float
    entropy: float
    """Mean over trained tokens (nats)."""
    kl_to_start: float | None
    """KL(policy ‖ start) per token (nats), by k3; None where it was not asked for."""
    metrics: LossMetrics
    gap: SamplerGap
    num_tokens: int
    """Tokens that went through the model, prompts included."""


@dataclass(frozen=True, slots=True)
class _Flat:
    """The rollouts that are trained on, end to end."""

    branches: list[Branches]
    advantages_R: Tensor
    sampler_logprobs: list[tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one pack gave."""

    loss: float
    logprobs_T: Tensor
    """Of the policy before the update, at temperature 1; detached."""
    entropy_sum: float
    kl_sum: float
    """To the start (nats)."""
    metrics: LossMetrics


def update_policy(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    groups: Sequence[Scored],
    settings: GrpoSettings,
    *,
    start: Mapping[str, Tensor] | None,
) -> Update | None:
    """Do the step's updates.

    Args:
        policy: what is trained.
        optimizer: over its trained weights.
        groups: those that teach something.
        settings: the recipe's ``[grpo]``.
        start: the weights that training began with, for the penalty or to watch the distance; None leaves it out.

    Returns:
        What was done, of the last update where there are several; None where there was nothing to train on.

    Raises:
        TrainingError: the loss or the gradient is no number; the weights are as they were.
    """
    done: Update | None = None
    for place in range(settings.updates_per_step):
        flat = flatten(groups[place :: settings.updates_per_step], settings)
        if flat.branches:
            done = _update(policy, optimizer, flat, settings, start)
    return done


def _update(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    flat: _Flat,
    settings: GrpoSettings,
    start: Mapping[str, Tensor] | None,
) -> Update:
    packs = pack_rollouts(flat.branches, max_tokens=settings.pack_tokens)
    rollouts_T = torch.cat([pack.rollouts_T for pack in packs])
    weights_T = token_weights(
        torch.ones_like(rollouts_T), rollouts_T, aggregate=settings.aggregate, max_tokens=settings.max_tokens
    )
    sampler_T = _gather(packs, flat.sampler_logprobs)
    references = _reference_logprobs(policy, packs, start, settings.temperature)
    policy.model.train()
    optimizer.zero_grad(set_to_none=True)
    parts: list[_Part] = []
    place = 0
    for number, pack in enumerate(packs):
        span = slice(place, place + len(pack.targets_T))
        place = span.stop
        reference_T = None if references is None else references[number]
        parts.append(_back_propagate(policy, pack, flat, (weights_T[span], sampler_T[span], reference_T), settings))
    loss = sum(part.loss for part in parts)
    norm = float(torch.nn.utils.clip_grad_norm_(list(policy.trained().values()), settings.max_grad_norm))
    _check_finite(loss, norm)
    optimizer.step()
    num_trained = len(rollouts_T)
    return Update(
        loss=loss,
        grad_norm=norm,
        entropy=sum(part.entropy_sum for part in parts) / num_trained,
        kl_to_start=None if references is None else sum(part.kl_sum for part in parts) / num_trained,
        metrics=sum((part.metrics for part in parts), LossMetrics()),
        gap=compare_sampler(torch.cat([part.logprobs_T for part in parts]), sampler_T, cap=settings.correction_cap),
        num_tokens=sum(len(pack.ids_N) for pack in packs),
    )


def _back_propagate(
    policy: Policy, pack: Pack, flat: _Flat, values_T: tuple[Tensor, Tensor, Tensor | None], settings: GrpoSettings
) -> _Part:
    """Add one pack's gradient; ``values_T`` are its tokens' weights, sampler's and start's log-probabilities."""
    computed = completion_logprobs(policy.core, pack, temperature=settings.temperature)
    logprobs_T, device = computed.logprobs_T, computed.logprobs_T.device
    weights_T, sampler_T, reference_T = values_T[0].to(device), values_T[1].to(device), values_T[2]
    is_single = settings.updates_per_step == 1
    # A sampler that could not tell (NaN) is taken to agree with the policy.
    old_T = logprobs_T.detach() if is_single else torch.where(sampler_T.isnan(), computed.plain_T, sampler_T)
    correction_T = sampler_weights(computed.plain_T, sampler_T, cap=settings.correction_cap) if is_single else None
    loss, metrics = policy_loss(
        logprobs_T,
        old_T,
        flat.advantages_R[pack.rollouts_T].to(device),
        weights_T,
        clip_low=settings.clip_low,
        clip_high=settings.clip_high,
        dual_clip=settings.dual_clip,
        sampler_weights_T=correction_T,
    )
    kl_sum = 0.0
    if reference_T is not None:
        kl_sum = float(k3(logprobs_T.detach(), reference_T).sum())
        if settings.kl_coef:
            loss = loss + settings.kl_coef * kl_penalty(logprobs_T, reference_T, weights_T)
    torch.autograd.backward(loss)
    return _Part(float(loss.detach()), computed.plain_T.cpu(), float(computed.entropy_T.sum()), kl_sum, metrics)


def flatten(groups: Sequence[Scored], settings: GrpoSettings) -> _Flat:
    """Lay the rollouts end to end; those that are masked have done their work in the others' baseline."""
    branches: list[Branches] = []
    advantages: list[float] = []
    sampler_logprobs: list[tuple[float, ...]] = []
    for scored in groups:
        kept = [
            (rollout.sampled, advantage)
            for rollout, advantage, is_judged in zip(
                scored.group.rollouts, scored.advantages_G, scored.mask_G, strict=True
            )
            if is_judged and not (settings.mask_truncated and rollout.is_truncated)
        ]
        if kept:
            numbers = range(len(advantages), len(advantages) + len(kept))
            branches.append(Branches(scored.group.prompt.ids, [sampled.ids for sampled, _ in kept], numbers))
            advantages += [advantage for _, advantage in kept]
            sampler_logprobs += [sampled.logprobs for sampled, _ in kept]
    return _Flat(branches, torch.tensor(advantages), sampler_logprobs)


def _gather(packs: Sequence[Pack], logprobs: Sequence[tuple[float, ...]]) -> Tensor:
    """The sampler's log-probabilities in the packs' order of tokens; float32, shape (T,)."""
    parts: list[float] = []
    for pack in packs:
        for number in dict.fromkeys(map(int, pack.rollouts_T)):
            parts += logprobs[number]
    return torch.tensor(parts)


def _reference_logprobs(
    policy: Policy, packs: Sequence[Pack], start: Mapping[str, Tensor] | None, temperature: float
) -> list[Tensor] | None:
    if start is None:
        return None
    policy.model.eval()
    with torch.no_grad(), weights_of(policy, start):
        return [completion_logprobs(policy.core, pack, temperature=temperature).logprobs_T for pack in packs]


def _check_finite(loss: float, norm: float) -> None:
    for name, value in (("loss", loss), ("gradient's norm", norm)):
        if not torch.isfinite(torch.tensor(value)):
            raise TrainingError(
                f"the {name} is {value!r}: the step is not taken and the last checkpoint stays; lower "
                "grpo.learning_rate, or look at the rollouts of this step"
            )
