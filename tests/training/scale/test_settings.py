from pathlib import Path

import pytest

from abruzzi.errors import ConfigError
from abruzzi.training.scale.settings import read_scale
from tests.training.scale.large import FOLDER, grpo_scale, sft_scale


def test_the_large_recipe_has_the_published_machines() -> None:
    assert (sft_scale().num_gpus, sft_scale().gpu_kind.name) == (256, "H100 80GB SXM")
    assert grpo_scale().num_gpus == 128


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nodes = 32", "node = 32", "sft.node"),
        ("nodes = 32", "nodes = 0", "sft.nodes"),
        ("mfu = 0.4", "mfu = 1.4", "sft.mfu"),
        ('engine = "vllm"', 'engine = "vlm"', "grpo.engine"),
        ("[grpo]", "[grop]", "did you mean 'grpo'"),
        ("steps_per_epoch", "# steps_per_epoch", "sft.steps_per_epoch"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (FOLDER / "scale.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "scale.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        read_scale(path)


def test_an_unknown_gpu_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="known: a100, b200, h100, h200"):
        _ = grpo_scale(gpu="toaster").gpu_kind
