"""Measures how often a policy gets each training item right, for the difficulty filter; a killed measuring goes on.

What is kept of it, and by which thresholds, is ``data.difficulty``'s business.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from abruzzi.data.difficulty import PassRate, PassRates
from abruzzi.nouns import Outcome
from abruzzi.training.grpo.rewards import Verify, verify_replies
from abruzzi.training.grpo.rollouts import JUDGED, Prompt, RolloutGroup, Sampler
from abruzzi.training.sampling import sample_groups
from abruzzi.training.seeds import seed_of

BATCH = 32
"""Items sampled and stored at a time."""


def measure_rates(
    path: Path,
    prompts: Sequence[Prompt],
    sampler: Sampler,
    tokenizer: Any,
    *,
    name: str,
    samples: int,
    max_tokens: int,
    temperature: float,
    seed: int,
    verify: Verify = verify_replies,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Measure the items that the file does not hold yet.

    Args:
        path: of the rates.
        prompts: one an item.
        sampler: holds the policy.
        tokenizer: decodes.
        name: which policy this is; rates are filed under it.
        samples: completions per item.
        max_tokens: of a completion.
        temperature: of sampling.
        seed: of the draws; each item has its own.
        verify: the verifiers.
        on_batch: told how many items are done, and how many there are.

    Raises:
        RecordError: the file cannot be read or written.
    """
    with PassRates(path, name) as rates:
        missing = [prompt for prompt in prompts if rates.get(prompt.item) is None]
        done = len(prompts) - len(missing)
        on_batch(done, len(prompts))
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            groups = sample_groups(
                sampler,
                batch,
                tokenizer,
                group_size=samples,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed_of(seed, "rates", batch[0].item.id),
                verify=verify,
            )
            for group in groups:
                rates.add(group.prompt.item, rate_of(group))
            on_batch(done + start + len(batch), len(prompts))


def rate_of(group: RolloutGroup) -> PassRate:
    """Count a group's verdicts."""
    outcomes = [rollout.verdict.outcome for rollout in group.rollouts]
    num_judged = sum(outcome in JUDGED for outcome in outcomes)
    return PassRate(outcomes.count(Outcome.CORRECT), num_judged, len(outcomes) - num_judged)
