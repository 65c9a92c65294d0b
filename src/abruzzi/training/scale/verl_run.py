"""Makes a folder that verl can train in, and the command that does.

    OUT/rows/train.parquet, held-out.parquet    what is asked, by ``verl_data``
    OUT/checkpoints, validation                 written by verl
    OUT/unjudged                                rollouts without a reward, by ``verl_reward``

Free-text science needs a grader, and is refused without one: only what repeats the reference would have a reward, and a
group with one such rollout left is rewarded as if it had been compared with others.

The command replaces this process on one node of a Ray cluster whose nodes all see OUT; the same command again goes on
from the last checkpoint. It starts no cluster.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abruzzi.capacity.shapes import shape_of
from abruzzi.data.items import Item
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message
from abruzzi.training.recipe import Recipe
from abruzzi.training.scale.settings import Scale
from abruzzi.training.scale.verl_config import VerlFiles, compose_overrides, make_command
from abruzzi.training.scale.verl_data import to_verl_row, write_verl_rows

FREE_TEXT = ("stem_web", "stem__web")
"""Data sources, by their beginnings."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An item and the words that it is asked in."""

    item: Item
    messages: Sequence[Message]
    family: str = ""


def prepare_run(
    recipe: Recipe, scale: Scale, *, train: Iterable[Asked], held_out: Iterable[Asked], model: Path, out: Path
) -> list[str]:
    """Write the rows of a run.

    Args:
        recipe: of the stage GRPO.
        scale: with a table for it.
        train: what is learnt from; taken as it comes.
        held_out: what is watched.
        model: Hugging Face folder that training starts from.
        out: the run's folder.

    Returns:
        The command that trains.

    Raises:
        ConfigError: verl cannot do what the recipe asks, there is free text and no grader, or a package is missing.
        DataError: there are too few items for one step, or one cannot be written.
        RecordError: the folder cannot be written.
    """
    if scale.grpo is None:
        raise ConfigError(f"nothing says which machines {recipe.name!r} runs on; write a table [grpo] in scale.toml")
    out = out.absolute()
    files = VerlFiles(model.absolute(), out / "rows" / "train.parquet", out / "rows" / "held-out.parquet", out)
    overrides = compose_overrides(recipe, scale.grpo, shape_of(scale.model.shape), files)
    has_grader = scale.grpo.grader is not None
    num_rows = write_verl_rows(files.train, _rows(train, "train", has_grader))
    if recipe.grpo is not None and num_rows < recipe.grpo.prompts_per_step:
        raise DataError(
            f"{num_rows} items make no step of {recipe.grpo.prompts_per_step} prompts; add sources, or lower "
            "grpo.prompts_per_step"
        )
    write_verl_rows(files.held_out, _rows(held_out, "test", has_grader))
    return make_command(overrides)


def _rows(asked: Iterable[Asked], split: str, has_grader: bool) -> Iterator[dict[str, Any]]:
    for index, one in enumerate(asked):
        if one.item.data_source.startswith(FREE_TEXT) and not has_grader:
            raise ConfigError(
                f"item {one.item.id!r} is answered in free text, and nothing can tell whether such an answer is right; "
                "name a grader in scale.toml ([grpo] grader), or leave these items out (subsets of data.sources)"
            )
        yield to_verl_row(one.item, one.messages, index=index, split=split, family=one.family)
