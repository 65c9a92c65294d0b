"""What an adapter was trained on: read beside it, and held against what it is put on."""

import json
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import CheckpointError, ConfigError
from abruzzi.training.lineage import check_trained_on, find_start, is_adapter

OWN, OTHER = "a" * 64, "b" * 64


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def make_checkpoint(run: Path, record: dict[str, Any] | None) -> Path:
    folder = run / "checkpoints" / "step-000003"
    write(folder / "state.json", {"step": 3})
    write(folder / "adapter_config.json", {})
    if record is not None:
        write(run / "run.json", record)
    return folder


def make_export(folder: Path, **record: Any) -> Path:
    write(folder / "adapter_config.json", {})
    write(folder / "abruzzi.json", {"kind": "adapter-hf", **record})
    return folder


def test_a_start_is_a_run_a_checkpoint_or_an_export(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "run", None)
    assert find_start(tmp_path / "run") == find_start(str(checkpoint)) == checkpoint
    export = make_export(tmp_path / "solver")
    assert find_start(export) == export
    assert is_adapter(export)
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a run"):
        find_start(tmp_path / "none")


def test_an_adapter_from_anywhere_is_no_start(tmp_path: Path) -> None:
    write(tmp_path / "adapter_config.json", {})
    with pytest.raises(CheckpointError, match=r"is an adapter without abruzzi\.json, which says"):
        find_start(tmp_path)


@pytest.mark.parametrize(
    "record",
    [
        {"recipe": {"model": {"base": "embedded"}}, "base": OWN},
        {"recipe": {"model": {"base": "embedded", "start": "runs/sft"}}, "base": OTHER, "trained_on": OWN},
    ],
)
def test_a_checkpoint_asks_its_run(tmp_path: Path, record: dict[str, Any]) -> None:
    folder = make_checkpoint(tmp_path, record)
    check_trained_on(folder, OWN, "embedded")
    name = record["recipe"]["model"].get("start", "embedded")
    with pytest.raises(ConfigError, match=rf"was trained on {name} \(a{{12}}…\), and not on mine \(c{{12}}…\)"):
        check_trained_on(folder, "c" * 64, "mine")


def test_records_of_old_that_do_not_say_it_are_taken_on_trust(tmp_path: Path) -> None:
    old = {"recipe": {"model": {"base": "embedded", "start": "runs/sft"}}, "base": OTHER}
    check_trained_on(make_checkpoint(tmp_path / "old", old), OWN, "embedded")
    check_trained_on(make_checkpoint(tmp_path / "alone", None), OWN, "embedded")
    check_trained_on(make_export(tmp_path / "scratch", base=None), OWN, "embedded")


def test_an_export_asks_its_own_record(tmp_path: Path) -> None:
    export = make_export(tmp_path, base={"spec": "embedded", "identity": OWN})
    check_trained_on(export, OWN, "embedded")
    with pytest.raises(ConfigError, match=r"was trained on embedded .*: name what it was trained on"):
        check_trained_on(export, OTHER, "hf:a/b@c")
    for broken in ("{", "[]"):
        (export / "abruzzi.json").write_text(broken)
        with pytest.raises(CheckpointError, match=r"abruzzi\.json cannot be read .*: remove it"):
            check_trained_on(export, OWN, "embedded")
