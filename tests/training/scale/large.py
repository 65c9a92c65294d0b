"""The large recipe as it lies in the repository, read once."""

from functools import cache
from pathlib import Path

from abruzzi.training.recipe import Recipe, read_recipe
from abruzzi.training.scale.settings import GrpoScale, Scale, SftScale, read_scale
from abruzzi.training.scale.verl_config import VerlFiles

FOLDER = Path(__file__).parents[3] / "recipes" / "k2-think-32b"
FILES = VerlFiles(Path("/data/model"), Path("/data/train.parquet"), Path("/data/held-out.parquet"), Path("/runs/it"))


def read(stage: str, *changes: str) -> Recipe:
    return read_recipe(FOLDER / f"{stage}.toml", changes)


@cache
def large_scale() -> Scale:
    return read_scale(FOLDER / "scale.toml")


def sft_scale() -> SftScale:
    scale = large_scale().sft
    assert scale is not None
    return scale


def grpo_scale(**changes: object) -> GrpoScale:
    scale = large_scale().grpo
    assert scale is not None
    return scale.model_copy(update=changes)
