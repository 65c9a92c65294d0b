"""Made-up run folders: a few lines of the fields that a record has, as the trainers write them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Scores = Mapping[str, Mapping[str, Sequence[int]]]


def write_run(folder: Path, rows: Sequence[Row], *, rollouts: Sequence[Row] = (), **facts: Any) -> Path:
    """Write a run's folder; ``facts`` go into its ``run.json``."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(facts))
    for name, lines in (("metrics", rows), ("rollouts", rollouts)):
        if lines:
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def grpo_facts(name: str = "made-up", *, steps: int = 4, **settings: Any) -> Row:
    """What ``run.json`` of a GRPO run holds."""
    return {
        "recipe": {
            "name": name,
            "model": {"base": "embedded", "start": "runs/sft", "method": "lora", "lora": {"rank": 16}},
            "data": {"sources": [{"kind": "procedural", "task": "chain_sum", "styles": {}}], "benchmarks": []},
            "sft": None,
            "grpo": {"steps": steps, "seed": 1, "shuffle_rewards": False, **settings},
        },
        "stage": "grpo",
        "base": "embedded, sha256 5b1c",
        "num_prompts": 1000,
        "num_held_out": 8,
        "num_malformed": 2,
        "contamination": {"num_dirty": 0, "benchmarks": ["gsm8k"]},
        "num_parameters": 134_515_008,
        "num_trained": 4_884_480,
        "machine": {
            "platform": "Linux",
            "processor": "made up",
            "cores": 2,
            "python": "3.11.7",
            "packages": {"torch": "2.13.0", "trl": None},
            "commit": "0d5dbed",
        },
    }


def sft_facts(name: str = "made-up-sft", **settings: Any) -> Row:
    """What ``run.json`` of an SFT run holds."""
    recipe = {
        "name": name,
        "model": {"base": "embedded"},
        "grpo": None,
        "sft": {"seed": 1, "max_steps": None, **settings},
    }
    return {"recipe": recipe, "stage": "sft", "num_examples": 500, "num_too_long": 3, "contamination": None}


def step_row(step: int, **changes: Any) -> Row:
    """A step of GRPO: 16 rollouts in 4 groups, 10 seconds."""
    row: Row = {
        "kind": "step",
        "step": step,
        "reward": 0.25,
        "reward_by_family": {"chain_sum": 0.25, "letter_counting": 0.5},
        "num_groups": 4,
        "num_used": 1,
        "num_rounds": 1,
        "num_rollouts": 16,
        "outcomes": {"correct": 4, "wrong": 9, "unparsed": 2, "timeout": 1},
        "mean_tokens": 20.0,
        "truncated": 0.0,
        "hacks": {"empty_answer": 0.125},
        "loss": 0.01,
        "grad_norm": 0.2,
        "entropy": 0.5,
        "kl_to_start": None,
        "clipped_low": 0.0,
        "clipped_high": 0.0,
        "sampler_kl": 1e-13,
        "sampler_effective": 1.0,
        "learning_rate": 1e-4,
        "total_rollouts": 16 * step,
        "total_tokens": 320 * step,
        "seconds": {"sync": 0.5, "sample": 5.0, "verify": 1.0, "update": 3.0, "all": 10.0},
    }
    return row | changes


def sft_row(step: int, **changes: Any) -> Row:
    """A step of SFT: 100 tokens in 2 seconds."""
    row: Row = {
        "kind": "step",
        "step": step,
        "loss": 4.0 / step,
        "grad_norm": 1.0,
        "learning_rate": 1e-3,
        "token_accuracy": 1 - 0.5 / step,
        "entropy": None,
        "total_tokens": 100.0 * step,
        "num_steps": 4,
        "seconds": {"all": 2.0},
    }
    return row | changes


def held_out_row(step: int, accuracy: float, *, scores: Scores | None = None, **changes: Any) -> Row:
    """A measurement of 20 seconds."""
    row: Row = {
        "kind": "held_out",
        "step": step,
        "accuracy": accuracy,
        "interval": [accuracy - 0.05, accuracy + 0.05],
        "by_family": {"chain_sum": [accuracy, accuracy - 0.05, accuracy + 0.05]},
        "pass_at": {"1": accuracy, "2": min(1.0, accuracy + 0.1)},
        "mean_tokens": 21.0,
        "truncated": 0.0,
        "num_unjudged": 0,
        "num_items": 8,
        "seconds": {"all": 20.0},
    }
    return row | ({} if scores is None else {"scores": scores}) | changes


def rollout_row(step: int, outcome: str, text: str = "<answer>1</answer>", **changes: Any) -> Row:
    """A rollout."""
    row = {"step": step, "item": f"chain_sum/1/{step}", "family": "chain_sum", "text": text}
    return row | {"num_tokens": 7, "outcome": outcome, "advantage": 0.0} | changes


def arc(*, gain: int = 0, **changes: Any) -> list[Row]:
    """Rows of a whole run: four steps, and measurements of two families of 30 items with two samples each.

    Half of the items of ``chain_sum`` are solved at first, and ``gain`` more at last; those of ``products`` never.
    """

    def scores(solved: int) -> Scores:
        sums = {f"{n}": [1, 1] if n < solved else [0, 0] for n in range(30)}
        return {"chain_sum": sums, "products": {f"{n}": [0, 0] for n in range(30)}}

    def measure(step: int, solved: int) -> Row:
        share = solved / 30
        families = {"chain_sum": [share, share - 0.2, share + 0.2], "products": [0.0, 0.0, 0.12]}
        return held_out_row(step, share / 2, scores=scores(solved), by_family=families, num_items=60)

    return [measure(0, 15), *(step_row(step, **changes) for step in range(1, 5)), measure(4, 15 + gain)]
