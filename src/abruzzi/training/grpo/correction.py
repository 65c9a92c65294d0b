"""Correction for the sampler's difference: the engine that sampled is not quite the policy that is trained.

Other kernels, another precision or a quantised copy give other log-probabilities for the same weights, so that tokens
come from a distribution near the policy's and on-policy training is off-policy in secret. Weighing each token by
policy ÷ sampler undoes this; truncated at a cap, single tokens that the sampler thought impossible cannot take over the
step. The weights are per token: they mend each next-token distribution and leave the chance of having come to this
prefix uncorrected; that whole-sequence weight is exact and of hopeless variance for long completions.

``compare_sampler`` says whether any of this is needed. Deliberately not here: log-probabilities. Both sides must be of
the same temperature, and of the weights that sampled: the policy's before the update, as the trainer computes them.

Sources: Yao, Liu, Zhang, Dong, Shang and Gao 2025, "Your Efficient RL Framework Secretly Brings You Off-Policy RL
Training" (fengyao.notion.site/off-policy-rl; as a paper "On the Rollout-Training Mismatch in Modern RL Systems",
NeurIPS 2025 ER workshop, openreview.net/forum?id=8MHqvb4lK9); Ionides 2008, "Truncated Importance Sampling", Journal of
Computational and Graphical Statistics 17(2). The cap of 2 is verl's default. TRL's default is another method: whole
sequences, those above 3 left out; its mode "token_truncate" is this one.
"""

from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from abruzzi.errors import ConfigError, DataError
from abruzzi.training.grpo.kl import k3

CAP = 2.0
"""Weights above this are truncated."""


@dataclass(frozen=True, slots=True)
class SamplerGap:
    """How far the sampler is from the policy it is meant to be. NaN where there is no token to compare."""

    num_tokens: int
    """Tokens compared."""
    num_unknown: int
    """Tokens whose log-probability the sampler did not give (NaN); they weigh 1 and are in none of the rest."""
    mean_difference: float
    """Mean |policy − sampler| of the log-probabilities (nats)."""
    max_difference: float
    kl: float
    """KL(sampler ‖ policy) per token (nats), by k3, at the sampler's own tokens."""
    truncated: float
    """Share of tokens whose weight is above the cap."""
    effective: float
    """Effective share of the sample, (Σw)² ÷ (n · Σw²) of the truncated weights: 1 where no correction is needed."""


def sampler_weights(policy_logprobs_T: Tensor, sampler_logprobs_T: Tensor, *, cap: float = CAP) -> Tensor:
    """Weigh each token by policy ÷ sampler, at most the cap.

    Args:
        policy_logprobs_T: log-probabilities (nats) of the sampled tokens under the weights that sampled, as the trainer
            computes them; floating, any shape.
        sampler_logprobs_T: the same as the sampler gave them; NaN where it gave none.
        cap: at least 1.

    Returns:
        In (0, cap], same shape, detached; 1 where the sampler gave no log-probability.

    Raises:
        ConfigError: the cap is below 1.
        DataError: the shapes differ.
    """
    if not cap >= 1:
        raise ConfigError(
            f"cap must be at least 1, or equal distributions would be reweighted, got {cap!r}; 2 is usual"
        )
    return _differences(policy_logprobs_T, sampler_logprobs_T).exp().clamp(max=cap)


def compare_sampler(policy_logprobs_T: Tensor, sampler_logprobs_T: Tensor, *, cap: float = CAP) -> SamplerGap:
    """Measure the sampler's difference; pass trained tokens only.

    Args:
        policy_logprobs_T: as for ``sampler_weights``.
        sampler_logprobs_T: as for ``sampler_weights``.
        cap: as for ``sampler_weights``.

    Raises:
        ConfigError: the cap is below 1.
        DataError: the shapes differ.
    """
    weights_T = sampler_weights(policy_logprobs_T, sampler_logprobs_T, cap=cap)
    is_known_T = ~sampler_logprobs_T.isnan()
    policy_N, sampler_N = policy_logprobs_T.detach()[is_known_T], sampler_logprobs_T[is_known_T]
    weights_N = weights_T[is_known_T].double()
    num_tokens = weights_N.numel()
    num_unknown = sampler_logprobs_T.numel() - num_tokens
    if not num_tokens:
        return SamplerGap(0, num_unknown, nan, nan, nan, nan, nan)
    difference_N = (policy_N - sampler_N).abs()
    return SamplerGap(
        num_tokens=num_tokens,
        num_unknown=num_unknown,
        mean_difference=float(difference_N.mean()),
        max_difference=float(difference_N.max()),
        kl=float(k3(sampler_N, policy_N).mean()),
        truncated=float(((policy_N - sampler_N).exp() > cap).double().mean()),
        effective=float(weights_N.sum().square() / (num_tokens * weights_N.square().sum())),
    )


def _differences(policy_logprobs_T: Tensor, sampler_logprobs_T: Tensor) -> Tensor:
    """Subtract sampler from policy, detached; 0 where the sampler's is unknown, and the policy's own NaN goes on."""
    if policy_logprobs_T.shape != sampler_logprobs_T.shape:
        raise DataError(
            f"policy logprobs of shape {tuple(policy_logprobs_T.shape)} with sampler logprobs of shape "
            f"{tuple(sampler_logprobs_T.shape)}; give each one value per token"
        )
    sampler_T = sampler_logprobs_T.detach()
    return torch.where(sampler_T.isnan(), 0.0, policy_logprobs_T.detach() - sampler_T)
