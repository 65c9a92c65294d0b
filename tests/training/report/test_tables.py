"""Tables of what was measured: known answers."""

from collections.abc import Sequence
from pathlib import Path

from abruzzi.pages.table import Table
from abruzzi.training.report.quantities import HACKS, POLICY, REWARD, SPEED
from abruzzi.training.report.run_rows import Row, Run, read_runs
from abruzzi.training.report.tables import ends_table, held_out_tables, outcome_table, pass_tables, time_tables
from tests.training.report.made_up import arc, grpo_facts, held_out_row, sft_facts, sft_row, step_row, write_run


def read(tmp_path: Path, **runs: Sequence[Row]) -> list[Run]:
    folders = [
        write_run(
            tmp_path / name,
            [dict(row) for row in rows],
            **(sft_facts(name) if name == "sft" else grpo_facts(name, shuffle_rewards=name == "control")),
        )
        for name, rows in runs.items()
    ]
    return read_runs(folders)


def rows_of(table: Table) -> dict[str, list[tuple[str, ...]]]:
    """Title of a group → its rows, with ordinary spaces."""
    return {
        group.title: [tuple(cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row) for row in group.rows]
        for group in table.groups
    }


def test_held_out_accuracy_has_first_best_last_and_a_paired_difference(tmp_path: Path) -> None:
    """Ten of thirty more, in all of them and in the sixty of both families; the other family does not move."""
    table, _ = held_out_tables(read(tmp_path, grpo=arc(gain=10), control=arc()))
    rows = rows_of(table)
    assert list(rows) == ["all families", "chain_sum", "products"]
    sums = rows["chain_sum"]
    assert sums[0][:6] == ("grpo", "50.0 [30.0, 70.0]", "83.3 [63.3, 103.3]", "4", "83.3 [63.3, 103.3]", "4")
    assert sums[0][6].startswith("+33.3 [")
    assert sums[0][7:] == ("30", "rose")
    assert sums[1][2] == "50.0 [30.0, 70.0]"
    assert [row[-1] for row in rows["products"]] == ["did not move beyond noise"] * 2
    assert rows["all families"][0][6].startswith("+16.7 [")
    assert rows["all families"][0][7:] == ("60", "rose")
    assert any("4 differences are tested" in note for note in table.notes)


def test_runs_are_held_against_the_first_at_their_last_measurement(tmp_path: Path) -> None:
    _, against = held_out_tables(read(tmp_path, grpo=arc(gain=10), control=arc()))
    rows = rows_of(against)
    assert [row[0] for row in rows["chain_sum"]] == ["grpo − control"]
    assert rows["chain_sum"][0][1].startswith("+33.3 [")
    assert rows["products"][0][1].startswith("0.0 [")


def test_without_scores_the_row_is_marked_and_the_note_says_why(tmp_path: Path) -> None:
    (table,) = held_out_tables(read(tmp_path, grpo=[held_out_row(0, 0.3), held_out_row(4, 0.32)]))
    (row,) = rows_of(table)[""]
    assert row[0] == "grpo †"
    assert row[-1] == "not decided: intervals overlap"
    assert "Difference, points" not in table.head, "a column of nothing is no column"
    assert any(note.startswith("† The record has no scores") for note in table.notes)


def test_what_was_measured_once_has_no_last_and_no_best(tmp_path: Path) -> None:
    (table,) = held_out_tables(read(tmp_path, grpo=[held_out_row(0, 0.3)]))
    assert table.head == ("Run", "First, %", "Items", "Reads as")
    assert rows_of(table)[""] == [("grpo", "30.0 [25.0, 35.0]", "8", "measured once")]
    assert held_out_tables(read(tmp_path / "b", grpo=[step_row(1)])) == []


def test_pass_at_k_stands_before_and_after(tmp_path: Path) -> None:
    """Both samples of an item agree, so that pass@2 is pass@1: 15, then 25 of 60 items."""
    (table,) = pass_tables(read(tmp_path, grpo=arc(gain=10)))
    rows = rows_of(table)[""]
    assert [row[0] for row in rows] == ["1", "2"]
    for row in rows:
        assert row[1].startswith("25.0 [")
        assert row[2].startswith("41.7 [")
        assert row[3].startswith("+16.7 [")


def test_pass_at_k_of_one_measurement_has_no_after(tmp_path: Path) -> None:
    (table,) = pass_tables(read(tmp_path, grpo=[held_out_row(0, 0.3)]))
    assert (table.head, rows_of(table)[""]) == (("k", "First, %"), [("1", "30.0"), ("2", "40.0")])


def test_both_ends_of_a_quantity_and_what_is_flat_or_missing_is_named(tmp_path: Path) -> None:
    rows = [step_row(step, reward=step / 10, mean_tokens=10.0 * step) for step in range(1, 6)]
    (reward,) = ends_table("Reward", REWARD, read(tmp_path, grpo=rows, control=[]))
    assert rows_of(reward)[""] == [
        ("Reward, %", "10.0 → 50.0", "–"),
        ("Groups that teach something, %", "25.0 → 25.0", "–"),
    ]
    (policy,) = ends_table("Policy", POLICY, read(tmp_path / "b", grpo=rows))
    assert ("Length, tokens per rollout", "10.0 → 50.0") in rows_of(policy)[""]
    assert policy.notes[1:] == (
        "Zero throughout: Truncated; Clipped below; Clipped above; KL to the sampler.",
        "Not recorded: KL to the start.",
    )


def test_quantities_that_nobody_recorded_have_no_table_and_those_that_are_zero_have_a_sentence(tmp_path: Path) -> None:
    assert ends_table("t", HACKS, read(tmp_path, grpo=[])) == []
    (table,) = ends_table("t", HACKS, read(tmp_path / "b", grpo=[step_row(1, hacks={})]))
    assert table.groups[0].rows == ()
    assert table.notes[0].startswith("Zero throughout: Empty answer; ")


def test_timeouts_and_errors_are_counted_apart(tmp_path: Path) -> None:
    """Two steps of 4 correct, 9 wrong, 2 unparsed, 1 timeout; the second's verifier broke twice besides."""
    broken = step_row(2, outcomes={"correct": 4, "wrong": 9, "unparsed": 1, "timeout": 0, "error": 2})
    (table,) = outcome_table(read(tmp_path, grpo=[step_row(1), broken]))
    assert table.head == ("Run", "Rollouts", "Correct", "Wrong", "Unparsed", "Timeout", "Error")
    assert rows_of(table)[""] == [
        ("grpo", "32", "8 (25.0 %)", "18 (56.2 %)", "3 (9.4 %)", "1 (3.1 %)", "2 (6.2 %)"),
    ]
    (controlled,) = outcome_table(read(tmp_path / "b", control=[step_row(1)]))
    assert "dealt" in controlled.notes[-1]


def test_seconds_and_rates_of_both_stages_stand_together(tmp_path: Path) -> None:
    """GRPO: two steps of 10 s and 20 s of measuring. SFT: two steps of 2 s and 100 tokens."""
    runs = read(tmp_path, sft=[sft_row(1), sft_row(2)], grpo=[held_out_row(0, 0.1), step_row(1), step_row(2)])
    where, rates = time_tables(runs)
    assert where.head[2:] == (
        "Sync, %", "Sample, %", "Verify, %", "Update, %", "Rest of the step, %", "Steps, %", "Held-out, %",
    )  # fmt: skip
    assert rows_of(where)[""] == [
        ("sft", "4", "–", "–", "–", "–", "–", "100.0", "–"),
        ("grpo", "40", "2.5", "25.0", "5.0", "15.0", "2.5", "–", "50.0"),
    ]
    assert rows_of(rates)[""] == [
        ("sft", "–", "200", "–", "50.0", "–"),
        ("grpo", "32", "640", "1.60", "32.0", "64.0"),
    ]


def test_a_run_without_seconds_has_no_table_of_them(tmp_path: Path) -> None:
    runs = read(tmp_path, grpo=[step_row(1, seconds=None)])
    assert time_tables(runs) == []
    assert ends_table("Speed", [SPEED], runs) == []
