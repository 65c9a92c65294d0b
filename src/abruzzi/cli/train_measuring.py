"""Measures a policy on a recipe's held-out items, with the trainer's own generation, and compares two measurements.

    OUT/run.json          recipe, what was measured, machine
    OUT/held-out.jsonl    a line a family: accuracy with its interval, pass@k, the likeliest answer, every score
    OUT/FAMILY.jsonl      every sample

A killed measuring goes on with the families that are missing. Plans, best-of-N and other people's benchmarks are
``abruzzi eval``'s business.
"""

import os
from collections.abc import Mapping, Set
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from time import perf_counter
from typing import Any

from abruzzi.cli.gauge import open_gauge
from abruzzi.cli.training import open_sampler
from abruzzi.cli.wiring import cache_folder
from abruzzi.errors import ConfigError, DataError
from abruzzi.records import LineWriter, WholeLines, read_lines
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.paired import paired_difference
from abruzzi.training.grpo.guessing import find_guesses
from abruzzi.training.grpo.rewards import verify_replies
from abruzzi.training.grpo.rows import held_out_row, measured_rows
from abruzzi.training.held_out import measure_held_out
from abruzzi.training.material import gather_portions, held_out_prompts
from abruzzi.training.policy import open_policy
from abruzzi.training.recipe import Recipe
from abruzzi.training.run_record import start_record

MEASURED_FILE = "held-out.jsonl"

Scores = Mapping[str, Mapping[str, list[int]]]
"""Family → item → 1 or 0 for each sample with a verdict."""


def run_measure(recipe: Recipe, out: Path, *, samples: int, against: Path | None) -> int:
    """Measure the model that a GRPO recipe starts from.

    Args:
        recipe: names model, held-out items and sampling.
        out: folder of the measurement.
        samples: per item.
        against: folder of an earlier measurement of the same items.

    Raises:
        AbruzziError: it cannot be measured or compared; what was measured stays.
    """
    settings = recipe.grpo
    if settings is None:
        raise ConfigError(f"the recipe {recipe.name} has no table [grpo], which says how items are asked")
    before = None if against is None else read_scores(against)
    policy = open_policy(recipe.model, cache_dir=cache_folder(os.environ), seed=settings.seed)
    prompts = held_out_prompts(recipe.data, policy.tokenizer, gather_portions(recipe.data))
    if not prompts:
        raise DataError(f"{recipe.name} holds nothing out; set data.held_out")
    facts = {"stage": "held-out", "base": policy.identity, "trained_on": policy.trained_on, "samples": samples}
    start_record(out, recipe, facts)
    done = {row["family"] for row in _read(out)}
    families = {family: list(own) for family, own in groupby(prompts, lambda prompt: prompt.family)}
    for family, own in families.items():
        if before is not None and family in before:
            _check_items(family, {prompt.item.id for prompt in own}, before[family])
    with open_gauge() as gauge, open_sampler(policy, recipe) as sampler:
        sampler.sync()
        for number, (family, own) in enumerate(families.items()):
            gauge.show("held out", number, len(families), family)
            if family in done:
                continue
            began = perf_counter()
            found = measure_held_out(
                sampler,
                own,
                policy.tokenizer,
                samples=samples,
                temperature=settings.eval_temperature,
                max_tokens=settings.max_tokens,
                seed=settings.seed,
                verify=verify_replies,
            )
            (guess,) = list(find_guesses(found.groups).values()) or [None]
            told = None if guess is None else asdict(guess)
            with WholeLines(out / f"{family}.jsonl") as rollouts:
                for row in measured_rows(found):
                    rollouts.write(row)
            with LineWriter(out / MEASURED_FILE) as measured:
                measured.write({"family": family, "guess": told, **held_out_row(found, 0, perf_counter() - began)})
    for row in _read(out):
        _show(row)
    if before is not None:
        for family, gain in compare(read_scores(out), before).items():
            print(f"{family}: {_points(gain)} points against {against}")
    return 0


def read_scores(folder: Path) -> Scores:
    """Read every score of a measurement.

    Raises:
        DataError: there is none.
        RecordError: it cannot be read.
    """
    rows = _read(folder)
    if not rows:
        raise DataError(f"{folder} holds no measurement; make one with 'abruzzi train measure'")
    return {row["family"]: row["scores"][row["family"]] for row in rows}


def compare(after: Scores, before: Scores) -> dict[str, Estimate]:
    """Estimate each family's gain, paired by item.

    Raises:
        DataError: the two did not measure the same items.
    """
    gains: dict[str, Estimate] = {}
    for family in after.keys() & before.keys():
        new, old = after[family], before[family]
        _check_items(family, new.keys(), old)
        judged = [item for item in new if new[item] and old[item]]
        gains[family] = paired_difference([new[item] for item in judged], [old[item] for item in judged])
    return {family: gains[family] for family in after if family in gains}


def _check_items(family: str, items: Set[str], before: Mapping[str, list[int]]) -> None:
    if items != before.keys():
        raise DataError(f"the two measurements of {family} are of other items; measure both with the same recipe")


def _read(folder: Path) -> list[dict[str, Any]]:
    path = folder / MEASURED_FILE
    return list(read_lines(path)) if path.is_file() else []


def _show(row: Mapping[str, Any]) -> None:
    low, high = row["interval"] or (None, None)
    accuracy = "no verdict" if low is None else f"{row['accuracy']:.1%} [{low:.1%}, {high:.1%}]"
    pass_at = ", ".join(f"pass@{k} {value:.1%}" for k, value in row["pass_at"].items())
    guess = row["guess"]
    likeliest = (
        ""
        if guess is None
        else f"; likeliest answer {guess['answer']!r}: given {guess['given']:.1%}, right {guess['right']:.1%}"
    )
    print(f"{row['family']}: {accuracy} of {row['num_items']} items; {pass_at}{likeliest}")


def _points(gain: Estimate) -> str:
    return f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
