"""What was run."""

from pathlib import Path

from abruzzi.pages.table import Table
from abruzzi.training.report.facts import run_table, say_contamination, setting_tables
from abruzzi.training.report.run_rows import Run, read_runs
from tests.training.report.made_up import Row, grpo_facts, sft_facts, sft_row, step_row, write_run


def read(tmp_path: Path) -> list[Run]:
    """An SFT run, a run and its control; the second is not finished."""
    return read_runs(
        [
            write_run(tmp_path / "sft", [sft_row(step) for step in range(1, 5)], **sft_facts("sft")),
            write_run(tmp_path / "grpo", [step_row(1)], **grpo_facts("grpo", clip_high=0.28)),
            write_run(tmp_path / "control", [], **grpo_facts("control", clip_high=0.28, shuffle_rewards=True)),
        ]
    )


def cells(table: Table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for group in table.groups for row in group.rows}


def test_runs_stand_side_by_side_with_all_that_identifies_them(tmp_path: Path) -> None:
    table = run_table(read(tmp_path))
    assert table.head == ("", "sft", "grpo", "control")
    rows = cells(table)
    assert rows["Stage"] == ("SFT", "GRPO", "GRPO, control: rewards dealt at random")
    assert rows["Base"] == ("embedded", "embedded, sha256 5b1c", "embedded, sha256 5b1c")
    assert rows["Steps"] == ("4", "1 of 4", "0 of 4")
    assert rows["Trained weights"] == ("–", "4,884,480 of 134,515,008", "4,884,480 of 134,515,008")
    assert rows["Rows left out"] == ("3 too long", "2 malformed", "2 malformed")
    assert rows["Commit"] == ("–", "0d5dbed", "0d5dbed")
    assert rows["Machine"][1] == "made up, 2 cores, Linux"
    assert rows["Packages"][1] == "Python 3.11.7, torch 2.13.0", "what is not installed is not named"
    assert rows["Contamination"] == (
        "not checked: the recipe names no benchmark",
        "0 items of gsm8k are in the training data",
        "0 items of gsm8k are in the training data",
    )


def test_what_no_run_has_is_no_row(tmp_path: Path) -> None:
    (run,) = read_runs([write_run(tmp_path / "bare", [], recipe={"name": "bare", "sft": {}})])
    assert list(cells(run_table([run]))) == ["Stage", "Recipe", "Began from", "Steps", "Contamination", "Folder"]


def test_contamination_that_was_allowed_is_said(tmp_path: Path) -> None:
    facts: Row = grpo_facts() | {"contamination": {"num_dirty": 3, "benchmarks": ["gsm8k", "aime"]}}
    (run,) = read_runs([write_run(tmp_path / "a", [], **facts)])
    assert say_contamination(run) == "3 items of gsm8k, aime are in the training data"


def test_settings_that_differ_stand_apart_and_a_stage_s_own_are_compared_within_it(tmp_path: Path) -> None:
    differing, shared = setting_tables(read(tmp_path))
    assert cells(differing) == {
        "name": ("sft", "grpo", "control"),
        "grpo.shuffle_rewards": ("–", "no", "yes"),
        "model.start": ("–", "runs/sft", "runs/sft"),
        "model.method": ("–", "lora", "lora"),
        "model.lora.rank": ("–", "16", "16"),
        "data.sources.1.kind": ("–", "procedural", "procedural"),
        "data.sources.1.task": ("–", "chain_sum", "chain_sum"),
        "data.sources.1.styles": ("–", "none", "none"),
        "data.benchmarks": ("–", "none", "none"),
    }
    assert cells(shared)["grpo.clip_high"] == ("0.28",)
    assert cells(shared)["sft.max_steps"] == ("not set",)
    assert "grpo.shuffle_rewards" not in cells(shared)


def test_one_run_shares_all_with_itself(tmp_path: Path) -> None:
    (table,) = setting_tables(read(tmp_path)[1:2])
    assert table.caption == "Settings"
