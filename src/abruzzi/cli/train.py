"""``abruzzi train``: fine-tune, reinforce, export, report."""

import os
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from abruzzi.engine.cores import limit_spinning

app = typer.Typer(help="Train: SFT, GRPO on verifiable rewards; export; report.", no_args_is_help=True)

RecipeFile = Annotated[Path, typer.Argument(help="A TOML file; see recipes/.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of this run; the same command goes on with it.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="table.key=value; wins over the recipe.")]


@app.command(name="sft")
def sft_command(recipe: RecipeFile, out: Out = None, changes: Set = None) -> int:
    """Fine-tune on examples, those that a program writes included; the same command again goes on.

    abruzzi train sft recipes/tiny/sft.toml --out runs/tiny-sft
    """
    _require()
    from abruzzi.cli.training import run_sft
    from abruzzi.training.recipe import read_recipe

    return run_sft(read_recipe(recipe, changes or ()), out)


@app.command(name="grpo")
def grpo_command(recipe: RecipeFile, out: Out = None, changes: Set = None) -> int:
    """Reinforce answers that verifiers accept; the same command again goes on.

    abruzzi train grpo recipes/tiny/grpo.toml --out runs/tiny-grpo
    """
    _require()
    from abruzzi.cli.training import run_grpo
    from abruzzi.training.recipe import read_recipe

    return run_grpo(read_recipe(recipe, changes or ()), out)


@app.command(name="rates")
def rates_command(
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option("--out", help="JSON Lines file of the rates; gone on with where it is there.")],
    samples: Annotated[int, typer.Option(help="Completions per item.")] = 8,
    changes: Set = None,
) -> int:
    """Measure how often each training item passes, for the difficulty filter; the same command goes on.

    abruzzi train rates recipes/smollm2-135m/grpo.toml --out runs/rates.jsonl
    """
    _require()
    from abruzzi.cli.training import run_rates
    from abruzzi.training.recipe import read_recipe

    return run_rates(read_recipe(recipe, changes or ()), out, samples)


@app.command(name="measure")
def measure_command(
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option("--out", help="Folder of the measurement; gone on with where it is there.")],
    samples: Annotated[int, typer.Option(min=1, help="Completions per item.")] = 4,
    against: Annotated[Path | None, typer.Option(help="An earlier measurement, to tell the gain over it.")] = None,
    changes: Set = None,
) -> int:
    """Measure a model on a recipe's held-out items, with the trainer's own generation; no plans, no best-of-N.

    abruzzi train measure recipes/smollm2-135m/grpo.toml --set model.start=runs/135m-grpo --out runs/measured
    """
    _require()
    from abruzzi.cli.train_measuring import run_measure
    from abruzzi.training.recipe import read_recipe

    return run_measure(read_recipe(recipe, changes or ()), out, samples=samples, against=against)


@app.command(name="report")
def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; several are drawn side by side.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write.  [default: the first run]")] = None,
) -> int:
    """Draw a run's curves: report.md and one self-contained report.html.

    abruzzi train report runs/tiny-grpo
    """
    _require()
    from abruzzi.cli.train_reporting import report_runs

    return report_runs(runs, out)


class ExportKind(StrEnum):
    """What a checkpoint is exported as."""

    ADAPTER_HF = "adapter-hf"
    MERGED_HF = "merged-hf"
    ADAPTER_GGUF = "adapter-gguf"
    MERGED_GGUF = "merged-gguf"


@app.command(name="export")
def export_command(
    run: Annotated[Path, typer.Argument(help="A run, one of its checkpoints, or an adapter exported before.")],
    to: Annotated[ExportKind, typer.Option("--to", help="What to write.")],
    out: Annotated[Path, typer.Option("--out", help="A folder, or a .gguf file; must not exist.")],
    precision: Annotated[
        str | None, typer.Option(help="float32, float16, bfloat16; f32, f16, q8_0, q4_0, q4_1 for GGUF.")
    ] = None,
    check: Annotated[int, typer.Option(help="Greedy completions to compare with the trained model's.")] = 0,
) -> int:
    """Export a checkpoint for others to run: as an adapter or merged, for Hugging Face or llama.cpp.

    abruzzi train export runs/135m-grpo --to adapter-gguf --out solver.gguf --check 100
    """
    _require()
    from abruzzi.cli.exporting import run_export

    return run_export(run, to.value, out, precision=precision, check=check)


Solver = Annotated[Path, typer.Argument(help="Run of the trained solver.")]
DataOut = Annotated[Path, typer.Option("--out", help="Folder of what is made.")]
Items = Annotated[int, typer.Option(help="Fresh items per family.")]
Samples = Annotated[int, typer.Option(help="Replies per item.")]
MaxTokens = Annotated[int, typer.Option(help="Of a reply.")]
Seed = Annotated[int, typer.Option(help="Of items and draws; further from the solver's own than it has items.")]


@app.command(name="held-out")
def held_out_command(recipe: RecipeFile, out: DataOut, changes: Set = None) -> int:
    """Write the items that a recipe holds out, a file per source, for `abruzzi eval`.

    abruzzi train held-out recipes/smollm2-135m/grpo.toml --out runs/held-out
    """
    _require("torch", "transformers", "peft", "reasoning_gym")
    from abruzzi.cli.train_data import write_held_out
    from abruzzi.training.recipe import read_recipe

    return write_held_out(read_recipe(recipe, changes or ()), out)


@app.command(name="judge-data")
def judge_data_command(
    solver: Solver,
    out: DataOut,
    recorded: Annotated[bool, typer.Option("--recorded", help="Take the rollouts that the GRPO run recorded.")] = False,
    items: Items = 300,
    samples: Samples = 8,
    max_tokens: MaxTokens = 128,
    per_item: Annotated[int, typer.Option(min=1, help="Pairs per item, at most.")] = 4,
    max_ratio: Annotated[
        float, typer.Option(min=1.0, help="Pairs of a family, as a multiple of the scarcest one's, at most.")
    ] = 2.0,
    reads: Annotated[
        Literal["answer", "thoughts"], typer.Option(help="What the judge is shown of a reply.")
    ] = "answer",
    seed: Seed = 1_000_000,
) -> int:
    """Pair right and wrong replies of a solver, to train a judge on.

    abruzzi train judge-data runs/135m-grpo --out runs/135m-judge-data
    """
    _require()
    from abruzzi.cli.train_data import Pairing, make_judge_data, pair_recorded

    pairing = Pairing(out, per_item=per_item, max_ratio=max_ratio, reads=reads, seed=seed)
    if recorded:
        return pair_recorded(solver, pairing)
    return make_judge_data(solver, pairing, items=items, samples=samples, max_tokens=max_tokens)


@app.command(name="planner-data")
def planner_data_command(
    solver: Solver,
    out: DataOut,
    items: Items = 200,
    only: Annotated[
        list[str] | None, typer.Option(help="Of the solver's generated tasks; may be given again.  [default: all]")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="A further generated task, which wants no plan; may be given again.")
    ] = None,
    tried: Annotated[int, typer.Option(help="Of these, items that plans are tried on.")] = 60,
    samples: Samples = 8,
    max_tokens: MaxTokens = 128,
    seed: Seed = 2_000_000,
) -> int:
    """Find the plans that raise a solver's pass rate, to train a planner on; the same command goes on.

    abruzzi train planner-data runs/135m-grpo --out runs/135m-planner-data
    """
    _require()
    from abruzzi.cli.train_data import make_planner_data

    return make_planner_data(
        solver,
        out,
        only=only or [],
        also=also or [],
        items=items,
        tried=tried,
        samples=samples,
        max_tokens=max_tokens,
        seed=seed,
    )


ScaleFile = Annotated[Path | None, typer.Option("--scale", help="The machines.  [default: scale.toml beside it]")]


@app.command(name="estimate")
def estimate_command(recipe: RecipeFile, scale: ScaleFile = None, changes: Set = None) -> int:
    """Estimate the memory and the hours of a large recipe, on paper.

    abruzzi train estimate recipes/k2-think-32b/sft.toml
    """
    _require("torch", "transformers", "peft")
    from abruzzi.cli.scaling import SCALE_FILE, run_estimate
    from abruzzi.training.recipe import read_recipe

    return run_estimate(read_recipe(recipe, changes or ()), scale or recipe.parent / SCALE_FILE)


@app.command(name="verl")
def verl_command(
    recipe: RecipeFile,
    out: Out = None,
    model: Annotated[Path | None, typer.Option(help="Hugging Face folder.  [default: the recipe's]")] = None,
    scale: ScaleFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the rows, print the command, stop.")] = False,
    changes: Set = None,
) -> int:
    """Run GRPO on a Ray cluster through verl, with our verifiers as its reward (docs/training-at-scale.md).

    abruzzi train verl recipes/k2-think-32b/grpo.toml --out runs/k2-think-32b-grpo
    """
    _require("torch", "transformers", "peft")
    from abruzzi.cli.scaling import SCALE_FILE, run_verl
    from abruzzi.training.recipe import read_recipe

    changed = read_recipe(recipe, changes or ())
    return run_verl(changed, scale or recipe.parent / SCALE_FILE, model, out, is_dry=dry_run)


def _require(*modules: str) -> None:
    """Prepare for torch: see that the optional packages are there before anything is begun.

    Args:
        modules: what is needed; none means what training on one machine needs.

    Raises:
        ConfigError: one is missing.
    """
    limit_spinning(os.environ)  # before torch is loaded
    for module in modules or ("torch", "transformers", "peft", "trl", "reasoning_gym"):
        if find_spec(module) is None:
            from abruzzi.config import missing_package  # brings pydantic, which --help does without

            raise missing_package("training", module.replace("_", "-"), extra="train")
