"""Estimators of the KL divergence between two policies from tokens sampled from one of them.

With d = log p(x) − log q(x) and x sampled from p, three estimators per token of KL(p ‖ q), after Schulman:

    k1 = d                unbiased; negative for single tokens, large variance
    k2 = d² / 2           biased (small where p and q are close); never negative
    k3 = exp(−d) − 1 + d  unbiased as long as p > 0 wherever q > 0; never negative, small variance where they are close

The value and the gradient are two matters. As a loss whose gradient is taken with respect to log p, at tokens of p
itself, the expected gradient (worked out over a whole vocabulary in the tests) is

    k1   0: it trains nothing
    k2   that of KL(p ‖ q), token by token
    k3   that of KL(q ‖ p), the other direction; the two agree to first order, where p and q are close

GRPO's penalty is k3 to a reference (arXiv 2402.03300, equation 4). Weighed by the importance ratio policy ÷ old, ratio
differentiated too, it has the value and the gradient of KL(policy ‖ reference) even at tokens of an older policy; TRL
1.16 does so by default, after DeepSeek-V3.2 (arXiv 2512.02556). All of them see the divergence of the next token only:
that earlier tokens lead to places where p and q differ more is in no token's gradient.

Sources: J. Schulman 2020, "Approximating KL Divergence", joschu.net/blog/kl-approx.html; Tang and Munos, arXiv
2506.09477, for the gradients.
"""

import torch
from torch import Tensor

from abruzzi.errors import DataError


def k1(logprobs_T: Tensor, other_logprobs_T: Tensor) -> Tensor:
    """Estimate KL(p ‖ q) by the log-ratio: unbiased, of either sign.

    Args:
        logprobs_T: of tokens sampled from p, under p (nats).
        other_logprobs_T: of the same tokens under q; the same shape.

    Returns:
        An estimate for each token (nats); its mean is the estimate per token.
    """
    return logprobs_T - other_logprobs_T


def k2(logprobs_T: Tensor, other_logprobs_T: Tensor) -> Tensor:
    """Estimate KL(p ‖ q) by half the squared log-ratio: biased, at least 0; as a loss, the right gradient.

    Args and Returns: as for ``k1``.
    """
    return (logprobs_T - other_logprobs_T).square() / 2


def k3(logprobs_T: Tensor, other_logprobs_T: Tensor) -> Tensor:
    """Estimate KL(p ‖ q) by the log-ratio and its control variate q/p − 1: unbiased, at least 0.

    Args and Returns: as for ``k1``.
    """
    difference_T = logprobs_T - other_logprobs_T
    # expm1, because exp(−d) − 1 + d loses every digit where the two are close
    return torch.expm1(-difference_T) + difference_T


def kl_penalty(
    policy_logprobs_T: Tensor,
    reference_logprobs_T: Tensor,
    weights_T: Tensor,
    *,
    old_logprobs_T: Tensor | None = None,
) -> Tensor:
    """Work out the penalty on leaving the reference, by k3; add it to the policy loss, times the coefficient.

    Args:
        policy_logprobs_T: log-probabilities (nats) of the sampled tokens under the weights being trained; any shape.
            Only they receive a gradient.
        reference_logprobs_T: the same under the frozen reference.
        weights_T: of ``aggregation.token_weights``; what has weight 0 is never read.
        old_logprobs_T: the same under the weights that sampled, to weigh each token by policy ÷ old. None: unweighed,
            as GRPO has it.

    Returns:
        Σ w_t · k3_t (nats), a scalar; those of micro-batches add up.

    Raises:
        DataError: the shapes differ.
    """
    inputs = [policy_logprobs_T, reference_logprobs_T.detach(), weights_T.detach()]
    inputs += [] if old_logprobs_T is None else [old_logprobs_T.detach()]
    if any(tensor.shape != policy_logprobs_T.shape for tensor in inputs):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
        raise DataError(f"logprobs and weights differ in shape: {shapes}; give each one value per token")
    policy_N, reference_N, weights_N, *old = (tensor[weights_T != 0] for tensor in inputs)
    ratio_N = (policy_N - old[0]).exp() if old else 1.0
    return (weights_N * ratio_N * k3(policy_N, reference_N)).sum()
