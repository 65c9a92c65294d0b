"""Makes files from recipes and trained solvers: what is held out, and what a judge and a planner are taught."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abruzzi.cli.wiring import cache_folder
from abruzzi.data.items import write_items
from abruzzi.errors import ConfigError, DataError
from abruzzi.reasoning.settings import JudgeReads
from abruzzi.records import read_lines
from abruzzi.training.checkpoint import find_checkpoint
from abruzzi.training.grpo.torch_sampler import TorchSampler
from abruzzi.training.judge_data import Answered, read_groups, read_rollouts, write_judge_examples
from abruzzi.training.lineage import find_start
from abruzzi.training.material import gather_portions, gather_prompts, render_for
from abruzzi.training.planner_data import Solver, list_ways, try_plans, write_planner_examples
from abruzzi.training.policy import Policy, open_policy
from abruzzi.training.recipe import Recipe, build_recipe
from abruzzi.training.run_record import ROLLOUTS_FILE, read_run
from abruzzi.training.sampling import sample_groups

ROWS = 64
EXAMPLES_FILE, TRIALS_FILE = "train.jsonl", "trials.jsonl"


def write_held_out(recipe: Recipe, out: Path) -> int:
    """Write what a recipe holds out, a file of items for each source, for evaluations of what it trained.

    Raises:
        AbruzziError: a source cannot be had, or a file not be written.
    """
    for portion in gather_portions(recipe.data):
        if not portion.held_out:
            raise DataError(f"{recipe.name} holds nothing out of {portion.family}; set data.held_out")
        path = out / f"{portion.family}.jsonl"
        print(f"{path}: {write_items(path, portion.held_out)} items")
    return 0


@dataclass(frozen=True, slots=True)
class Pairing:
    """How replies are paired, and where the examples go."""

    out: Path
    """Folder of the file."""
    per_item: int
    max_ratio: float
    reads: JudgeReads
    """All three: see ``write_judge_examples``."""
    seed: int
    """Of all draws; where items are drawn too, further from the solver's own than it has items."""


def pair_recorded(solver: Path, pairing: Pairing) -> int:
    """Pair right and wrong replies among the rollouts that a GRPO run recorded; costs no sampling.

    Args:
        solver: the run.
        pairing: how.

    Raises:
        AbruzziError: the run recorded no rollouts, or nothing can be made of them.
    """
    rollouts = solver / ROLLOUTS_FILE
    if not rollouts.is_file():
        raise DataError(f"{solver} recorded no rollouts; name a GRPO run, or leave --recorded out to sample anew")
    # The tokenizer is all that is needed: the run's own where it has one, or else the base's.
    policy, recipe = _open(solver, {}, start=solver if find_checkpoint(solver) else None)
    items = {item.id: item for portion in gather_portions(recipe.data) for item in portion.train}
    answered = read_rollouts(read_lines(rollouts), items)
    return _write_pairs(pairing, answered, policy.tokenizer)


def make_judge_data(solver: Path, pairing: Pairing, *, items: int, samples: int, max_tokens: int) -> int:
    """Sample the solver on fresh items, and pair right replies with wrong ones.

    Args:
        solver: its run.
        pairing: how.
        items: per family.
        samples: replies per item.
        max_tokens: of a reply.

    Raises:
        AbruzziError: there is no solver, or nothing can be made of its replies.
    """
    policy, recipe = _open(solver, _fresh(items, pairing.seed), start=solver)
    portions = gather_portions(recipe.data)
    groups = sample_groups(
        TorchSampler(policy.model, [policy.tokenizer.eos_token_id], max_rows=ROWS),
        gather_prompts(recipe.data, policy.tokenizer, portions),
        policy.tokenizer,
        group_size=samples,
        max_tokens=max_tokens,
        temperature=1.0,
        seed=pairing.seed,
    )
    return _write_pairs(pairing, read_groups(groups), policy.tokenizer)


def make_planner_data(
    solver: Path,
    out: Path,
    *,
    only: Sequence[str],
    also: Sequence[str],
    items: int,
    tried: int,
    samples: int,
    max_tokens: int,
    seed: int,
) -> int:
    """Try plans of each style on some fresh items, and teach the ones that help on all of them.

    Args:
        solver: its run.
        out: folder of the file and of the trials, which are gone on with.
        only: of the solver's generated tasks; none means all.
        also: further generated tasks; those that nobody writes plans for show the planner what else is asked.
        items: per family, an example each.
        tried: of these, items that plans are tried on.
        samples: replies per item and plan.
        max_tokens: of a reply.
        seed: of items and draws; another than the solver's own.

    Raises:
        AbruzziError: there is no solver, or nothing can be made of its replies.
    """
    policy, recipe = _open(solver, _fresh(items, seed), start=solver, only=only, also=also)
    portions = gather_portions(recipe.data)
    asked = Solver(
        name=str(find_start(solver)),
        sampler=TorchSampler(policy.model, [policy.tokenizer.eos_token_id], max_rows=ROWS),
        tokenizer=policy.tokenizer,
        render=render_for(recipe.data),
        samples=samples,
        max_tokens=max_tokens,
    )
    out.mkdir(parents=True, exist_ok=True)
    planned = {p.family: p.train[:tried] for p in portions if list_ways(p.family)}
    trials = try_plans(out / TRIALS_FILE, planned, asked, seed=seed)
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


def _fresh(items: int, seed: int) -> dict[str, Any]:
    """What turns a solver's generated sources into others that it was not taught."""
    return {"size": items, "seed": seed, "planned_share": 0.0}


def _open(
    solver: Path,
    changes: Mapping[str, Any],
    *,
    start: Path | None,
    only: Sequence[str] = (),
    also: Sequence[str] = (),
) -> tuple[Policy, Recipe]:
    """Open a run's recipe with every source of it changed, and a policy: the base, or what lies at ``start``."""
    content: dict[str, Any] = read_run(solver)["recipe"]
    own: list[dict[str, Any]] = content["data"]["sources"]
    tasks = [source["task"] for source in own if "task" in source]
    if unknown := [task for task in only if task not in tasks]:
        raise ConfigError(f"{solver} was not taught {', '.join(unknown)}; its generated tasks are {', '.join(tasks)}")
    kept = [source for source in own if not only or source.get("task") in only]
    further = [{"kind": "procedural", "task": task} for task in also]
    sources = [{**source, **changes} for source in [*kept, *further]]
    data = {**content["data"], "sources": sources, "rates": None}  # rates say nothing about fresh items
    model = {**content["model"], "start": None if start is None else str(start)}
    recipe = build_recipe({**content, "data": data, "model": model}, str(solver))
    return open_policy(recipe.model, cache_dir=cache_folder(os.environ), seed=recipe.data.held_out_seed), recipe


def _write_pairs(pairing: Pairing, answered: Sequence[Answered], tokenizer: Any) -> int:
    path = pairing.out / EXAMPLES_FILE
    counts = write_judge_examples(
        path,
        answered,
        tokenizer=tokenizer,
        per_item=pairing.per_item,
        max_ratio=pairing.max_ratio,
        reads=pairing.reads,
        seed=pairing.seed,
    )
    print(f"{path}: {counts.num_examples} examples, pairs: {_show(counts.used)}")
    return 0


def _show(counts: Counter[str]) -> str:
    return ", ".join(f"{family} {count}" for family, count in counts.items())
