"""Makes the training files of the judge and the planner from a trained solver, on items that it was not taught."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from abruzzi.cli.wiring import cache_folder
from abruzzi.training.checkpoint import resolve_checkpoint
from abruzzi.training.grpo.torch_sampler import TorchSampler
from abruzzi.training.judge_data import read_groups, write_judge_examples
from abruzzi.training.material import Portion, gather_portions, gather_prompts, render_for
from abruzzi.training.planner_data import Solver, try_plans, write_planner_examples
from abruzzi.training.policy import Policy, open_policy
from abruzzi.training.recipe import Recipe, build_recipe
from abruzzi.training.run_record import read_run
from abruzzi.training.sampling import sample_groups

ROWS = 64
EXAMPLES_FILE, TRIALS_FILE = "train.jsonl", "trials.jsonl"


def make_judge_data(solver: Path, out: Path, *, items: int, samples: int, max_tokens: int, seed: int) -> int:
    """Sample the solver on fresh items, and pair right replies with wrong ones.

    Args:
        solver: its run.
        out: folder of the file.
        items: per family.
        samples: replies per item.
        max_tokens: of a reply.
        seed: of items and draws; another than the solver's own.

    Raises:
        AbruzziError: there is no solver, or nothing can be made of its replies.
    """
    policy, recipe, portions = _open(solver, items, seed)
    groups = sample_groups(
        TorchSampler(policy.model, [policy.tokenizer.eos_token_id], max_rows=ROWS),
        gather_prompts(recipe.data, policy.tokenizer, portions),
        policy.tokenizer,
        group_size=samples,
        max_tokens=max_tokens,
        temperature=1.0,
        seed=seed,
    )
    counts = write_judge_examples(out / EXAMPLES_FILE, read_groups(groups), tokenizer=policy.tokenizer, seed=seed)
    print(f"{out / EXAMPLES_FILE}: {counts.num_examples} examples, pairs: {_show(counts.used)}")
    return 0


def make_planner_data(
    solver: Path, out: Path, *, items: int, tried: int, samples: int, max_tokens: int, seed: int
) -> int:
    """Try plans of each style on some fresh items, and teach the ones that help on all of them.

    Args:
        solver: its run.
        out: folder of the file and of the trials, which are gone on with.
        items: per family, an example each.
        tried: of these, items that plans are tried on.
        samples: replies per item and plan.
        max_tokens: of a reply.
        seed: of items and draws; another than the solver's own.

    Raises:
        AbruzziError: there is no solver, or nothing can be made of its replies.
    """
    policy, recipe, portions = _open(solver, items, seed)
    asked = Solver(
        name=str(resolve_checkpoint(solver)),
        sampler=TorchSampler(policy.model, [policy.tokenizer.eos_token_id], max_rows=ROWS),
        tokenizer=policy.tokenizer,
        render=render_for(recipe.data),
        samples=samples,
        max_tokens=max_tokens,
    )
    out.mkdir(parents=True, exist_ok=True)
    trials = try_plans(out / TRIALS_FILE, {p.family: p.train[:tried] for p in portions}, asked, seed=seed)
    counts = write_planner_examples(out / EXAMPLES_FILE, {p.family: p.train for p in portions}, trials, seed=seed)
    for gain in counts.gains:
        verdict = "helps" if gain.helps else "does not"
        difference = gain.gain
        print(
            f"{gain.family}, {gain.way}: {gain.rate:.1%}, {difference.value:+.1%} "
            f"[{difference.low:+.1%}, {difference.high:+.1%}] against no plan: {verdict}"
        )
    print(f"{out / EXAMPLES_FILE}: {counts.num_examples} examples")
    return 0


def _open(solver: Path, items: int, seed: int) -> tuple[Policy, Recipe, list[Portion]]:
    """Open a solver and items of its families that it was not taught."""
    content: dict[str, Any] = read_run(solver)["recipe"]
    sources = [{**source, "size": items, "seed": seed, "planned_share": 0.0} for source in content["data"]["sources"]]
    data, model = {**content["data"], "sources": sources}, {**content["model"], "start": str(solver)}
    recipe = build_recipe({**content, "data": data, "model": model}, str(solver))
    policy = open_policy(recipe.model, cache_dir=cache_folder(os.environ), seed=seed)
    return policy, recipe, gather_portions(recipe.data)


def _show(counts: Counter[str]) -> str:
    return ", ".join(f"{family} {count}" for family, count in counts.items())
