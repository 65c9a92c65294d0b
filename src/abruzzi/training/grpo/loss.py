"""The clipped policy loss of GRPO and its kin, over flat tokens.

    ratio_t = exp(policy_t − old_t)
    loss    = −Σ w_t · s_t · min(ratio_t · A_t, clip(ratio_t, 1 − clip_low, 1 + clip_high) · A_t)

w are the weights of ``aggregation``, which hold the loss mask and the normaliser of the whole optimiser step; s are the
``sampler_weights`` of ``correction``, 1 where none are given. Flat (T,) and padded (B, T) tensors both do: a token
takes part where its weight is not 0, and what stands elsewhere, NaN included, is never read. The losses of
micro-batches add up to the loss of the step, and so do the metrics.

Deliberately not here: the KL penalty (``kl.kl_penalty``, to be added to this loss), entropy, and the model's forward
pass. Nothing is clamped against overflow: a log-ratio beyond 88 in float32 gives a loss that is not finite, and whoever
trains is to stop there.

Sources: PPO, arXiv 1707.06347, for the clip; GRPO, arXiv 2402.03300; the higher upper clip is DAPO's, arXiv 2503.14476,
§3.1; the dual clip is of Ye et al., arXiv 1912.09729 (verl's ``clip_ratio_c``, TRL's ``delta``).
"""

from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from abruzzi.errors import ConfigError, DataError
from abruzzi.training.grpo.kl import k3


@dataclass(frozen=True, slots=True)
class LossMetrics:
    """Sums over the trained tokens: those of micro-batches add up. Each mean and share is NaN where no token is."""

    num_tokens: int = 0
    num_clipped_low: int = 0
    """Negative advantage, ratio below 1 − clip_low: the gradient is 0."""
    num_clipped_high: int = 0
    """Positive advantage, ratio above 1 + clip_high: the gradient is 0."""
    num_clipped_dual: int = 0
    """Negative advantage, ratio above ``dual_clip``: the gradient is 0."""
    ratio_sum: float = 0.0
    kl_sum: float = 0.0
    """Of k3 between the old policy, which the tokens are of, and the policy (nats)."""

    def __add__(self, other: "LossMetrics") -> "LossMetrics":
        return LossMetrics(
            self.num_tokens + other.num_tokens,
            self.num_clipped_low + other.num_clipped_low,
            self.num_clipped_high + other.num_clipped_high,
            self.num_clipped_dual + other.num_clipped_dual,
            self.ratio_sum + other.ratio_sum,
            self.kl_sum + other.kl_sum,
        )

    @property
    def clipped_low(self) -> float:
        """Share of tokens clipped from below."""
        return self._per_token(self.num_clipped_low)

    @property
    def clipped_high(self) -> float:
        """Share of tokens clipped from above."""
        return self._per_token(self.num_clipped_high)

    @property
    def clipped_dual(self) -> float:
        """Share of tokens at the dual clip."""
        return self._per_token(self.num_clipped_dual)

    @property
    def mean_ratio(self) -> float:
        """Mean importance ratio; near 1 as long as the tokens are of the old policy."""
        return self._per_token(self.ratio_sum)

    @property
    def kl(self) -> float:
        """Estimate of KL(old ‖ policy) per token (nats)."""
        return self._per_token(self.kl_sum)

    def _per_token(self, total: float) -> float:
        return total / self.num_tokens if self.num_tokens else nan


def policy_loss(
    policy_logprobs_T: Tensor,
    old_logprobs_T: Tensor,
    advantages_T: Tensor,
    weights_T: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None = None,
    sampler_weights_T: Tensor | None = None,
) -> tuple[Tensor, LossMetrics]:
    """Work out the loss of some or all tokens of an optimiser step.

    Args:
        policy_logprobs_T: log-probabilities (nats) of the sampled tokens under the weights being trained; floating, any
            shape, all of them the same. Only they receive a gradient.
        old_logprobs_T: the same under the weights that sampled, as the trainer computes them; where each rollout is
            used once, ``policy_logprobs_T.detach()``.
        advantages_T: each token's rollout's, ``advantages_R[rollouts_T]``.
        weights_T: of ``token_weights``, made for the whole step; 0 leaves a token out.
        clip_low: how far below 1 a ratio may fall before a negative advantage stops pushing; in [0, 1], usually 0.2.
        clip_high: how far above 1 a ratio may rise before a positive advantage stops pushing; at least 0, usually 0.2
            to 0.28, infinite for no clip.
        dual_clip: the ratio above which a negative advantage stops pushing too; above 1 + ``clip_high``, 3 to 10 in
            use. None: no such limit.
        sampler_weights_T: of ``correction.sampler_weights``; None: 1 everywhere.

    Returns:
        The loss, a scalar to call ``backward`` on and never to be divided, and the metrics.

    Raises:
        ConfigError: a clip is out of its range.
        DataError: the shapes differ.
    """
    _check_clips(clip_low, clip_high, dual_clip)
    inputs = [policy_logprobs_T, old_logprobs_T.detach(), advantages_T.detach(), weights_T.detach()]
    inputs += [torch.ones_like(weights_T) if sampler_weights_T is None else sampler_weights_T.detach()]
    if any(tensor.shape != policy_logprobs_T.shape for tensor in inputs):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
        raise DataError(f"logprobs, advantages and weights differ in shape: {shapes}; give each one value per token")
    # N: the tokens that are trained on
    policy_N, old_N, advantages_N, weights_N, sampler_N = (tensor[weights_T != 0] for tensor in inputs)
    ratio_N = (policy_N - old_N).exp()
    gain_N = torch.minimum(ratio_N * advantages_N, ratio_N.clamp(1 - clip_low, 1 + clip_high) * advantages_N)
    if dual_clip is not None:
        gain_N = torch.where(advantages_N < 0, torch.maximum(gain_N, dual_clip * advantages_N), gain_N)
    loss = -(weights_N * sampler_N * gain_N).sum()

    with torch.no_grad():
        is_down_N, is_up_N = advantages_N < 0, advantages_N > 0
        metrics = LossMetrics(
            num_tokens=ratio_N.numel(),
            num_clipped_low=int((is_down_N & (ratio_N < 1 - clip_low)).sum()),
            num_clipped_high=int((is_up_N & (ratio_N > 1 + clip_high)).sum()),
            num_clipped_dual=0 if dual_clip is None else int((is_down_N & (ratio_N > dual_clip)).sum()),
            ratio_sum=float(ratio_N.sum()),
            kl_sum=float(k3(old_N, policy_N).sum()),
        )
    return loss, metrics


def _check_clips(clip_low: float, clip_high: float, dual_clip: float | None) -> None:
    if not 0 <= clip_low <= 1:
        raise ConfigError(f"clip_low must be in [0, 1], got {clip_low!r}; 0.2 is usual")
    if not clip_high >= 0:
        raise ConfigError(f"clip_high must be at least 0, got {clip_high!r}; 0.2 to 0.28 is usual")
    if dual_clip is not None and not dual_clip > 1 + clip_high:
        raise ConfigError(f"dual_clip must be above 1 + clip_high = {1 + clip_high:g}, got {dual_clip!r}; try 10")
