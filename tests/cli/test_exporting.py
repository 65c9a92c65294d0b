"""``abruzzi train export``: an adapter is merged into what it was trained on, and into nothing else."""

from pathlib import Path

import pytest
import torch

from abruzzi.cli.main import main
from abruzzi.training.base import load_model
from abruzzi.training.checkpoint import find_checkpoint
from abruzzi.training.policy import open_policy
from abruzzi.training.recipe import read_recipe
from tests.cli.test_train import SFT, train


def export(folder: Path, run: str, out: str, *options: str) -> int:
    return main(["train", "export", str(folder / run), "--to", "merged-hf", "--out", str(folder / out), *options])


def test_an_adapter_on_a_full_run_is_exported_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sft.toml").write_text(SFT)
    short = ["sft.max_steps=1", "sft.learning_rate=1e-2"]
    assert train(tmp_path, "sft", *short, out="full") == 0
    changes = [*short, "model.method=lora", f"model.start={tmp_path / 'full'}"]
    assert train(tmp_path, "sft", *changes, out="lora") == 0
    assert export(tmp_path, "lora", "merged", "--check", "2") == 0
    assert "2 of 2 greedy completions are token by token the same" in capsys.readouterr().out

    # The same weights as the run's own: those it started from, and the adapter.
    checkpoint = find_checkpoint(tmp_path / "lora")
    assert checkpoint is not None
    recipe = read_recipe(tmp_path / "sft.toml", [f"model.base={find_checkpoint(tmp_path / 'full')}"])
    model = recipe.model.model_copy(update={"method": "full", "start": str(checkpoint)})
    trained = open_policy(model, cache_dir=tmp_path, seed=1).trained()
    merged = load_model(tmp_path / "merged", dtype=torch.float32)
    for name, weight in merged.named_parameters():
        torch.testing.assert_close(weight, trained[name], atol=1e-6, rtol=0)

    # What was exported as an adapter can be exported again, without its run.
    assert main(["train", "export", str(tmp_path / "lora"), "--to", "adapter-hf", "--out", str(tmp_path / "hf")]) == 0
    assert export(tmp_path, "hf", "merged-again", "--check", "2") == 0
    assert "2 of 2 greedy completions are token by token the same" in capsys.readouterr().out
    for name, weight in load_model(tmp_path / "merged-again", dtype=torch.float32).named_parameters():
        torch.testing.assert_close(weight, trained[name], atol=1e-6, rtol=0)

    # The full run is trained on: its last checkpoint is no longer what the adapter lies on.
    assert train(tmp_path, "sft", "sft.max_steps=2", short[1], out="full") == 0
    capsys.readouterr()
    assert export(tmp_path, "lora", "again") == 2
    error = capsys.readouterr().err
    assert f"was trained on {tmp_path / 'full'} (" in error
    assert "name what it was trained on" in error
    assert not (tmp_path / "again").exists()
