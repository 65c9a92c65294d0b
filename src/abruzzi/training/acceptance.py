"""How often a model would accept what a draft proposes, by both models' probabilities over texts of the former's own.

At each token of a reply both models see the same text before it (teacher forcing). With p the model's next-token
distribution and q the draft's:

    agreement   1 where argmax q = argmax p   acceptance of a greedy draft under greedy decoding
    hit         p(argmax q)                   of a greedy draft where the model samples, as llama.cpp does
    overlap     Σ min(p, q)                   of a sampled draft under rejection sampling (arXiv 2211.17192)

each at temperature 1. They are of single tokens, at every place; an engine asks for the second drafted token only where
the first was accepted, in text that is easier there. What it really accepts is for the engine to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from abruzzi.training.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Of the tokens of one reply, in order; all three of the same length."""

    agreement_T: tuple[float, ...]
    hit_T: tuple[float, ...]
    overlap_T: tuple[float, ...]


def compare_logits(model_TV: Tensor, draft_TV: Tensor) -> Acceptance:
    """Compare two models' logits, place by place.

    Args:
        model_TV: of the model that verifies.
        draft_TV: of the draft, over the same vocabulary.
    """
    p_TV, q_TV = model_TV.double().softmax(-1), draft_TV.double().softmax(-1)
    proposed_T = q_TV.argmax(-1)
    return Acceptance(
        _floats(proposed_T == p_TV.argmax(-1)),
        _floats(p_TV.gather(-1, proposed_T[:, None])[:, 0]),
        _floats(torch.minimum(p_TV, q_TV).sum(-1)),
    )


def measure_acceptance(model: Any, drafts: Sequence[Any], texts: Sequence[Tokens]) -> list[list[Acceptance]]:
    """Measure several drafts on the same texts; the model reads each text once.

    Args:
        model: a causal language model, in evaluation mode.
        drafts: others with the same tokens.
        texts: prompt and reply; the tokens of the reply, its end too, are those with a loss mask of 1.

    Returns:
        For each draft, an entry a text.
    """
    found: list[list[Acceptance]] = [[] for _ in drafts]
    with torch.no_grad():
        for text in texts:
            places = [place - 1 for place, is_reply in enumerate(text.loss_mask) if is_reply]
            model_TV = _logits(model, text)[places]
            for draft, entries in zip(drafts, found, strict=True):
                entries.append(compare_logits(model_TV, _logits(draft, text)[places]))
    return found


def _floats(values_T: Tensor) -> tuple[float, ...]:
    return tuple(map(float, values_T))


def _logits(model: Any, text: Tokens) -> Tensor:
    return model(input_ids=torch.tensor([text.ids], device=model.device), use_cache=False).logits[0]
