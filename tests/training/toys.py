"""Small things to train with: a model of two layers, questions, replies by script, a verifier that reads letters."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from abruzzi.data.items import Item
from abruzzi.nouns import FinishReason, Message, Outcome, Verdict
from abruzzi.training.grpo.rollouts import Prompt, Sampled
from abruzzi.training.policy import Policy, open_policy
from abruzzi.training.recipe import GrpoSettings, LoraSettings, ModelSettings, ScratchSettings
from abruzzi.training.scratch import make_tokenizer
from abruzzi.training.tokens import encode_prompt

TEXTS = ("What is 1 + 2?", "<think>1 + 2 = 3</think>\n<answer>3</answer>", "Say something short.")
SCRATCH = ScratchSettings(hidden=32, layers=2, heads=4, kv_heads=2, max_tokens=256)
CPU = torch.device("cpu")
NOWHERE = Path("/nonexistent")
"""A cache that nothing may need."""

OUTCOMES = {
    "r": Outcome.CORRECT,
    "w": Outcome.WRONG,
    "u": Outcome.UNPARSED,
    "t": Outcome.TIMEOUT,
    "e": Outcome.ERROR,
}
"""What ``verify_letters`` says of a reply."""
CUT = "c"
"""A reply that was cut at its limit."""


def make_policy(*, seed: int = 1, **model: Any) -> Policy:
    settings = ModelSettings.model_validate({"base": "scratch", "method": "full", "scratch": SCRATCH} | model)
    return open_policy(settings, cache_dir=NOWHERE, seed=seed, tokenizer=make_tokenizer(TEXTS), device=CPU)


def make_lora_policy(base: Path, *, dropout: float = 0.0, **model: Any) -> Policy:
    """An adapter on a model that was saved in a folder."""
    lora = LoraSettings(rank=4, alpha=8, dropout=dropout)
    settings = ModelSettings.model_validate({"base": str(base), "method": "lora", "lora": lora} | model)
    return open_policy(settings, cache_dir=NOWHERE, seed=1, device=CPU)


def save_base(folder: Path, *, seed: int = 1) -> Path:
    policy = make_policy(seed=seed)
    policy.model.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)
    return folder


def copy_weights(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in policy.trained().items()}


def make_prompts(tokenizer: Any, count: int) -> list[Prompt]:
    items = [Item(f"sum/{n}", f"What is {n} + {n + 1}?", str(2 * n + 1), "math__own") for n in range(count)]
    return [
        Prompt(item, tuple(encode_prompt(tokenizer, [Message("user", item.question)])), "sums" if n % 2 else "others")
        for n, item in enumerate(items)
    ]


def grpo_settings(**changes: Any) -> GrpoSettings:
    small: dict[str, Any] = {"prompts_per_step": 2, "group_size": 4, "max_tokens": 12, "pack_tokens": 256}
    return GrpoSettings.model_validate(small | changes)


def verify_letters(replies: Sequence[tuple[Item, str]]) -> list[Verdict]:
    return [Verdict(OUTCOMES[text], 0.0, None, text) for _, text in replies]


def verify_even(replies: Sequence[tuple[Item, str]]) -> list[Verdict]:
    """A reply of an even number of characters is right."""
    return [
        Verdict(Outcome.WRONG if len(text) % 2 else Outcome.CORRECT, 0.0, None, str(len(text))) for _, text in replies
    ]


class ScriptedSampler:
    """Gives each prompt, in the order of asking, the next group of the script; a letter is a completion."""

    name = "scripted"

    def __init__(self, tokenizer: Any, script: Iterable[str], logprob: Callable[[int], float] = lambda _: -1.0) -> None:
        self._tokenizer = tokenizer
        self._script = iter(script)
        self._logprob = logprob
        self.asked: list[int] = []
        """Prompts of each call."""
        self.seeds: list[int] = []

    def sync(self) -> None:
        pass

    def sample(
        self, prompts_P: Sequence[Sequence[int]], *, group_size: int, max_tokens: int, temperature: float, seed: int
    ) -> list[list[Sampled]]:
        self.asked.append(len(prompts_P))
        self.seeds.append(seed)
        return [[self._make(letter) for letter in next(self._script)] for _ in prompts_P]

    def _make(self, letter: str) -> Sampled:
        ids: list[int] = self._tokenizer(letter, add_special_tokens=False)["input_ids"]
        is_cut = letter == CUT
        ids = ids if is_cut else [*ids, self._tokenizer.eos_token_id]
        logprobs = tuple(map(self._logprob, ids))
        return Sampled(tuple(ids), logprobs, FinishReason.LENGTH if is_cut else FinishReason.STOP)
