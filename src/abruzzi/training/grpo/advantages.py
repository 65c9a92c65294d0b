"""Advantages: what each rollout's reward is worth beside the others of its group.

Centres the rewards of one prompt's rollouts, and on request divides by their spread. Deliberately not here: rewards
(the verifier's verdicts and penalties are summed before), and which tokens are trained on (``aggregation``). A rollout
that is cut at the token limit has a reward and belongs in its group; only its tokens may be left out of the loss.

Where the method comes from, and where it departs:

1. GRPO (arXiv 2402.03300, §4.1.2) divides the centred rewards by the group's standard deviation: ``scale="std"``. The
   deviation is the sample's (n − 1), as in TRL and verl; the paper does not say which.
2. Dr. GRPO (arXiv 2503.20783) shows that the division weighs prompts that are nearly always or nearly never
   solved more than the rest, and leaves it out: ``scale="none"``.
3. No epsilon stands beside the deviation (TRL 1e-4, verl 1e-6): a group whose rewards are equal is zeros by definition
   and every other one is divided by what it is, so that "std" does not depend on the unit of the rewards.
4. A rollout whose verification timed out or broke (mask 0) says nothing: it is as though it had not been sampled, and
   its own advantage is 0. verl counts it as a reward of 0.
"""

from typing import Literal

import torch
from torch import Tensor

from abruzzi.errors import DataError

AdvantageScale = Literal["none", "std"]

EQUAL = 1e-6
"""Rewards of one group that differ by no more than this are equal: float32 rounds a sum of rewards by about 1e-7."""


def group_advantages(rewards_G: Tensor, mask_G: Tensor, *, scale: AdvantageScale) -> Tensor:
    """Turn the rewards of one group into advantages.

    Args:
        rewards_G: one reward per rollout of the same prompt; floating, shape (G,). What is masked may be anything, NaN
            included.
        mask_G: 1 or True where the rollout was judged; shape (G,).
        scale: "none" keeps r − mean; "std" also divides by the standard deviation, with n − 1.

    Returns:
        float32, shape (G,), detached; 0 where masked, and all zeros where the group teaches nothing (see
        ``is_informative``). They sum to 0.

    Raises:
        DataError: the shapes differ or a judged reward is not finite.

    Source: GRPO, arXiv 2402.03300; the unscaled form is Dr. GRPO's, arXiv 2503.20783.
    """
    judged_J = _judged_rewards(rewards_G, mask_G)
    advantages_G = torch.zeros_like(rewards_G, dtype=torch.float32)
    if _differ(judged_J):
        centred_J = judged_J - judged_J.mean()
        advantages_G[mask_G.bool()] = centred_J / judged_J.std() if scale == "std" else centred_J
    return advantages_G


def is_informative(rewards_G: Tensor, mask_G: Tensor) -> bool:
    """Tell whether a group teaches anything: at least two rollouts were judged, and not all alike.

    Dynamic sampling drops the other groups before the update and samples further prompts in their place.

    Args:
        rewards_G: as for ``group_advantages``.
        mask_G: as for ``group_advantages``.

    Raises:
        DataError: the shapes differ or a judged reward is not finite.

    Source: DAPO, arXiv 2503.14476, §3.2.
    """
    return _differ(_judged_rewards(rewards_G, mask_G))


def _judged_rewards(rewards_G: Tensor, mask_G: Tensor) -> Tensor:
    if rewards_G.shape != mask_G.shape or rewards_G.dim() != 1:
        raise DataError(
            f"rewards of shape {tuple(rewards_G.shape)} with a mask of shape {tuple(mask_G.shape)}; "
            "pass one group, a reward and a mask for each rollout"
        )
    judged_J = rewards_G.detach()[mask_G.bool()].float()
    is_finite_J = judged_J.isfinite()
    if not bool(is_finite_J.all()):
        raise DataError(f"a judged reward is {float(judged_J[~is_finite_J][0])}; mask what has no reward")
    return judged_J


def _differ(judged_J: Tensor) -> bool:
    return judged_J.numel() > 1 and bool(judged_J.max() - judged_J.min() > EQUAL)
