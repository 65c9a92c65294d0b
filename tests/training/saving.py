"""Saves checkpoints without end, for a process of its own that is there to be killed."""

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


def save_without_end(run: Path) -> None:
    """Go on from the run's last checkpoint, one after the other."""
    found = find_checkpoint(run)
    step = 0 if found is None else int(read_state(found)["step"])
    while True:
        step += 1
        save_checkpoint(run, step, write, {}, keep=2)
