"""The nouns of GRPO, and the seam that samples. No behaviour beyond derived properties.

A prompt has a group of rollouts; each is a sampled completion with its verdict:

Prompt ─sample × group_size→ Rollout… ─verify→ verdicts ─→ RolloutGroup ─→ advantages_G
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from abruzzi.data.items import Item
from abruzzi.nouns import FinishReason, Outcome, Verdict

JUDGED = frozenset({Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED})
"""Outcomes that say something about the rollout. ``timeout`` and ``error`` do not: they are masked and counted."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One item as the policy is asked it."""

    item: Item
    ids: tuple[int, ...]
    """Token ids, the generation prefix of the assistant's turn included."""
    family: str = ""
    """Domain or task, for reward curves."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One completion as a sampler gives it."""

    ids: tuple[int, ...]
    """Generated token ids; the end-of-turn token is the last one when the policy ended it itself."""
    logprobs: tuple[float, ...]
    """One per id: log-probability (nats) of the token under the distribution at temperature 1, no top-p, as the sampler
    computed it; it is what the importance ratio is corrected by."""
    finish_reason: FinishReason
    """``stop`` or ``length``."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A sampled completion with its verdict."""

    sampled: Sampled
    text: str
    """Decoded, without special tokens."""
    verdict: Verdict

    @property
    def is_judged(self) -> bool:
        """False where the verifier timed out or broke: such a rollout has no reward."""
        return self.verdict.outcome in JUDGED

    @property
    def is_truncated(self) -> bool:
        """True when it was cut at the token limit."""
        return self.sampled.finish_reason is FinishReason.LENGTH


@dataclass(frozen=True, slots=True)
class RolloutGroup:
    """The rollouts of one prompt."""

    prompt: Prompt
    rollouts: tuple[Rollout, ...]


class Sampler(Protocol):
    """Samples completions from the policy: the trainer's own batched generation, llama.cpp or vLLM."""

    @property
    def name(self) -> str:
        """What the record calls it."""
        ...

    def sync(self) -> None:
        """Take over the policy's weights as they are now."""
        ...

    def sample(
        self, prompts_P: Sequence[Sequence[int]], *, group_size: int, max_tokens: int, temperature: float, seed: int
    ) -> list[list[Sampled]]:
        """Sample ``group_size`` completions of each prompt, independently.

        Args:
            prompts_P: token ids of each prompt.
            group_size: completions per prompt.
            max_tokens: limit of each completion.
            temperature: 0 is greedy.
            seed: the same seed, prompts and weights give the same completions.

        Returns:
            For each prompt its completions.
        """
        ...
