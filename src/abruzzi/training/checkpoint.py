"""Checkpoints that are whole or not there: written beside their place, then renamed into it.

    RUN/checkpoints/step-000040/    weights (adapter or full), whatever else the trainer wants back, and state.json

A process killed while writing leaves a folder whose name begins with a dot; the next one takes it away. A disk that is
full stops the run with the older checkpoints untouched: they are removed only after the new one is in place. Where
several processes train one model, each puts its part into the folder, and the main one gives it its name when all have.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from abruzzi.errors import CheckpointError
from abruzzi.training.processes import ALONE, Processes

FOLDER = "checkpoints"
STATE_FILE = "state.json"
_NAME = re.compile(r"step-(\d{6,})")


def save_checkpoint(
    run: Path,
    step: int,
    write: Callable[[Path], None],
    state: Mapping[str, Any],
    *,
    keep: int,
    processes: Processes = ALONE,
) -> Path:
    """Save a checkpoint, then remove the oldest ones beyond ``keep``.

    Args:
        run: the run's folder, the same for all processes.
        step: finished optimiser steps.
        write: puts the files into the folder it is given; called in every process.
        state: plain data that resuming needs; ``step`` is added.
        keep: how many checkpoints stay.
        processes: that train together; all of them call this.

    Returns:
        Its folder.

    Raises:
        CheckpointError: it cannot be written; the checkpoints before it stay.
    """
    folder = run / FOLDER
    place, part = folder / f"step-{step:06d}", folder / f".step-{step:06d}.part"
    try:
        processes.by_main(lambda: _begin(part))
        processes.together(lambda: write(part))
        processes.by_main(lambda: _finish(part, place, {**state, "step": step}))
    except OSError as error:
        if processes.is_main:
            shutil.rmtree(part, ignore_errors=True)
        kept = find_checkpoint(run)
        last = f"the last good one is {kept}" if kept else "there is none before it"
        raise CheckpointError(
            f"cannot write the checkpoint of step {step}: {error.strerror or error}; {last}"
        ) from error
    if processes.is_main:
        for old in _list(run)[:-keep]:
            with contextlib.suppress(OSError):  # the next one tries again
                shutil.rmtree(old.rename(folder / f".{old.name}.part"))
    return place


def find_checkpoint(run: Path) -> Path | None:
    """Find a run's last whole checkpoint; None when there is none."""
    whole = _list(run)
    return whole[-1] if whole else None


def resolve_checkpoint(path: str | Path) -> Path:
    """Find the checkpoint that a path means: the folder of one, or a run, whose last one it is.

    Raises:
        CheckpointError: there is none.
    """
    folder = Path(path)
    if (folder / STATE_FILE).is_file():
        return folder
    found = find_checkpoint(folder)
    if found is None:
        raise CheckpointError(
            f"{folder} is neither a checkpoint nor a run with one; name a folder with {FOLDER}/step-…"
        )
    return found


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read a checkpoint's state.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return cast("dict[str, Any]", json.loads((checkpoint / STATE_FILE).read_text()))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"the checkpoint {checkpoint} cannot be read: {error}; take an older one") from error


def _list(run: Path) -> list[Path]:
    """A run's whole checkpoints, oldest first."""
    folder = run / FOLDER
    if not folder.is_dir():
        return []
    numbered = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(numbered) if (path / STATE_FILE).is_file()]


def _begin(part: Path) -> None:
    """Make the folder that is written to, and take away what killed processes left."""
    part.parent.mkdir(parents=True, exist_ok=True)
    for stale in part.parent.glob(".step-*.part"):
        shutil.rmtree(stale)
    part.mkdir()


def _finish(part: Path, place: Path, state: Mapping[str, Any]) -> None:
    """Have what was written on the disk, then give it its name."""
    (part / STATE_FILE).write_text(json.dumps(state, indent=1))
    _flush(part)
    if place.exists():
        shutil.rmtree(place)
    part.rename(place)
    _flush_one(place.parent)


def _flush(folder: Path) -> None:
    """Have everything in a folder on the disk itself before its name says that it is whole."""
    for path in [*folder.rglob("*"), folder]:
        _flush_one(path)


def _flush_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
