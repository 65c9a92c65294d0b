"""The arc that training is for, on ``recipes/tiny``: taught from random weights, reinforced, and the control.

The real commands, each once for all tests of this file. Both GRPO runs start from the same weights and differ in one
setting: whether the rewards say anything.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from abruzzi.cli.main import main
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.paired import paired_difference

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"


@dataclass(frozen=True, slots=True)
class Arc:
    """Folders of the three runs."""

    sft: Path
    grpo: Path
    control: Path


@pytest.fixture(name="arc", scope="module")
def run_arc(tmp_path_factory: pytest.TempPathFactory) -> Arc:
    folder = tmp_path_factory.mktemp("arc")
    arc = Arc(folder / "sft", folder / "grpo", folder / "control")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices this small are slower on two
    try:
        train("sft", arc.sft)
        train("grpo", arc.grpo, f"model.start={arc.sft}")
        train("grpo", arc.control, f"model.start={arc.sft}", "grpo.shuffle_rewards=true")
    finally:
        torch.set_num_threads(threads)
    return arc


def train(stage: str, out: Path, *changes: str) -> None:
    """Run a command to its end."""
    options = [option for change in changes for option in ("--set", change)]
    assert main(["train", stage, str(RECIPES / f"{stage}.toml"), "--out", str(out), *options]) == 0


def read_rows(run: Path, kind: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def scores_of(row: dict[str, Any]) -> dict[str, list[int]]:
    """Item → 1 or 0 for each of its samples."""
    (by_item,) = row["scores"].values()
    return by_item


def gain_of(run: Path) -> Estimate:
    """By how much held-out accuracy rose, on the same items."""
    before, *_, after = map(scores_of, read_rows(run, "held_out"))
    assert list(before) == list(after)
    assert len(before) >= 200
    return paired_difference(list(after.values()), list(before.values()))


def rose(run: Path) -> bool:
    """Whether the interval of the last measurement lies above that of the first one."""
    before, *_, after = read_rows(run, "held_out")
    return after["interval"][0] > before["interval"][1]


def test_a_transformer_from_random_weights_is_half_taught(arc: Arc) -> None:
    facts = json.loads((arc.sft / "run.json").read_text())
    assert 0.5e6 <= facts["num_trained"] == facts["num_parameters"] <= 5e6
    losses = [row["loss"] for row in read_rows(arc.sft, "step")]
    assert sum(losses[-10:]) < 0.25 * sum(losses[:10])
    first = read_rows(arc.grpo, "held_out")[0]
    assert first["step"] == 0
    assert 0.2 < first["accuracy"] < 0.7


def test_grpo_lifts_held_out_accuracy_beyond_its_interval(arc: Arc) -> None:
    assert rose(arc.grpo)
    assert gain_of(arc.grpo).low > 0.05


def test_rewards_that_say_nothing_lift_nothing(arc: Arc) -> None:
    """They still push the model about, up or down; by less than rewards that say something lift it."""
    assert read_rows(arc.control, "held_out")[0]["scores"] == read_rows(arc.grpo, "held_out")[0]["scores"]
    steps = read_rows(arc.control, "step")
    assert [row["step"] for row in steps] == [row["step"] for row in read_rows(arc.grpo, "step")]
    assert all(row["num_used"] for row in steps), "the control learns from as many groups, and nothing true"
    assert not rose(arc.control)
    assert gain_of(arc.control).high < gain_of(arc.grpo).low
