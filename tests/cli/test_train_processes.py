"""``abruzzi train sft`` under torchrun: two processes, one run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_train import SFT, read_facts, read_rows, train

pytestmark = pytest.mark.slow


def launch(recipe: Path, run: Path, *changes: str) -> subprocess.CompletedProcess[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    options = [option for change in changes for option in ("--set", change)]
    command = [*torchrun, "-m", "abruzzi", "train", "sft", str(recipe), "--out", str(run), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_two_processes_make_one_run_and_one_process_goes_on_with_it(tmp_path: Path) -> None:
    (tmp_path / "sft.toml").write_text(SFT)
    same = ["sft.packing=false", "sft.schedule=constant"]
    done = launch(tmp_path / "sft.toml", tmp_path / "two", *same)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/two: trained; next: abruzzi train report {tmp_path}/two\n"
    assert done.stderr.count("sft: 1 of 3") == 1
    assert read_facts(tmp_path / "two")["num_processes"] == 2
    assert len(list((tmp_path / "two" / "tensorboard").iterdir())) == 1
    for run in ("two", "one"):
        assert train(tmp_path, "sft", *same, "sft.accumulation=2", "sft.max_steps=4", out=run) == 0
    one, two = read_rows(tmp_path / "one"), read_rows(tmp_path / "two")
    assert [row["step"] for row in two] == [1, 2, 3, 4]
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], abs=1e-5)
    assert [row["total_tokens"] for row in two] == [row["total_tokens"] for row in one]


def test_an_error_is_every_processs(tmp_path: Path) -> None:
    (tmp_path / "sft.toml").write_text(SFT)
    (tmp_path / "run").write_text("")
    done = launch(tmp_path / "sft.toml", tmp_path / "run")
    assert done.returncode != 0
    assert done.stderr.count("cannot write the run") == 2
