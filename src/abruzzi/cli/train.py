"""``abruzzi train``: fine-tune, reinforce, export, report."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from abruzzi.config import missing_package

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


def _require() -> None:
    """Prepare for torch: see that the optional packages are there before anything is begun.

    Raises:
        ConfigError: one is missing.
    """
    # libgomp reads this when torch loads it. Its spinning default collapses where the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for module in ("torch", "transformers", "peft", "trl", "reasoning_gym"):
        if find_spec(module) is None:
            raise missing_package("training", module.replace("_", "-"), extra="train")
