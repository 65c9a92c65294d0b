"""Checkpoints that are whole or not there: written beside their place, then renamed into it.

    RUN/checkpoints/step-000040/    weights (adapter or full), whatever else the trainer wants back, and state.json

A process killed while writing leaves a folder whose name begins with a dot; the next one takes it away. A disk that is
full stops the run with the older checkpoints untouched: they are removed only after the new one is in place.
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

FOLDER = "checkpoints"
STATE_FILE = "state.json"
_NAME = re.compile(r"step-(\d{6,})")


def save_checkpoint(
    run: Path, step: int, write: Callable[[Path], None], state: Mapping[str, Any], *, keep: int
) -> Path:
    """Save a checkpoint, then remove the oldest ones beyond ``keep``.

    Args:
        run: the run's folder.
        step: finished optimiser steps.
        write: puts the files into the folder it is given.
        state: plain data that resuming needs; ``step`` is added.
        keep: how many checkpoints stay.

    Returns:
        Its folder.

    Raises:
        CheckpointError: it cannot be written; the checkpoints before it stay.
    """
    folder = run / FOLDER
    place, part = folder / f"step-{step:06d}", folder / f".step-{step:06d}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob(".step-*.part"):
            shutil.rmtree(stale)
        part.mkdir()
        write(part)
        (part / STATE_FILE).write_text(json.dumps({**state, "step": step}, indent=1))
        _flush(part)
        if place.exists():
            shutil.rmtree(place)
        part.rename(place)
        _flush_one(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        kept = find_checkpoint(run)
        last = f"the last good one is {kept}" if kept else "there is none before it"
        raise CheckpointError(
            f"cannot write the checkpoint of step {step}: {error.strerror or error}; {last}"
        ) from error
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
