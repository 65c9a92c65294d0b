"""Turns messages and examples into token ids, with a mask that says which of them are trained on.

The prompt is rendered by the tokenizer's own chat template, up to and including the generation prefix of the
assistant's turn, exactly as a server renders it at answer time; the completion follows, and the end-of-turn token. Only
completion and end of turn carry loss. Padding is none of this file's business: sequences are packed, or padded by
length where they must be, never recognised by a token's id (SmolLM2's padding token is its end of turn).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from abruzzi.data.examples import Example
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message


@dataclass(frozen=True, slots=True)
class Tokens:
    """One example as token ids."""

    ids: tuple[int, ...]
    loss_mask: tuple[int, ...]
    """1 where the token is trained on; as long as ``ids``."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of a set of examples."""

    kept: tuple[Tokens, ...]
    num_too_long: int
    """Left out: cutting them would teach thoughts without their end."""


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Render messages to token ids, the generation prefix of the assistant's turn included.

    Raises:
        ConfigError: the tokenizer has no chat template.
    """
    if not tokenizer.chat_template:
        raise ConfigError(f"the tokenizer {tokenizer.name_or_path!r} has no chat template; give it one")
    turns = [{"role": message.role, "content": message.content} for message in messages]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_example(tokenizer: Any, example: Example) -> Tokens:
    """Render an example; the completion is tokenised apart from the prompt, as it is at answer time."""
    prompt = encode_prompt(tokenizer, example.messages)
    completion = [*tokenizer(example.completion, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return Tokens((*prompt, *completion), (*[0] * len(prompt), *[1] * len(completion)))


def encode_examples(tokenizer: Any, examples: Iterable[Example], *, max_tokens: int) -> Encoded:
    """Render examples, those left out that are longer than ``max_tokens``.

    Raises:
        DataError: none is left.
    """
    kept: list[Tokens] = []
    num_too_long = 0
    for example in examples:
        tokens = encode_example(tokenizer, example)
        if len(tokens.ids) <= max_tokens:
            kept.append(tokens)
        else:
            num_too_long += 1
    if not kept:
        why = f"all {num_too_long} are longer than {max_tokens} tokens" if num_too_long else "there are none"
        raise DataError(f"no example to train on: {why}; raise sft.max_tokens or look at the data")
    return Encoded(tuple(kept), num_too_long)
