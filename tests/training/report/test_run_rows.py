"""Runs as they are read: killed, resumed, unfinished, and of several kinds."""

import json
from pathlib import Path

import pytest

from abruzzi.errors import DataError, RecordError
from abruzzi.training.report.run_rows import names_in, number, read_runs, series
from tests.training.report.made_up import Row, grpo_facts, held_out_row, sft_facts, sft_row, step_row, write_run


def test_a_step_that_was_done_again_counts_once_and_as_it_was_last_done(tmp_path: Path) -> None:
    rows = [held_out_row(0, 0.1), held_out_row(0, 0.2), step_row(1, loss=1.0), step_row(2), step_row(1, loss=3.0)]
    (run,) = read_runs([write_run(tmp_path / "a", rows, **grpo_facts())])
    assert series(run.steps, "loss") == [(1, 3.0), (2, 0.01)]
    assert [point.accuracy.value for point in run.held_out] == [0.2]


def test_a_line_that_was_cut_off_and_rows_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", [step_row(1), {"kind": "note", "step": 1}], **grpo_facts())
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(step_row(2))[:50])
    (run,) = read_runs([folder])
    assert run.num_done == 1


def test_a_run_that_was_killed_before_its_first_step_is_a_run(tmp_path: Path) -> None:
    (run,) = read_runs([write_run(tmp_path / "a", [], **grpo_facts(steps=60))])
    assert (run.num_done, run.num_planned, run.steps, run.held_out) == (0, 60, (), ())


@pytest.mark.parametrize(
    ("facts", "stage", "planned"),
    [
        (grpo_facts(steps=60), "grpo", 60),
        (sft_facts(max_steps=9), "sft", 9),
        (sft_facts(), "sft", 4),
        ({"recipe": {"sft": {"epochs": 1}, "grpo": None}}, "sft", 4),
        ({"recipe": {"sft": None, "grpo": {"steps": 7}}}, "grpo", 7),
    ],
)
def test_stage_and_planned_steps_come_from_the_record_in_whatever_form(
    facts: Row, stage: str, planned: int, tmp_path: Path
) -> None:
    (run,) = read_runs([write_run(tmp_path / "a", [sft_row(1)], **facts)])
    assert (run.stage, run.num_planned) == (stage, planned)


def test_a_control_is_known_by_its_shuffled_rewards(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, [], **grpo_facts(name, shuffle_rewards=name == "b")) for name in "ab"]
    assert [run.is_control for run in read_runs(runs)] == [False, True]


def test_runs_of_one_recipe_go_by_their_folders_and_those_by_their_paths(tmp_path: Path) -> None:
    def labels(*places: str) -> list[str]:
        return [run.label for run in read_runs([tmp_path / place for place in places])]

    for place in ("x/one", "x/two", "y/one"):
        write_run(tmp_path / place, [], **grpo_facts("same" if place != "x/two" else "other"))
    assert labels("x/one", "x/two") == ["same", "other"]
    assert labels("x/one", "y/one") == [str(tmp_path / "x/one"), str(tmp_path / "y/one")]
    write_run(tmp_path / "x/three", [], **grpo_facts("same"))
    assert labels("x/one", "x/three") == ["one", "three"]


def test_no_run_the_same_run_twice_and_no_run_at_all_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run to report on"):
        read_runs([])
    folder = write_run(tmp_path / "a", [], **grpo_facts())
    with pytest.raises(DataError, match="named twice"):
        read_runs([folder, tmp_path / "b" / ".." / "a"])
    with pytest.raises(RecordError, match="is no training run"):
        read_runs([tmp_path])


def test_what_is_missing_none_or_no_number_has_no_value() -> None:
    row = {"step": 1, "a": None, "b": float("nan"), "c": True, "d": {"e": 2}, "f": "3"}
    assert [number(row, name) for name in "abcfz"] == [None] * 5
    assert number(row, "d", "e") == 2.0
    assert number(row, "a", "e") is None
    assert series([row], "d", "e") == [(1, 2.0)]
    assert names_in([{"r": {"x": 1}}, {"r": None}, {"r": {"y": 1, "x": 2}}, {}], "r") == ["x", "y"]
