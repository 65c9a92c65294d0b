"""Saves checkpoints without end, in a process of its own that is there to be killed: ``python -m … RUN``."""

import sys
from pathlib import Path

from abruzzi.training.checkpoint import FOLDER, STATE_FILE, find_checkpoint, read_state, save_checkpoint

FILES = 40
"""Of a checkpoint, so that it is long in the writing."""


def write(folder: Path) -> None:
    for number in range(FILES):
        (folder / f"{number}").write_text(str(number) * 1000)


def is_whole(checkpoint: Path) -> bool:
    return all((checkpoint / f"{number}").read_text() == str(number) * 1000 for number in range(FILES))


def list_checkpoints(run: Path) -> list[str]:
    """Names of a run's whole checkpoints."""
    return sorted(path.parent.name for path in run.glob(f"{FOLDER}/step-*/{STATE_FILE}"))


if __name__ == "__main__":
    run = Path(sys.argv[1])
    found = find_checkpoint(run)
    step = 0 if found is None else int(read_state(found)["step"])
    while True:
        step += 1
        save_checkpoint(run, step, write, {}, keep=2)
