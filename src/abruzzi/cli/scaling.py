"""Training beyond one machine from the command line: what it takes on paper, and GRPO on a Ray cluster through verl."""

import os
from pathlib import Path

from abruzzi.cli.training import check_clean
from abruzzi.cli.wiring import cache_folder
from abruzzi.errors import ConfigError
from abruzzi.training.base import find_base
from abruzzi.training.checkpoint import resolve_checkpoint
from abruzzi.training.material import gather_portions, render_for
from abruzzi.training.recipe import Recipe
from abruzzi.training.scale.estimate import describe_estimate, estimate
from abruzzi.training.scale.settings import read_scale
from abruzzi.training.scale.verl_run import Asked, prepare_run

SCALE_FILE = "scale.toml"


def run_estimate(recipe: Recipe, scale: Path) -> int:
    """Print what a recipe takes in memory and hours.

    Raises:
        ConfigError: the scale file cannot be read, or says nothing of this stage.
    """
    print(describe_estimate(estimate(recipe, read_scale(scale))))
    return 0


def run_verl(recipe: Recipe, scale: Path, model: Path | None, out: Path | None, *, is_dry: bool) -> int:
    """Write verl's rows and configuration, and become verl.

    Args:
        recipe: of the stage GRPO.
        scale: the machines.
        model: Hugging Face folder that training starts from; None takes the recipe's start or base.
        out: the run's folder.
        is_dry: print the command and stop.

    Raises:
        AbruzziError: something is missing, or verl cannot do it.
    """
    if model is None:
        start, cache = recipe.model.start, cache_folder(os.environ)
        model = find_base(recipe.model.base, cache_dir=cache).folder if start is None else resolve_checkpoint(start)
    if not (model / "config.json").is_file():
        raise ConfigError(f"{model} is no Hugging Face folder with a whole model; name another with --model")
    render = render_for(recipe.data)
    portions = gather_portions(recipe.data)
    check_clean(recipe.data, (item.question for portion in portions for item in portion.train))
    command = prepare_run(
        recipe,
        read_scale(scale),
        train=(Asked(item, render(item.question, ""), p.family) for p in portions for item in p.train),
        held_out=(Asked(item, render(item.question, ""), p.family) for p in portions for item in p.held_out),
        model=model,
        out=out or Path("runs") / recipe.name,
    )
    if not is_dry:
        os.execvp(command[0], command)  # noqa: S606 - our own words
    print(" ".join(command))
    return 0
