"""Two uses of a sampler outside of training: verified rollouts of given prompts, and one greedy reply to each of many.

``Ask`` is the seam by which a planner or judge is measured: the policy in this process, an engine or a double fits it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from abruzzi.nouns import Message
from abruzzi.training.grpo.collect import score_groups
from abruzzi.training.grpo.rewards import Verify, verify_replies
from abruzzi.training.grpo.rollouts import Prompt, RolloutGroup, Sampler
from abruzzi.training.tokens import encode_prompt

Ask = Callable[[Sequence[tuple[Message, ...]]], Sequence[str]]
"""Answers many requests, a reply each, in order; a request that failed has an empty reply."""


def sample_groups(
    sampler: Sampler,
    prompts: Sequence[Prompt],
    tokenizer: Any,
    *,
    group_size: int,
    max_tokens: int,
    temperature: float,
    seed: int,
    verify: Verify = verify_replies,
) -> list[RolloutGroup]:
    """Sample and verify rollouts of prompts; see ``Sampler.sample``."""
    sampled_P = sampler.sample(
        [prompt.ids for prompt in prompts],
        group_size=group_size,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
    )
    return score_groups(prompts, sampled_P, tokenizer, verify)


def ask_policy(sampler: Sampler, tokenizer: Any, *, max_tokens: int) -> Ask:
    """Ask the policy that a sampler holds, greedily; nothing holds its replies to a schema."""

    def ask(requests: Sequence[tuple[Message, ...]]) -> list[str]:
        prompts_P = [encode_prompt(tokenizer, messages) for messages in requests]
        sampled_P = sampler.sample(prompts_P, group_size=1, max_tokens=max_tokens, temperature=0.0, seed=0)
        return tokenizer.batch_decode([sampled.ids for (sampled,) in sampled_P], skip_special_tokens=True)

    return ask
