"""Aggregation: how much each token weighs in the loss of an optimiser step.

Every loss here is a weighted sum over tokens, Σ w_t · loss_t, and the three ways in use differ in nothing but w:

    token      1 / tokens of the step                  DAPO (arXiv 2503.14476, §3.3): every token counts the same
    sequence   1 / (its rollout's tokens × rollouts)   GRPO (arXiv 2402.03300): every rollout counts the same
    constant   1 / (max_tokens × rollouts)             Dr. GRPO (arXiv 2503.20783): neither lengthens nor shortens

The weights are made once for all the rollouts of an optimiser step and then go with their tokens into micro-batches of
any cut; the losses of these add up to that of the step, and so do the gradients. Nothing is divided afterwards.

Tokens are flat, the completions of a step end to end without padding (``packing``), and ``rollouts_T`` tells whose each
one is. What is padded becomes flat by its mask: ``x_BT[mask_BT]``, with ``rollouts_T = mask_BT.nonzero()[:, 0]``.

Departure: a rollout without a trained token (truncated, or without a verdict) is as though absent in all three. TRL
leaves its tokens out too, but counts it among the rollouts for "sequence" and "constant", so that a step with many
truncated rollouts is a smaller step there. Pass ``step`` to have that.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from abruzzi.errors import ConfigError, DataError

Aggregate = Literal["token", "sequence", "constant"]


@dataclass(frozen=True, slots=True)
class StepSize:
    """What an optimiser step trains on; those of several processes add up."""

    num_tokens: int
    """Tokens with loss mask 1."""
    num_rollouts: int
    """Rollouts with at least one such token."""

    def __add__(self, other: "StepSize") -> "StepSize":
        return StepSize(self.num_tokens + other.num_tokens, self.num_rollouts + other.num_rollouts)


def measure_step(loss_mask_T: Tensor, rollouts_T: Tensor) -> StepSize:
    """Count what is trained on.

    Args:
        loss_mask_T: 1 or True where trained on; shape (T,).
        rollouts_T: which rollout each token is of, from 0; int64, shape (T,).

    Raises:
        DataError: the shapes differ.
    """
    lengths_R = _trained_lengths(loss_mask_T, rollouts_T)
    return StepSize(int(lengths_R.sum()), int((lengths_R > 0).sum()))


def token_weights(
    loss_mask_T: Tensor,
    rollouts_T: Tensor,
    *,
    aggregate: Aggregate,
    max_tokens: int | None = None,
    step: StepSize | None = None,
) -> Tensor:
    """Weigh the tokens of an optimiser step.

    Args:
        loss_mask_T: 1 or True where trained on; shape (T,).
        rollouts_T: which rollout each token is of, from 0, in any order; int64, shape (T,).
        aggregate: see the module's table.
        max_tokens: limit of a completion; needed for "constant" only.
        step: size of the whole step where these tokens are only a part of it, of another process say; rollouts must be
            whole. None: these are all.

    Returns:
        float32, shape (T,), at least 0, and 0 exactly where masked. Over a step they sum to 1 ("token", "sequence") or
        to the mean trained length ÷ ``max_tokens`` ("constant"); to 0 where nothing is trained on.

    Raises:
        ConfigError: "constant" without a positive ``max_tokens``.
        DataError: the shapes differ.
    """
    lengths_R = _trained_lengths(loss_mask_T, rollouts_T)
    size = step or measure_step(loss_mask_T, rollouts_T)
    mask_T = loss_mask_T.bool().float()
    if aggregate == "token":
        return mask_T / max(size.num_tokens, 1)
    if aggregate == "sequence":
        return mask_T / (lengths_R.clamp(min=1)[rollouts_T] * max(size.num_rollouts, 1))
    if max_tokens is None or max_tokens < 1:
        raise ConfigError(
            f"aggregate 'constant' divides by max_tokens, got {max_tokens!r}; pass the completions' limit"
        )
    return mask_T / (max_tokens * max(size.num_rollouts, 1))


def _trained_lengths(loss_mask_T: Tensor, rollouts_T: Tensor) -> Tensor:
    """Count the trained tokens of each rollout; int64, one for each index up to the highest."""
    if loss_mask_T.shape != rollouts_T.shape or loss_mask_T.dim() != 1:
        raise DataError(
            f"a loss mask of shape {tuple(loss_mask_T.shape)} with rollouts of shape {tuple(rollouts_T.shape)}; "
            "pass flat tokens, x_BT[mask_BT] of what is padded"
        )
    num_rollouts = int(rollouts_T.max()) + 1 if rollouts_T.numel() else 0
    zeros_R = torch.zeros(num_rollouts, dtype=torch.int64, device=rollouts_T.device)
    return zeros_R.index_add(0, rollouts_T, loss_mask_T.bool().long())
