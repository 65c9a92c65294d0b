"""The lines of a run's record, from batches by script; all of them plain JSON."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from abruzzi.training.grpo.collect import Batch, collect
from abruzzi.training.grpo.correction import SamplerGap
from abruzzi.training.grpo.loss import LossMetrics
from abruzzi.training.grpo.rows import held_out_row, rollout_rows, step_row
from abruzzi.training.grpo.stream import PromptStream
from abruzzi.training.grpo.update import Update
from abruzzi.training.held_out import measure_held_out
from abruzzi.training.scratch import make_tokenizer
from tests.training.toys import TEXTS, ScriptedSampler, grpo_settings, make_prompts, verify_letters

TOKENIZER = make_tokenizer(TEXTS)
UPDATE = Update(
    loss=-0.5,
    grad_norm=0.25,
    entropy=1.5,
    kl_to_start=None,
    metrics=LossMetrics(num_tokens=10, num_clipped_low=1, num_clipped_high=2),
    gap=SamplerGap(10, 0, 0.0, 0.0, 0.125, 0.0, 0.875),
    num_tokens=99,
)


def gather(script: Iterable[str]) -> Batch:
    """Two groups wanted; prompts of the families "others" and "sums"."""
    return collect(
        PromptStream(make_prompts(TOKENIZER, 2), seed=1),
        ScriptedSampler(TOKENIZER, script),
        TOKENIZER,
        grpo_settings(),
        seed=1,
        share=1.0,
        verify=verify_letters,
    )


def plain(row: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(row, allow_nan=False))


def test_a_step_by_hand() -> None:
    batch = gather(["rrrr", "rwtc", "rwww"])
    row = plain(step_row(3, batch, UPDATE, TOKENIZER, max_tokens=12))
    families = [scored.group.prompt.family for scored in batch.scored]
    by_family: dict[str, list[float]] = {"others": [], "sums": []}
    for family, rewards in zip(families, ([1, 1, 1, 1], [1, 0, 0], [1, 0, 0, 0]), strict=True):  # t has none
        by_family[family] += rewards
    assert (row["kind"], row["step"]) == ("step", 3)
    assert row["reward"] == pytest.approx(6 / 11)
    assert row["reward_by_family"] == pytest.approx({f: sum(v) / len(v) for f, v in by_family.items() if v})
    assert (row["num_groups"], row["num_used"], row["num_rounds"], row["num_rollouts"]) == (3, 2, 2, 12)
    assert row["outcomes"] == {"correct": 6, "wrong": 4, "timeout": 1, "unparsed": 1}
    assert row["mean_tokens"] == pytest.approx((11 * 2 + 1) / 12)
    assert (row["max_tokens"], row["truncated"]) == (2, pytest.approx(1 / 12))
    assert (row["loss"], row["grad_norm"], row["entropy"], row["kl_to_start"]) == (-0.5, 0.25, 1.5, None)
    assert (row["clipped_low"], row["clipped_high"]) == (0.1, 0.2)
    assert (row["sampler_kl"], row["sampler_effective"], row["update_tokens"]) == (0.125, 0.875, 99)


def test_hacks_are_shares_of_all_rollouts() -> None:
    row = step_row(1, gather(["rwww", "rwww"]), None, TOKENIZER, max_tokens=12)
    assert row["hacks"]["no_thoughts"] == 1.0  # a letter holds none
    # Two tokens of two at most: all of them very long.
    assert step_row(1, gather(["rwww", "rwww"]), None, TOKENIZER, max_tokens=2)["hacks"]["very_long"] == 1.0
    assert row["hacks"]["very_long"] == 0.0


def test_a_step_without_update_has_no_loss() -> None:
    row = plain(step_row(1, gather(["tttt", "eeee"] * 4), None, TOKENIZER, max_tokens=12))
    assert row["reward"] is None, "no verdict is no reward of 0"
    assert set(row["reward_by_family"].values()) == {None}
    assert row["outcomes"] == {"timeout": 16, "error": 16}
    assert "loss" not in row
    assert row["num_used"] == 0


def test_each_rollout_has_a_line() -> None:
    batch = gather(["rrrr", "rwtc", "rwww"])
    rows = [plain(row) for row in rollout_rows(4, batch)]
    assert [row["text"] for row in rows] == list("rrrrrwtcrwww")
    assert {row["step"] for row in rows} == {4}
    assert [row["outcome"] for row in rows[4:8]] == ["correct", "wrong", "timeout", "unparsed"]
    assert [row["advantage"] for row in rows[:4]] == [0, 0, 0, 0]
    assert [row["advantage"] for row in rows[8:]] == [1.5, -0.5, -0.5, -0.5]
    assert rows[6]["advantage"] == 0
    assert [row["num_tokens"] for row in rows[4:8]] == [2, 2, 2, 1]
    assert {(row["item"], row["family"]) for row in rows} == {("sum/0", "others"), ("sum/1", "sums")}


def test_a_measurement() -> None:
    found = measure_held_out(
        ScriptedSampler(TOKENIZER, ["rrww", "rwte"]),
        make_prompts(TOKENIZER, 2),
        TOKENIZER,
        samples=4,
        temperature=1.0,
        max_tokens=5,
        seed=1,
        verify=verify_letters,
    )
    row = plain(held_out_row(found, 20, 1.5))
    assert (row["kind"], row["step"], row["accuracy"]) == ("held_out", 20, 0.5)
    assert found.accuracy is not None
    assert row["interval"] == [found.accuracy.low, found.accuracy.high]
    assert row["by_family"]["sums"][0] == 0.5
    assert row["pass_at"]["1"] == 0.5
    assert (row["num_unjudged"], row["num_items"], row["truncated"]) == (2, 2, 0)
    assert row["seconds"] == {"all": 1.5}
