"""Doubles of what data for planner and judge is made with: tokenizer, sampler, verifiers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from abruzzi.data.items import Item
from abruzzi.nouns import FinishReason, Outcome, Verdict
from abruzzi.training.grpo.rollouts import Prompt, Rollout, RolloutGroup, Sampled
from abruzzi.verifiers.extract import extract_answer

END = "\n<assistant>"
"""How a rendered prompt ends."""


class CharTokenizer:
    """A token per character; a prompt is its messages' contents one below the other."""

    chat_template = "double"
    name_or_path = "double"

    def apply_chat_template(self, turns: Sequence[dict[str, str]], **settings: object) -> str:
        assert settings == {"tokenize": False, "add_generation_prompt": True}
        return "\n".join(turn["content"] for turn in turns) + END

    def __call__(self, text: str, **settings: object) -> dict[str, list[int]]:
        assert settings == {"add_special_tokens": False}
        return {"input_ids": [ord(letter) for letter in text]}

    def batch_decode(self, many: Sequence[Sequence[int]], **settings: object) -> list[str]:
        assert settings == {"skip_special_tokens": True}
        return ["".join(map(chr, ids)) for ids in many]


class WordTokenizer(CharTokenizer):
    """Counts words and digits, as the base does nearly."""

    def __call__(self, text: str, **settings: object) -> dict[str, list[int]]:
        assert settings == {"add_special_tokens": False}
        return {"input_ids": [0] * (len(text.split()) + sum(letter.isdigit() for letter in text))}


@dataclass
class ScriptedSampler:
    """Replies by a function of the prompt's text and the member's number; None is a reply cut at its limit."""

    reply: Callable[[str, int], str | None]
    asked: list[str] = field(default_factory=list[str])
    """Prompts, in order."""
    seeds: list[int] = field(default_factory=list[int])
    name: str = "scripted"

    def sync(self) -> None: ...

    def sample(
        self, prompts_P: Sequence[Sequence[int]], *, group_size: int, max_tokens: int, temperature: float, seed: int
    ) -> list[list[Sampled]]:
        del max_tokens, temperature
        texts = ["".join(map(chr, ids)) for ids in prompts_P]
        assert all(text.endswith(END) for text in texts)
        self.asked += texts
        self.seeds.append(seed)
        return [[make_sampled(self.reply(text, member)) for member in range(group_size)] for text in texts]


def make_sampled(text: str | None, *, logprob: float = -0.5) -> Sampled:
    ids = tuple(map(ord, text or "cut"))
    reason = FinishReason.LENGTH if text is None else FinishReason.STOP
    return Sampled(ids, tuple(logprob for _ in ids), reason)


def check_answers(replies: Sequence[tuple[Item, str]]) -> list[Verdict]:
    """Compare final answers with ground truths as text; ``?`` stands for a verifier that broke."""
    return [_check(item, text) for item, text in replies]


def _check(item: Item, text: str) -> Verdict:
    found = extract_answer(text)
    if found is None:
        return Verdict(Outcome.UNPARSED, 0.0, None, "no answer")
    if found.text == "?":
        return Verdict(Outcome.ERROR, 0.0, None, "broken")
    is_right = found.text == str(item.ground_truth)
    return Verdict(Outcome.CORRECT if is_right else Outcome.WRONG, float(is_right), found.text, "compared")


def make_group(item: Item, *texts: str | None, family: str = "sums", logprobs: Sequence[float] = ()) -> RolloutGroup:
    """Verified rollouts of an item; None is one that was cut."""
    rollouts = [
        Rollout(
            make_sampled(text, logprob=logprobs[place] if logprobs else -0.5),
            text or "cut",
            check_answers([(item, text or "")])[0],
        )
        for place, text in enumerate(texts)
    ]
    return RolloutGroup(Prompt(item, (1,), family), tuple(rollouts))


def make_sum(expression: str, *, name: str = "") -> Item:
    """An item of the family chain_sum."""
    total: Any = sum(int(term) for term in expression.replace("- ", "-").replace("+ ", "").split())
    extra = {"task": "chain_sum", "metadata": {"expression": expression}}
    return Item(name or expression, f"State the final answer to {expression} =", str(total), "reasoning_gym", extra)


def think(steps: str, answer: object) -> str:
    """A whole reply."""
    return f"<think>{steps}</think>\n<answer>{answer}</answer>"
