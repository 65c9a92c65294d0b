"""SFT by two processes that talk over gloo: what one process makes alone, whole, killed in between, and sharded.

FSDP2 here is accelerate's own on processors, with its configuration but not its GPUs.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from abruzzi.training.checkpoint import find_checkpoint
from abruzzi.training.policy import read_weights
from abruzzi.training.sft import train_sft
from tests.training.killed import make_sft, make_tokens
from tests.training.ranks import train_by_two
from tests.training.saving import list_checkpoints
from tests.training.toys import save_base

CURVES = ("loss", "grad_norm", "learning_rate", "total_tokens")
"""Accuracy and entropy are means over batches of a process, and so differ a little with the number of processes."""
EXAMPLES = make_tokens(16)
TWO: dict[str, Any] = {"max_steps": 6, "accumulation": 1, "packing": False, "examples": EXAMPLES}
"""Sixteen sequences an epoch, which two processes share without a rest."""
ONE: dict[str, Any] = TWO | {"accumulation": 2}


def read(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def last_weights(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = find_checkpoint(run)
    assert checkpoint is not None
    return read_weights(checkpoint)


def assert_same_run(run: Path, wanted: Path, *, noise: float = 1e-5) -> None:
    rows, others = read(run), read(wanted)
    assert [row["step"] for row in rows] == [row["step"] for row in others] == [1, 2, 3, 4, 5, 6]
    for row, other in zip(rows, others, strict=True):
        assert [row[name] for name in CURVES] == pytest.approx([other[name] for name in CURVES], abs=noise)
    weights, others_weights = last_weights(run), last_weights(wanted)
    assert weights.keys() == others_weights.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, others_weights[name], atol=noise, rtol=0)


@pytest.fixture(name="alone", scope="module")
def train_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process that accumulates what the two take at once."""
    run = tmp_path_factory.mktemp("alone") / "run"
    train_sft(make_sft(run, **ONE))
    return run


def test_two_processes_learn_what_one_does_and_write_once(alone: Path, tmp_path: Path) -> None:
    """Killed on the way as well: both at a step, after a checkpoint; then they go on from there."""
    assert train_by_two(tmp_path, look=5, **TWO) == [-9, -9]
    assert list_checkpoints(tmp_path) == ["step-000002"]
    assert train_by_two(tmp_path, **TWO) == [0, 0]
    assert_same_run(tmp_path, alone)
    assert list_checkpoints(tmp_path) == ["step-000004", "step-000006"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "metrics.jsonl"]


@pytest.mark.slow
def test_one_goes_on_where_two_began_and_two_where_one_did(alone: Path, tmp_path: Path) -> None:
    for run, first, then in (("a", True, False), ("b", False, True)):
        for by_two, steps in ((first, 4), (then, 6)):
            changes: dict[str, Any] = (TWO if by_two else ONE) | {"max_steps": steps, "schedule": "constant"}
            if by_two:
                assert train_by_two(tmp_path / run, **changes) == [0, 0]
            else:
                train_sft(make_sft(tmp_path / run, **changes))
    assert_same_run(tmp_path / "a", tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize("recompute", [False, True])
def test_sharded_by_fsdp2_they_learn_the_same(alone: Path, tmp_path: Path, recompute: bool) -> None:
    changes = TWO | {"recompute": recompute}
    assert train_by_two(tmp_path, is_sharded=True, look=5, **changes) == [-9, -9]
    assert train_by_two(tmp_path, is_sharded=True, **changes) == [0, 0]
    assert_same_run(tmp_path, alone, noise=1e-4)
    checkpoint = find_checkpoint(tmp_path)
    assert checkpoint is not None
    assert [path.name for path in checkpoint.rglob("*.safetensors")] == ["model.safetensors"]
    inside = {path.name for path in (checkpoint / "trainer").iterdir()}
    assert "optimizer_0" in inside
    assert not any("model" in name for name in inside), "the weights are held once"


@pytest.mark.slow
def test_sharded_by_fsdp2_an_adapter_learns_the_same(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    assert train_by_two(tmp_path / "whole", base=base, schedule="constant", **TWO) == [0, 0]
    for steps in (4, 6):
        changes: dict[str, Any] = TWO | {"max_steps": steps, "schedule": "constant"}
        assert train_by_two(tmp_path / "sharded", is_sharded=True, base=base, **changes) == [0, 0]
    assert_same_run(tmp_path / "sharded", tmp_path / "whole", noise=1e-4)
    assert all("lora_" in name for name in last_weights(tmp_path / "sharded"))


def test_what_ends_the_main_process_ends_the_other(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()  # no curves can be written
    assert train_by_two(tmp_path, **TWO) == [1, 1]
