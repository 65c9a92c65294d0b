"""Measures our GRPO loop beside TRL's ``GRPOTrainer`` as it comes: same weights, prompts, group size and lengths.

    .venv/bin/python scripts/measure_grpo.py RECIPE --start RUN --repeats 3

Both take turns in one process, a step each at a time, so that a busy machine slows both. A step of either samples
``prompts_per_step`` groups, verifies them with our verifiers and updates once. What counts is the price of what is
learnt: seconds (wall, and of the processor) per rollout that has an advantage. TRL is set up as its documentation
does for one device: its default batch of 8 completions, gradient accumulation over the rest, loss dapo, no KL; its
generation is ``model.generate``. Ours samples on until enough groups teach something; all of that is in its seconds.

Prints a Markdown table of medians.

    .venv/bin/python scripts/measure_grpo.py recipes/tiny/grpo.toml --start RUN --until 0.7 --seeds 1 2 3

instead trains one and then the other until a held-out accuracy is reached; every ``--every`` steps it is measured, and
those seconds are nobody's. Prints seconds and steps to it. Where a side takes hours, each is trained by ``--side`` in a
process of its own on a core of its own, with ``--rows`` for its curve; ``--show`` prints the table of these files:

    .venv/bin/python scripts/measure_grpo.py RECIPE --until 0.25 --show ours.jsonl trl.jsonl
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from abruzzi.cli.wiring import cache_folder
from abruzzi.nouns import FinishReason, Outcome
from abruzzi.training.grpo.collect import collect, update_share
from abruzzi.training.grpo.rewards import judge_replies, verify_replies
from abruzzi.training.grpo.stream import PromptStream
from abruzzi.training.grpo.torch_sampler import TorchSampler
from abruzzi.training.grpo.update import update_policy
from abruzzi.training.held_out import measure_held_out
from abruzzi.training.material import Portion, gather_portions, gather_prompts, held_out_prompts
from abruzzi.training.policy import Policy, open_policy
from abruzzi.training.recipe import Recipe, read_recipe

SIDES = ("abruzzi", "trl")
MICRO_BATCH = 8
"""TRL's default; 32 took more memory than 24 GiB hold beside our own policy."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--start", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--until", type=float, help="held-out accuracy, 0 to 1")
    parser.add_argument("--every", type=int, default=2, help="steps between two measurements")
    parser.add_argument("--most", type=int, default=60, help="steps after which a side gives up")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--side", choices=SIDES, action="append", help="train this one alone")
    parser.add_argument("--rows", type=Path, help="write each measurement here as it is made")
    parser.add_argument("--show", type=Path, nargs="+", help="print the table of such files, and train nothing")
    arguments = parser.parse_args()
    if arguments.show is None and not arguments.start:
        parser.error("--start is needed: the run or adapter that both sides start from")
    if arguments.show is not None and arguments.until is None:
        parser.error("--show needs --until, the accuracy that was raced to")
    if arguments.show is not None:
        show_races(read_races(arguments.show), arguments.until)
        return
    recipe = read_recipe(arguments.recipe, [f"model.start={arguments.start}", *arguments.set])
    if arguments.until is not None:
        show_races([race(recipe, seed, arguments) for seed in arguments.seeds], arguments.until)
        return
    ours, theirs = make_ours(recipe, _open(recipe)), make_theirs(recipe, _open(recipe))
    for step in (ours, theirs):  # the first step of each pays for imports, caches and the verifiers' processes
        step()
    rows: dict[str, list[dict[str, float]]] = {"abruzzi": [], "trl": []}
    for _ in range(arguments.repeats):
        for name, step in (("abruzzi", ours), ("trl", theirs)):
            wall, processor = time.perf_counter(), time.process_time()
            facts = step()
            facts |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - processor}
            rows[name].append(facts)
            sys.stderr.write(f"{name}: {facts}\n")
    show(rows)


def race(recipe: Recipe, seed: int, arguments: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Train each side until it has reached the accuracy, or given up; returns its curve, a row a measurement."""
    makers = {"abruzzi": make_ours, "trl": make_theirs}
    portions = gather_portions(recipe.data)
    curves: dict[str, list[dict[str, float]]] = {}
    for name in arguments.side or SIDES:
        opened = _open(recipe)
        step = makers[name](recipe, opened, seed)
        row = {"steps": 0.0, "wall": 0.0, "cpu": 0.0, "rollouts": 0.0, "useful": 0.0}
        curve = curves[name] = []
        while True:
            curve.append({**row, "accuracy": measure(recipe, opened[0], portions)})
            sys.stderr.write(f"seed {seed}, {name}: {curve[-1]}\n")
            if arguments.rows is not None:
                with arguments.rows.open("a") as file:
                    file.write(json.dumps({"seed": seed, "side": name, **curve[-1]}) + "\n")
            if curve[-1]["accuracy"] >= arguments.until or row["steps"] >= arguments.most:
                break
            wall, processor = time.perf_counter(), time.process_time()
            for _ in range(arguments.every):
                facts = step()
                row["rollouts"] += facts["rollouts"]
                row["useful"] += facts["useful"]
            row["steps"] += arguments.every
            row["wall"] += time.perf_counter() - wall
            row["cpu"] += time.process_time() - processor
    return curves


def read_races(files: Sequence[Path]) -> list[dict[str, list[dict[str, float]]]]:
    """Read the curves that were written with ``--rows``, race by race."""
    races: dict[int, dict[str, list[dict[str, float]]]] = {}
    for row in (json.loads(line) for file in files for line in file.read_text().splitlines()):
        races.setdefault(row["seed"], {}).setdefault(row["side"], []).append(row)
    return [{side: races[seed][side] for side in SIDES if side in races[seed]} for seed in sorted(races)]


def measure(recipe: Recipe, policy: Policy, portions: Sequence[Portion]) -> float:
    """Held-out accuracy, always with the same draws."""
    settings = recipe.grpo
    assert settings is not None, "a GRPO recipe"
    sampler = TorchSampler(policy.model, [policy.tokenizer.eos_token_id], max_rows=settings.rows)
    sampler.sync()
    found = measure_held_out(
        sampler,
        held_out_prompts(recipe.data, policy.tokenizer, portions),
        policy.tokenizer,
        samples=settings.eval_samples,
        temperature=settings.eval_temperature,
        max_tokens=settings.max_tokens,
        seed=7,
        verify=verify_replies,
    )
    assert found.accuracy is not None, "our own verifiers judge our own tasks"
    return found.accuracy.value


def show_races(races: list[dict[str, list[dict[str, float]]]], goal: float) -> None:
    """Print what it took each side to get there, race by race."""
    sys.stdout.write(
        f"| race | | start | steps to {goal:g} | accuracy then | wall s | CPU s |\n|---|---|---|---|---|---|---|\n"
    )
    for number, curves in enumerate(races, start=1):
        for name, curve in curves.items():
            last = curve[-1]
            steps = f"{last['steps']:g}" if last["accuracy"] >= goal else f"not in {last['steps']:g}"
            sys.stdout.write(
                f"| {number} | {name} | {curve[0]['accuracy']:.3f} | {steps} | {last['accuracy']:.3f} "
                f"| {last['wall']:.1f} | {last['cpu']:.1f} |\n"
            )
    whole = [curves for curves in races if len(curves) == len(SIDES)]
    both = [curves for curves in whole if all(curve[-1]["accuracy"] >= goal for curve in curves.values())]
    for unit in ("wall", "cpu"):
        ratios = [f"{curves['abruzzi'][-1][unit] / curves['trl'][-1][unit]:.2f}" for curves in both]
        sys.stdout.write(f"\n{unit} seconds, ours by theirs: {', '.join(ratios) or 'in no race did both get there'}\n")


def make_ours(recipe: Recipe, opened: tuple[Policy, list[Any]], seed: int = 1) -> Callable[[], dict[str, float]]:
    """Set up our loop; returns what does one step."""
    policy, prompts = opened
    settings = recipe.grpo
    assert settings is not None, "a GRPO recipe"
    sampler = TorchSampler(policy.model, [policy.tokenizer.eos_token_id], max_rows=settings.rows)
    optimizer = torch.optim.AdamW(policy.trained().values(), lr=settings.learning_rate, weight_decay=0.0)
    stream = PromptStream(prompts, seed=seed)
    state = {"share": 0.5, "step": 0}

    def step() -> dict[str, float]:
        state["step"] += 1
        sampler.sync()
        batch = collect(
            stream,
            sampler,
            policy.tokenizer,
            settings,
            seed=1000 * seed + int(state["step"]),
            share=state["share"],
            verify=verify_replies,
        )
        update_policy(policy, optimizer, batch.used, settings, start=None)
        state["share"] = update_share(state["share"], batch)
        return {
            "rollouts": len(batch.rollouts),
            "useful": sum(len(scored.group.rollouts) for scored in batch.used),
            "tokens": sum(len(rollout.sampled.ids) for rollout in batch.rollouts),
        }

    return step


def make_theirs(recipe: Recipe, opened: tuple[Policy, list[Any]], seed: int = 1) -> Callable[[], dict[str, float]]:
    """Set up TRL's trainer; returns what does one optimiser step of it."""
    policy, prompts = opened
    settings = recipe.grpo
    assert settings is not None, "a GRPO recipe"
    by_text = {policy.tokenizer.decode(prompt.ids): prompt for prompt in prompts}
    facts: dict[str, float] = {}

    def reward(prompts: list[str], completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        replies = [
            (
                by_text[prompt].item,
                text,
                FinishReason.STOP if policy.tokenizer.eos_token_id in ids else FinishReason.LENGTH,
            )
            for prompt, text, ids in zip(prompts, completions, completion_ids, strict=True)
        ]
        rewards = [float(v.outcome is Outcome.CORRECT) for v in judge_replies(replies)]
        groups = [rewards[i : i + settings.group_size] for i in range(0, len(rewards), settings.group_size)]
        facts["rollouts"] = len(rewards)
        facts["useful"] = settings.group_size * sum(len(set(group)) > 1 for group in groups)
        facts["tokens"] = sum(map(len, completion_ids))
        return rewards

    num_rollouts = settings.prompts_per_step * settings.group_size
    trainer: Any = GRPOTrainer(
        model=policy.model,
        reward_funcs=reward,
        args=GRPOConfig(
            output_dir="/tmp/abruzzi-measure-grpo",  # noqa: S108 - nothing is saved
            per_device_train_batch_size=min(MICRO_BATCH, num_rollouts),
            gradient_accumulation_steps=max(1, num_rollouts // MICRO_BATCH),
            num_generations=settings.group_size,
            max_completion_length=settings.max_tokens,
            temperature=settings.temperature,
            learning_rate=settings.learning_rate,
            beta=0.0,
            max_steps=1000,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            gradient_checkpointing=False,
            bf16=False,
            dataloader_pin_memory=False,
            mask_truncated_completions=settings.mask_truncated,
            epsilon=settings.clip_low,
            epsilon_high=settings.clip_high,
            logging_strategy="no",
            seed=seed,
        ),
        train_dataset=Dataset.from_dict({"prompt": list(by_text)}),
        processing_class=policy.tokenizer,
    )
    trainer.create_optimizer_and_scheduler(num_training_steps=1000)
    batches = iter(trainer.get_train_dataloader())
    accumulation = trainer.args.gradient_accumulation_steps
    trainer.current_gradient_accumulation_steps = accumulation

    def step() -> dict[str, float]:
        for _ in range(accumulation):
            trainer.training_step(trainer.model, next(batches), None)
        torch.nn.utils.clip_grad_norm_(list(policy.trained().values()), settings.max_grad_norm)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()
        return dict(facts)

    return step


def show(rows: dict[str, list[dict[str, float]]]) -> None:
    """Print medians, and ours against theirs."""
    columns: dict[str, Callable[[dict[str, float]], float]] = {
        "rollouts/s": lambda r: r["rollouts"] / r["wall"],
        "tokens/s": lambda r: r["tokens"] / r["wall"],
        "s per step": lambda r: r["wall"],
        "useful rollouts per step": lambda r: r["useful"],
        "s per 100 useful rollouts": lambda r: 100 * r["wall"] / max(1.0, r["useful"]),
        "CPU s per 100 useful rollouts": lambda r: 100 * r["cpu"] / max(1.0, r["useful"]),
    }
    sys.stdout.write("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns) + "\n")
    for name, found in rows.items():
        sys.stdout.write(
            f"| {name} | "
            + " | ".join(f"{statistics.median(map(of, found)):.3g}" for of in columns.values())
            + " |"
            + "\n"
        )
    cells: list[str] = []
    for of in columns.values():
        ratios = [of(one) / of(other) for one, other in zip(rows["abruzzi"], rows["trl"], strict=True) if of(other)]
        cells.append(f"{statistics.median(ratios):.2f}" if ratios else "")
    sys.stdout.write("| ratio, median of pairs | " + " | ".join(cells) + " |" + "\n")


def _open(recipe: Recipe) -> tuple[Policy, list[Any]]:
    policy = open_policy(recipe.model, cache_dir=cache_folder(os.environ), seed=1)
    return policy, gather_prompts(recipe.data, policy.tokenizer, gather_portions(recipe.data))


if __name__ == "__main__":
    main()
