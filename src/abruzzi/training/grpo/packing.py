"""Packs a step's rollouts for the update: a group's prompt once, its completions behind it, no padding.

Every completion sees its own prompt and itself, nothing else, and its positions go on from the prompt's end: the
log-probabilities are those of each sequence alone (held by a test), at the cost of one prompt per group and not one per
rollout. Several groups share a sequence until it is full; a group that does not fit is split, its prompt repeated.
The head is applied to the states that predict a completion's token and to no others.

Shared-prefix packing is known from serving; this form, a block mask over ordinary attention, is this file's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Pack:
    """Prompts and completions of some groups in one sequence of N tokens, T of them completion tokens."""

    ids_N: Tensor
    """int64."""
    positions_N: Tensor
    """int64; a completion's go on from its prompt's end."""
    mask_NN: Tensor
    """bool; row i may attend to column j."""
    sources_T: Tensor
    """int64 in [0, N): the token whose state predicts the target."""
    targets_T: Tensor
    """int64 token ids."""
    rollouts_T: Tensor
    """int64: which of the step's rollouts the target belongs to."""


@dataclass(frozen=True, slots=True)
class Branches:
    """A prompt and the completions that are to be trained on."""

    prompt: Sequence[int]
    completions: Sequence[Sequence[int]]
    rollouts: Sequence[int]
    """Number of each completion among the step's rollouts."""


def pack_rollouts(groups: Sequence[Branches], *, max_tokens: int) -> list[Pack]:
    """Pack groups into sequences of at most ``max_tokens``, or one completion where that alone is longer.

    Args:
        groups: in order; completions are not empty.
        max_tokens: of a sequence.
    """
    packs: list[Pack] = []
    parts: list[Branches] = []
    used = 0
    for group in groups:
        waiting = sorted(zip(group.completions, group.rollouts, strict=True), key=lambda pair: len(pair[0]))
        while waiting:
            room = max_tokens - used - len(group.prompt)
            taken: list[tuple[Sequence[int], int]] = []
            while waiting and (len(waiting[0][0]) <= room or not (parts or taken)):
                taken.append(waiting.pop(0))
                room -= len(taken[-1][0])
            if taken:
                parts.append(Branches(group.prompt, [ids for ids, _ in taken], [number for _, number in taken]))
                used = max_tokens - room
            if waiting:
                packs.append(_build(parts))
                parts, used = [], 0
    if parts:
        packs.append(_build(parts))
    return packs


def _build(parts: Sequence[Branches]) -> Pack:
    ids: list[int] = []
    positions: list[int] = []
    segments: list[int] = []
    parents: list[int] = []
    sources: list[int] = []
    targets: list[int] = []
    rollouts: list[int] = []
    segment = 0
    for part in parts:
        root, end = segment, len(ids) + len(part.prompt) - 1
        ids += part.prompt
        positions += range(len(part.prompt))
        segments += [root] * len(part.prompt)
        parents += [root] * len(part.prompt)
        for completion, rollout in zip(part.completions, part.rollouts, strict=True):
            segment += 1
            start = len(ids)
            ids += completion
            positions += range(len(part.prompt), len(part.prompt) + len(completion))
            segments += [segment] * len(completion)
            parents += [root] * len(completion)
            sources += [end, *range(start, start + len(completion) - 1)]
            targets += completion
            rollouts += [rollout] * len(completion)
        segment += 1
    own, parent = torch.tensor(segments), torch.tensor(parents)
    sees = (own[:, None] == own[None, :]) | (parent[:, None] == own[None, :])
    return Pack(
        ids_N=torch.tensor(ids),
        positions_N=torch.tensor(positions),
        mask_NN=sees & torch.ones(len(ids), len(ids), dtype=torch.bool).tril(),
        sources_T=torch.tensor(sources),
        targets_T=torch.tensor(targets),
        rollouts_T=torch.tensor(rollouts),
    )


@dataclass(frozen=True, slots=True)
class Computed:
    """What the policy makes of a pack's completion tokens."""

    logprobs_T: Tensor
    """Log-probabilities (nats) at the sampling temperature, float32, with gradient where enabled."""
    plain_T: Tensor
    """The same at temperature 1, which a sampler's are compared with; detached."""
    entropy_T: Tensor
    """Entropies (nats) at temperature 1; detached."""


def completion_logprobs(model: Any, pack: Pack, *, temperature: float = 1.0) -> Computed:
    """Compute the log-probability of each completion token.

    Args:
        model: a causal language model of transformers whose attention takes a 4-dimensional mask (sdpa, eager).
        pack: what to compute it for.
        temperature: that the completions were sampled at: the policy that is trained is the one that samples.
    """
    backbone, head = model.base_model, model.get_output_embeddings()
    device = head.weight.device
    mask = torch.zeros(pack.mask_NN.shape, dtype=head.weight.dtype)
    mask.masked_fill_(~pack.mask_NN, torch.finfo(head.weight.dtype).min)
    states_N = backbone(
        input_ids=pack.ids_N[None].to(device),
        position_ids=pack.positions_N[None].to(device),
        attention_mask=mask[None, None].to(device),
        use_cache=False,
    ).last_hidden_state[0]
    logits_TV = head(states_N[pack.sources_T.to(device)]).float()
    targets_T = pack.targets_T.to(device)
    is_plain = temperature == 1
    scaled_TV = logits_TV if is_plain else logits_TV / temperature
    logprobs_T = -functional.cross_entropy(scaled_TV, targets_T, reduction="none")
    with torch.no_grad():
        entropy_T = torch.logsumexp(logits_TV, -1) - (logits_TV.softmax(-1) * logits_TV).sum(-1)
        plain_T = logprobs_T if is_plain else -functional.cross_entropy(logits_TV, targets_T, reduction="none")
    return Computed(logprobs_T, plain_T.detach(), entropy_T)
