"""Quantities read off a step's row."""

from pathlib import Path

import pytest

from abruzzi.nouns import Outcome
from abruzzi.training.grpo.hacks import Hack
from abruzzi.training.report.quantities import (
    HACKS,
    LEARNING,
    OUTCOMES,
    POLICY,
    REWARD,
    family_reward,
    hack_rate,
    is_flat,
    outcome_share,
    rollouts_per_second,
    useful_share,
)
from abruzzi.training.report.run_rows import read_runs
from tests.training.report.made_up import grpo_facts, sft_row, step_row, write_run


def test_shares_of_a_step() -> None:
    """16 rollouts, of which 4 correct and 1 timed out; 1 of 4 groups used; 10 seconds."""
    row = step_row(1)
    assert outcome_share(Outcome.CORRECT)(row) == 0.25
    assert outcome_share(Outcome.TIMEOUT, Outcome.ERROR)(row) == 1 / 16
    assert useful_share(row) == 0.25
    assert rollouts_per_second(row) == 1.6
    assert family_reward("letter_counting").read(row) == 0.5


def test_a_hack_that_no_rollout_shows_is_zero_and_one_that_was_not_looked_for_is_missing() -> None:
    assert hack_rate(Hack.EMPTY_ANSWER)(step_row(1)) == 0.125
    assert hack_rate(Hack.REPETITION)(step_row(1)) == 0.0
    assert hack_rate(Hack.REPETITION)(sft_row(1)) is None


@pytest.mark.parametrize("read", [useful_share, rollouts_per_second, outcome_share(Outcome.WRONG)])
def test_a_row_without_the_fields_has_no_value(read: object) -> None:
    assert callable(read)
    assert read({"step": 1}) is None
    assert read(step_row(1, num_groups=0, num_rollouts=0, seconds={"all": 0})) is None


def test_a_step_without_an_update_leaves_a_gap(tmp_path: Path) -> None:
    bare = {name: value for name, value in step_row(2).items() if name not in ("loss", "entropy", "grad_norm")}
    (run,) = read_runs([write_run(tmp_path / "a", [step_row(1), bare, step_row(3)], **grpo_facts())])
    entropy = next(one for one in POLICY if one.name == "Entropy")
    assert entropy.follow(run) == [(1, 0.5), (3, 0.5)]


def test_rounding_is_nothing() -> None:
    assert is_flat([(1, 1e-13), (2, 0.0)])
    assert not is_flat([(1, 0.0), (2, 1e-6)])


@pytest.mark.parametrize("quantities", [LEARNING, [*REWARD, *POLICY], OUTCOMES, HACKS])
def test_names_are_the_names_of_plots_and_no_two_are_the_same(quantities: list[object]) -> None:
    names = [getattr(one, "name", None) for one in quantities]
    assert len(set(names)) == len(names)
