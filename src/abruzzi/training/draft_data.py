"""A draft model's examples: what the solver was asked in its own rollouts, and what it replied, right or wrong.

    rollouts.jsonl of a GRPO run ─ whole, asked without a plan, late enough → examples for ``abruzzi train sft``
                                                                            → rows for vLLM's ``speculators``

A draft is to say what the solver says, so nothing is chosen by its verdict, and a reply that was sampled often stands
there often. Early rollouts are of another policy than the run ended with; ``first_step`` leaves them out. A row of
``rollouts.jsonl`` does not hold the plan that some prompts showed, so these are left out too, as are replies that were
cut: their end would be taught as one.

``speculators`` (0.9.0) trains EAGLE-3, DFlash and other heads for vLLM. Its ``prepare_data.py`` takes rows of token ids
with a loss mask as they are, and asks a running vLLM to tokenise anything else. Such rows are written here; hidden
states, which its training needs besides, are vLLM's to make.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from abruzzi.data.examples import Example
from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.reasoning.sample import solver_messages
from abruzzi.records import WholeLines
from abruzzi.training.grpo.rollouts import Prompt
from abruzzi.training.seeds import seed_of
from abruzzi.training.tokens import Tokens, encode_prompt


def make_draft_examples(
    rows: Iterable[Mapping[str, Any]],
    prompts: Iterable[Prompt],
    tokenizer: Any,
    *,
    max_tokens: int,
    first_step: int = 1,
    seed: int = 1,
) -> list[Example]:
    """Turn a run's rollouts into examples, shuffled.

    Args:
        rows: of ``rollouts.jsonl``: ``{"step", "item", "family", "text", "num_tokens"}``.
        prompts: that the run asked (``material.gather_prompts`` of its recipe).
        tokenizer: the base's.
        max_tokens: of a reply in that run; a reply as long was cut.
        first_step: rollouts of earlier steps are left out.
        seed: of the order.

    Raises:
        DataError: a row is no rollout of these prompts, or none is left.
    """
    plain: dict[str, Item] = {}
    """Item's id → item, where it was asked without a plan."""
    asked: set[str] = set()
    for prompt in prompts:
        asked.add(prompt.item.id)
        if prompt.ids == tuple(encode_prompt(tokenizer, solver_messages(prompt.item.question))):
            plain[prompt.item.id] = prompt.item
    examples: list[Example] = []
    for number, row in enumerate(rows, start=1):
        try:
            identifier, family, text = str(row["item"]), str(row["family"]), str(row["text"])
            is_wanted = row["step"] >= first_step and row["num_tokens"] < max_tokens
        except (KeyError, TypeError) as error:
            raise DataError(f"row {number} is no rollout ({error!r}): pass rollouts.jsonl of a GRPO run") from error
        if identifier not in asked:
            raise DataError(f"row {number} is of {identifier!r}, which was not asked: pass the prompts of its own run")
        if is_wanted and identifier in plain and text.strip():
            question = plain[identifier].question
            examples.append(Example(f"{identifier}/{number}", solver_messages(question), text, family))
    if not examples:
        raise DataError(f"no rollout of step {first_step} or later can be taught: lower first_step, or sample more")
    Random(seed_of(seed, "draft")).shuffle(examples)
    return examples


def write_speculator_rows(path: Path, examples: Sequence[Tokens]) -> int:
    """Write examples as rows that speculators' ``prepare_data.py`` takes: ``{"input_ids", "loss_mask"}``.

    Args:
        path: the JSON Lines file.
        examples: by the tokenizer of the model that is to be served (``tokens.encode_examples``).

    Returns:
        How many.

    Raises:
        RecordError: the file cannot be written.
    """
    with WholeLines(path) as lines:
        for tokens in examples:
            lines.write({"input_ids": list(tokens.ids), "loss_mask": list(tokens.loss_mask)})
    return lines.num_rows
