"""Where the seconds went: shares worked by hand."""

from pathlib import Path

import pytest

from abruzzi.training.report.run_rows import Row, read_runs
from abruzzi.training.report.spending import Spending, add_up, split_step
from tests.training.report.made_up import grpo_facts, held_out_row, sft_facts, sft_row, step_row, write_run


def spending(tmp_path: Path, rows: list[dict[str, object]], facts: Row) -> Spending:
    return add_up(read_runs([write_run(tmp_path / "run", rows, **facts)])[0])


def test_two_steps_of_ten_seconds_and_a_measurement_of_twenty(tmp_path: Path) -> None:
    """Each step: sync 0.5, sample 5, verify 1, update 3, so 0.5 are left; 40 seconds in all."""
    spent = spending(tmp_path, [held_out_row(0, 0.1), step_row(1), step_row(2)], grpo_facts())
    assert spent.total == pytest.approx(40)
    shares = {part: spent.share(part) for part in spent.seconds}
    assert shares == pytest.approx(
        {"sync": 0.025, "sample": 0.25, "verify": 0.05, "update": 0.15, "rest of the step": 0.025, "held-out": 0.5}
    )
    assert (spent.num_rollouts, spent.num_tokens) == (32, 640)
    assert spent.per_second(spent.num_rollouts) == pytest.approx(32 / 20), "measurements are no steps"
    assert spent.per_second(spent.num_tokens, "sample") == pytest.approx(64)


def test_fine_tuning_has_steps_alone_and_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    rows = [sft_row(1), sft_row(2), sft_row(3, total_tokens=100.0), sft_row(4, total_tokens=250.0)]
    spent = spending(tmp_path, rows, sft_facts())
    assert dict(spent.seconds) == {"steps": 8.0}
    assert spent.num_tokens == 450
    assert spent.num_rollouts is None


def test_what_is_not_recorded_is_not_zero(tmp_path: Path) -> None:
    rows = [step_row(1, seconds=None, mean_tokens=None, num_rollouts=None)]
    spent = spending(tmp_path, rows, grpo_facts())
    assert (spent.total, spent.num_rollouts, spent.num_tokens) == (0, None, None)
    assert spent.share("sample") is None
    assert spent.per_second(spent.num_rollouts) is None


def test_parts_that_add_up_to_more_than_the_step_leave_no_rest() -> None:
    split = split_step({"step": 1, "seconds": {"sample": 1.5, "all": 1.4}})
    assert split == {"sample": 1.5, "rest of the step": 0.0}
    assert split_step({"step": 1, "seconds": {"sample": 1.5}}) == {"sample": 1.5}
