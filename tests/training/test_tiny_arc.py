"""The arc that training is for, on ``recipes/tiny``: taught from random weights, reinforced, and the control.

The real commands, each once for all tests of this file. Both GRPO runs start from the same weights and differ in one
setting: whether the rewards say anything. What is learnt is held against guessing: with nothing known of a question,
and with one of its two animals known and the other one not.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from abruzzi.cli.main import main
from abruzzi.data.items import Item
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.paired import paired_difference
from abruzzi.training.material import Portion, gather_portions
from abruzzi.training.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"


@dataclass(frozen=True, slots=True)
class Arc:
    """Folders of the three runs."""

    sft: Path
    grpo: Path
    control: Path


@pytest.fixture(name="arc", scope="module")
def run_arc(tmp_path_factory: pytest.TempPathFactory) -> Arc:
    return train_arc(tmp_path_factory.mktemp("arc"), seed=1)


def train_arc(folder: Path, *, seed: int) -> Arc:
    """Run the three commands, all with one seed."""
    arc = Arc(folder / "sft", folder / "grpo", folder / "control")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices this small are slower on two
    try:
        train("sft", arc.sft, f"sft.seed={seed}")
        reinforced = (f"model.start={arc.sft}", f"grpo.seed={seed}")
        train("grpo", arc.grpo, *reinforced)
        train("grpo", arc.control, *reinforced, "grpo.shuffle_rewards=true")
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


@pytest.fixture(name="portion", scope="module")
def gather_items() -> Portion:
    (portion,) = gather_portions(read_recipe(RECIPES / "grpo.toml").data)
    return portion


def guess(portion: Portion, knowing: Callable[[Item], object]) -> float:
    """Share of held-out items that are guessed by the likeliest answer to what is known of them.

    Args:
        portion: the likeliest answers are those of its training items.
        knowing: what of an item is known.
    """
    answers: defaultdict[object, Counter[str]] = defaultdict(Counter)
    for item in portion.train:
        answers[knowing(item)][str(item.ground_truth)] += 1
    likeliest = {known: counts.most_common(1)[0][0] for known, counts in answers.items()}
    return sum(likeliest.get(knowing(item)) == item.ground_truth for item in portion.held_out) / len(portion.held_out)


def nothing(item: Item) -> object:
    """With nothing known, the likeliest answer is one for all: the best constant."""
    del item


def first_animal(item: Item) -> object:
    return next(iter(item.extra["metadata"]["animals"]))


def test_guessing_without_the_question_or_with_half_of_it_does_not_get_far(portion: Portion) -> None:
    assert guess(portion, nothing) == 57 / 300  # always 10
    assert guess(portion, first_animal) == 68 / 300


def test_a_transformer_from_random_weights_is_half_taught(arc: Arc, portion: Portion) -> None:
    """It answers what it is asked: oftener right by far than the best constant is, and than half a question lets be."""
    facts = json.loads((arc.sft / "run.json").read_text())
    assert 0.5e6 <= facts["num_trained"] == facts["num_parameters"] <= 5e6
    losses = [row["loss"] for row in read_rows(arc.sft, "step")]
    assert sum(losses[-10:]) < 0.1 * sum(losses[:10])
    first = read_rows(arc.grpo, "held_out")[0]
    assert first["step"] == 0
    assert first["accuracy"] < 0.8
    assert first["interval"][0] > 1.5 * max(guess(portion, nothing), guess(portion, first_animal))


def test_grpo_lifts_held_out_accuracy_beyond_its_interval(arc: Arc) -> None:
    assert rose(arc.grpo)
    assert gain_of(arc.grpo).low > 0.05


def test_rewards_that_say_nothing_lift_nothing(arc: Arc) -> None:
    """They still push the model about, and spoil what it knew."""
    assert read_rows(arc.control, "held_out")[0]["scores"] == read_rows(arc.grpo, "held_out")[0]["scores"]
    steps = read_rows(arc.control, "step")
    assert [row["step"] for row in steps] == [row["step"] for row in read_rows(arc.grpo, "step")]
    assert all(row["num_used"] for row in steps), "the control learns from as many groups, and nothing true"
    assert gain_of(arc.control).low <= 0
    assert gain_of(arc.control).high < gain_of(arc.grpo).low


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_other_seeds_tell_the_same(tmp_path: Path, seed: int) -> None:
    arc = train_arc(tmp_path, seed=seed)
    assert rose(arc.grpo)
    assert gain_of(arc.grpo).low > 0.05
    assert gain_of(arc.control).low <= 0
    assert gain_of(arc.control).high < gain_of(arc.grpo).low
