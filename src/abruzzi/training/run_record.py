"""A run's record: its recipe, what it ran on, and its curves, a line a step, written as they happen.

    RUN/run.json        recipe, identities, versions, machine; written once
    RUN/metrics.jsonl   {"kind": "step" | "held_out" | …, "step": …, …}

A run that goes on from a checkpoint first takes away the lines of the steps after it: they will be made again, so no
step, rollout or token is counted twice.
"""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from abruzzi.engine.tuned import processor_name
from abruzzi.errors import ConfigError, RecordError
from abruzzi.records import LineWriter, read_lines
from abruzzi.training.recipe import Recipe, build_recipe

RUN_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
ROLLOUTS_FILE = "rollouts.jsonl"
"""GRPO only: every rollout, {"step", "item", "family", "text", "outcome", …}."""
_PACKAGES = ("abruzzi", "torch", "transformers", "trl", "peft", "accelerate", "reasoning-gym")


def start_record(run: Path, recipe: Recipe, facts: Mapping[str, Any]) -> None:
    """Write ``run.json``, or see that a run that goes on has the same recipe.

    Args:
        run: the folder; made when it is not there.
        recipe: what is run.
        facts: identities and sizes of what it is run on.

    Raises:
        ConfigError: the folder holds a run of another recipe.
        RecordError: the folder cannot be written or read.
    """
    path = run / RUN_FILE
    content = {"recipe": recipe.model_dump(mode="json"), **facts, "machine": describe_machine()}
    if path.exists():
        _check_same(read_run(run), recipe, facts.get("num_processes", 1), run)
        return
    try:
        run.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False))
        part.replace(path)
    except OSError as error:
        raise RecordError(f"cannot write the run {run}: {error.strerror}") from error


_MAY_CHANGE = (
    *("steps", "max_steps", "eval_every", "save_every", "keep", "rows"),
    *("packs_per_device", "accumulation", "recompute"),  # on other machines; the packs of a step are the same
)


def _check_same(old: Mapping[str, Any], recipe: Recipe, num_processes: int, run: Path) -> None:
    """A run goes on under the recipe that it began with, its number of steps, watching and machines aside."""
    if not isinstance(old.get("recipe"), dict):
        raise RecordError(f"{run / RUN_FILE} holds no recipe; take the folder away to begin anew")
    began = build_recipe(old["recipe"], str(run / RUN_FILE))  # settings that came later have their defaults
    for table in ("name", "model", "data", "sft", "grpo"):
        before, now = (one.model_dump(mode="json")[table] for one in (began, recipe))
        if _lasting(before) != _lasting(now):
            raise ConfigError(f"{run} holds a run of another recipe: [{table}] differs; take another --out")
    before, now = _packs_per_step(began, old.get("num_processes", 1)), _packs_per_step(recipe, num_processes)
    if before != now:
        raise ConfigError(
            f"{run} takes {before} packs a step and not {now}: keep sft.packs_per_device x sft.accumulation x "
            "processes as it was, or take another --out"
        )


def _lasting(table: Any) -> Any:
    """What of a table must stay as it is."""
    if not isinstance(table, dict):
        return table
    return {key: value for key, value in cast("dict[str, Any]", table).items() if key not in _MAY_CHANGE}


def _packs_per_step(recipe: Recipe, num_processes: int) -> int | None:
    """Sequences that an optimiser step of SFT takes, over all processes; None for GRPO."""
    sft = recipe.sft
    return None if sft is None else sft.packs_per_device * sft.accumulation * num_processes


def read_run(run: Path) -> dict[str, Any]:
    """Read ``run.json``.

    Raises:
        RecordError: it cannot be read.
    """
    path = run / RUN_FILE
    try:
        record: object = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RecordError(f"{run} is no training run, {path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise RecordError(f"{run} is no training run: {path} holds no object")
    return cast("dict[str, Any]", record)


def rewind(path: Path, step: int) -> None:
    """Take away a file's lines of steps after ``step``.

    Raises:
        RecordError: the file cannot be read or written.
    """
    if not path.exists():
        return
    part = path.with_suffix(".part")
    with LineWriter(path):  # refuses while another process of the run writes
        rows = [row for row in read_lines(path) if int(row["step"]) <= step]
        try:
            part.unlink(missing_ok=True)
            with LineWriter(part) as writer:
                for row in rows:
                    writer.write(row)
            part.replace(path)
        except OSError as error:
            raise RecordError(f"cannot rewind {path} to step {step}: {error.strerror or error}") from error


def describe_machine() -> dict[str, Any]:
    """Say what the run ran on."""
    return {
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of a checkout; None for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
