"""The record of a run: written once, of one recipe, rewound before it goes on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import ConfigError, RecordError
from abruzzi.records import LineWriter
from abruzzi.training.recipe import Recipe
from abruzzi.training.run_record import describe_machine, read_run, rewind, start_record


def recipe(**changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "a",
        "data": {"sources": [{"kind": "procedural", "task": "chain_sum"}]},
        "grpo": {"steps": 5},
    }
    return Recipe.model_validate(content | changes)


def test_what_is_run_and_on_what_is_written_once(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"
    start_record(run, recipe(), {"base": "abc", "num_prompts": 3})
    record = read_run(run)
    assert Recipe.model_validate(record["recipe"]) == recipe()
    assert (record["base"], record["num_prompts"]) == ("abc", 3)
    assert record["machine"] == describe_machine()
    start_record(run, recipe(), {"base": "other"})
    assert read_run(run) == record
    assert [path.name for path in run.iterdir()] == ["run.json"]


def test_the_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["packages"]["torch"]
    assert machine["packages"]["trl"]
    assert machine["cores"] >= 1
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert machine["commit"] == (head.stdout.strip() or None)


@pytest.mark.parametrize(
    "changes",
    [
        {"grpo": {"steps": 50}},
        {"grpo": {"steps": 5, "save_every": 1, "keep": 9, "eval_every": 2, "rows": 3}},
        {"watch": {"tracker": "tensorboard"}},
    ],
)
def test_steps_and_watching_may_change(tmp_path: Path, changes: dict[str, Any]) -> None:
    start_record(tmp_path, recipe(), {})
    start_record(tmp_path, recipe(**changes), {})


def test_an_sft_run_may_go_on_for_more_steps(tmp_path: Path) -> None:
    start_record(tmp_path, recipe(grpo=None, sft={"max_steps": 5}), {})
    start_record(tmp_path, recipe(grpo=None, sft={"max_steps": 9}), {})
    with pytest.raises(ConfigError, match=r"\[sft\] differs"):
        start_record(tmp_path, recipe(grpo=None, sft={"max_steps": 9, "learning_rate": 1e-5}), {})


def sft(processes: int, **settings: Any) -> tuple[Recipe, dict[str, Any]]:
    return recipe(grpo=None, sft=settings), {"num_processes": processes}


def test_other_machines_may_go_on_that_take_as_many_packs_a_step(tmp_path: Path) -> None:
    start_record(tmp_path, *sft(2, accumulation=4))
    for others in (sft(8, accumulation=1), sft(1, packs_per_device=2, recompute=True)):
        start_record(tmp_path, *others)
    with pytest.raises(ConfigError, match=r"takes 8 packs a step and not 4: keep sft\.packs_per_device x sft\.acc"):
        start_record(tmp_path, *sft(1, accumulation=4))


def test_a_record_of_before_some_setting_was_is_gone_on_with(tmp_path: Path) -> None:
    start_record(tmp_path, *sft(1, accumulation=4))
    record = read_run(tmp_path)
    del record["num_processes"], record["recipe"]["sft"]["recompute"], record["recipe"]["model"]["end_of_turn"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    start_record(tmp_path, *sft(1, accumulation=4))


@pytest.mark.parametrize(
    ("changes", "table"),
    [
        ({"name": "b"}, "name"),
        ({"grpo": {"steps": 5, "learning_rate": 1e-5}}, "grpo"),
        ({"grpo": {"steps": 5, "shuffle_rewards": True}}, "grpo"),
        ({"grpo": {"steps": 5, "seed": 2}}, "grpo"),
        ({"grpo": None, "sft": {}}, "sft"),
        ({"model": {"base": "scratch"}}, "model"),
        ({"model": {"lora": {"rank": 4}}}, "model"),
        ({"data": {"sources": [{"kind": "procedural", "task": "chain_sum", "seed": 2}]}}, "data"),
    ],
)
def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path, changes: dict[str, Any], table: str) -> None:
    start_record(tmp_path, recipe(), {})
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(ConfigError, match=rf"holds a run of another recipe: \[{table}\] differs; take another --out"):
        start_record(tmp_path, recipe(**changes), {})
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"recipe": 3}'])
def test_a_broken_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RecordError, match=r"run\.json"):
        start_record(tmp_path, recipe(), {})


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"cannot write the run .*file/run"):
        start_record(tmp_path / "file" / "run", recipe(), {})
    with pytest.raises(RecordError, match="is no training run"):
        read_run(tmp_path)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


LINES = [{"step": 0, "kind": "held_out"}, {"step": 1}, {"step": 2}, {"step": 2, "kind": "held_out"}, {"step": 3}]


@pytest.mark.parametrize(("step", "kept"), [(-1, 0), (0, 1), (1, 2), (2, 4), (3, 5), (9, 5)])
def test_rewinding_takes_away_later_steps(tmp_path: Path, step: int, kept: int) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    rewind(path, step)
    assert rows(path) == LINES[:kept]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_rewinding_takes_away_a_line_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    rewind(path, 5)
    assert path.read_text() == '{"step": 1}\n'


def test_rewinding_nothing_makes_nothing(tmp_path: Path) -> None:
    rewind(tmp_path / "metrics.jsonl", 5)
    assert list(tmp_path.iterdir()) == []


def test_a_rewinding_that_was_killed_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n')
    (tmp_path / "metrics.part").write_text('{"step": 7}\n{"st')
    rewind(path, 1)
    assert path.read_text() == '{"step": 1}\n'


def test_a_run_that_another_process_writes_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n')
    script = "import sys; from pathlib import Path; from abruzzi.training.run_record import rewind; "
    with LineWriter(path):
        done = subprocess.run(
            [sys.executable, "-c", script + f"rewind(Path({str(path)!r}), 1)"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "is being written by another process" in done.stderr
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
