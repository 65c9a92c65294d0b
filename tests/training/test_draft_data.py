"""A draft's examples: which rollouts are taught, and what is written for others to read."""

import json
from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.reasoning.sample import solver_messages
from abruzzi.training.draft_data import make_draft_examples, write_speculator_rows
from abruzzi.training.grpo.rollouts import Prompt
from abruzzi.training.scratch import make_tokenizer
from abruzzi.training.tokens import Tokens, encode_examples, encode_prompt

TOKENIZER = make_tokenizer(["What is 1 + 2?", "<think>3</think>\n<answer>3</answer>"])
REPLY = "<think>3</think>\n<answer>3</answer>"


def make_prompt(name: str, plan: str = "") -> Prompt:
    item = Item(name, f"What is {name}?", "3", "math__own")
    return Prompt(item, tuple(encode_prompt(TOKENIZER, solver_messages(item.question, plan))), "sums")


def row(item: str, **changes: Any) -> dict[str, Any]:
    return {"step": 4, "item": item, "family": "sums", "text": REPLY, "num_tokens": 9, "outcome": "wrong"} | changes


PROMPTS = [make_prompt("a"), make_prompt("b"), make_prompt("planned", "Add the two.")]


def test_replies_are_taught_as_often_as_they_were_sampled_right_or_wrong() -> None:
    rows = [row("a"), row("a"), row("b", outcome="correct", text="<think></think>")]
    examples = make_draft_examples(rows, PROMPTS, TOKENIZER, max_tokens=20)
    assert sorted((example.id, example.completion) for example in examples) == [
        ("a/1", REPLY), ("a/2", REPLY), ("b/3", "<think></think>"),
    ]  # fmt: skip
    assert {example.messages for example in examples if example.id[0] == "a"} == {solver_messages("What is a?")}


@pytest.mark.parametrize("left_out", [row("a", step=3), row("a", num_tokens=20), row("planned"), row("a", text=" \n")])
def test_early_cut_planned_and_empty_ones_are_left_out(left_out: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"max_tokens": 20, "first_step": 4}
    (example,) = make_draft_examples([left_out, row("b")], PROMPTS, TOKENIZER, **settings)
    assert example.id == "b/2"
    with pytest.raises(DataError, match="no rollout of step 4 or later can be taught: lower first_step"):
        make_draft_examples([left_out], PROMPTS, TOKENIZER, **settings)


def test_rows_of_another_run_are_refused() -> None:
    with pytest.raises(DataError, match="row 2 is of 'c', which was not asked"):
        make_draft_examples([row("a"), row("c")], PROMPTS, TOKENIZER, max_tokens=20)
    with pytest.raises(DataError, match=r"row 1 is no rollout \(KeyError\('text'\)\)"):
        make_draft_examples([{"step": 1, "item": "a", "family": ""}], PROMPTS, TOKENIZER, max_tokens=20)


def test_the_order_is_the_seeds() -> None:
    rows = [row("a", text=f"{number}") for number in range(30)]
    one, again, other = (
        [example.id for example in make_draft_examples(rows, PROMPTS, TOKENIZER, max_tokens=20, seed=seed)]
        for seed in (1, 1, 2)
    )
    assert one == again != other
    assert sorted(one) == sorted(other)


def test_speculators_rows_hold_ids_and_mask(tmp_path: Path) -> None:
    examples = make_draft_examples([row("a")], PROMPTS, TOKENIZER, max_tokens=20)
    encoded = encode_examples(TOKENIZER, examples, max_tokens=500).kept
    assert write_speculator_rows(tmp_path / "rows.jsonl", encoded) == 1
    (written,) = map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    assert set(written) == {"input_ids", "loss_mask"}
    assert Tokens(tuple(written["input_ids"]), tuple(written["loss_mask"])) == encoded[0]
    taught = [token for token, is_taught in zip(written["input_ids"], written["loss_mask"], strict=True) if is_taught]
    assert TOKENIZER.decode(taught) == f"{REPLY}<|im_end|>"
