"""Draws the next token of each row from its logits and one uniform number.

Inverting the cumulative distribution needs a single number a token, where Gumbel noise needs one for each token of the
vocabulary, so that every rollout can afford a random generator of its own.
"""

import torch
from torch import Tensor, nn

_BLOCK = 64
"""Tokens of the vocabulary that are summed at a time."""


def draw_tokens(logits_BV: Tensor, uniforms_B: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Draw a token for each row by inverting the cumulative distribution.

    The sums are taken in two levels, of blocks and within the one block that is hit: a running sum over the whole
    vocabulary in float64 took a fifth of a step, and in float32 it would shift the tail.

    Args:
        logits_BV: of the next token, any floating type.
        uniforms_B: in [0, 1), float64.
        temperature: 0 takes the likeliest token.

    Returns:
        Token ids (B,), and their log-probabilities in nats at temperature 1 (B,), whatever the temperature.
    """
    logprobs_BV = logits_BV.float().log_softmax(-1)
    if temperature == 0:
        ids_B1 = logprobs_BV.argmax(-1, keepdim=True)
    else:
        weights_BV = logprobs_BV.exp() if temperature == 1 else (logprobs_BV / temperature).softmax(-1)
        if padding := -weights_BV.shape[1] % _BLOCK:
            weights_BV = nn.functional.pad(weights_BV, (0, padding))
        blocks = weights_BV.view(len(weights_BV), -1, _BLOCK)
        ends = blocks.sum(-1).cumsum(-1, dtype=torch.float64)
        targets_B1 = (uniforms_B.to(ends.device) * ends[:, -1])[:, None]
        block_B1 = _find(ends, targets_B1)
        within = blocks.take_along_dim(block_B1[:, :, None], 1)[:, 0].cumsum(-1, dtype=torch.float64)
        begins_B1 = nn.functional.pad(ends, (1, 0)).gather(1, block_B1)
        ids_B1 = block_B1 * _BLOCK + _find(within, targets_B1 - begins_B1)
    return ids_B1[:, 0], logprobs_BV.gather(1, ids_B1)[:, 0]


def _find(ends: Tensor, targets_B1: Tensor) -> Tensor:
    """Return where in each row of running sums the target falls, never on a weight of zero (B, 1)."""
    # A target beyond the last sum, by a rounding, belongs to the last weight that is not zero.
    last_B1 = torch.searchsorted(ends, ends[:, -1:].contiguous())
    return torch.searchsorted(ends, targets_B1, right=True).minimum(last_B1)
