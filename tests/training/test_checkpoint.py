"""Checkpoints are whole or not there: after errors, full disks and kills in the middle of writing."""

import errno
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from abruzzi.errors import CheckpointError
from abruzzi.training.checkpoint import find_checkpoint, read_state, resolve_checkpoint, save_checkpoint
from tests.training.killed import start
from tests.training.saving import is_whole, list_checkpoints, save_without_end


def write_one(content: str = "weights") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_text(content)

    return write


def save(run: Path, step: int, *, keep: int = 2, content: str = "weights") -> Path:
    return save_checkpoint(run, step, write_one(content), {"position": step * 10}, keep=keep)


def leftovers(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").glob(".*"))


def test_what_is_saved_is_found(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    place = save(run, 40)
    assert place == run / "checkpoints" / "step-000040"
    assert find_checkpoint(run) == place
    assert read_state(place) == {"position": 400, "step": 40}
    assert (place / "inner" / "weights").read_text() == "weights"
    assert leftovers(run) == []


def test_the_newest_keep_ones_stay(tmp_path: Path) -> None:
    for step in (5, 1_000_000, 10, 999_999):  # by number and not by name
        save(tmp_path, step, keep=3)
    assert list_checkpoints(tmp_path) == ["step-000010", "step-1000000", "step-999999"]
    assert find_checkpoint(tmp_path) == tmp_path / "checkpoints" / "step-1000000"
    save(tmp_path, 1_000_001, keep=1)
    assert list_checkpoints(tmp_path) == ["step-1000001"]


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    save(tmp_path, 3, content="old")
    place = save(tmp_path, 3, content="new")
    assert (place / "inner" / "weights").read_text() == "new"
    assert list_checkpoints(tmp_path) == ["step-000003"]


class BrokenError(Exception):
    """Something that nobody foresaw."""


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), CheckpointError),
        (BrokenError("bug"), BrokenError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_write_that_fails_midway_leaves_the_last_one(
    tmp_path: Path, raised: BaseException, seen: type[BaseException]
) -> None:
    good = save(tmp_path, 1, keep=1)

    def write(folder: Path) -> None:
        (folder / "half").write_text("…")
        raise raised

    with pytest.raises(seen):
        save_checkpoint(tmp_path, 2, write, {}, keep=1)
    assert find_checkpoint(tmp_path) == good
    assert read_state(good)["step"] == 1
    assert save(tmp_path, 2, keep=1).name == "step-000002"
    assert leftovers(tmp_path) == [], "what the failed one left was taken away"


def test_the_error_names_the_step_the_reason_and_the_last_good_one(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        CheckpointError, match=r"checkpoint of step 2: No space left on device; there is none before it$"
    ):
        save_checkpoint(tmp_path, 2, write, {}, keep=1)
    assert leftovers(tmp_path) == []
    good = save(tmp_path, 2)
    with pytest.raises(CheckpointError, match=f"the last good one is {good}$"):
        save_checkpoint(tmp_path, 3, write, {}, keep=1)


def test_a_folder_without_state_is_no_checkpoint(tmp_path: Path) -> None:
    good = save(tmp_path, 1)
    (tmp_path / "checkpoints" / "step-000002").mkdir()
    (tmp_path / "checkpoints" / "step-two").mkdir()
    (tmp_path / "checkpoints" / ".step-000003.part").mkdir()
    assert find_checkpoint(tmp_path) == good
    assert find_checkpoint(tmp_path / "other") is None


def test_resolve_takes_a_run_or_a_checkpoint(tmp_path: Path) -> None:
    first, second = save(tmp_path, 1), save(tmp_path, 2)
    assert resolve_checkpoint(tmp_path) == second
    assert resolve_checkpoint(str(first)) == first
    with pytest.raises(CheckpointError, match="is neither a checkpoint nor a run with one"):
        resolve_checkpoint(tmp_path / "checkpoints" / "step-000003")


@pytest.mark.parametrize("content", [None, "", "{"])
def test_a_state_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "state.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"cannot be read: .*; take an older one"):
        read_state(tmp_path)


def test_killed_at_any_moment_only_whole_ones_are_found(tmp_path: Path) -> None:
    steps: list[int] = []
    for number in range(6):
        before = find_checkpoint(tmp_path)
        process = start(save_without_end, tmp_path)
        while find_checkpoint(tmp_path) == before:  # until it has begun
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(0.0011 * number)
        process.kill()
        process.join()
        checkpoints = list_checkpoints(tmp_path)
        assert checkpoints
        assert all(is_whole(tmp_path / "checkpoints" / name) for name in checkpoints)
        steps.append(max(int(name.removeprefix("step-")) for name in checkpoints))
    assert steps == sorted(set(steps)), "each process went on from the last one"


@pytest.fixture(name="tiny_disk")
def mount_tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_the_last_one(tiny_disk: Path) -> None:
    good = save(tiny_disk, 1, keep=1, content="a" * 100_000)
    with pytest.raises(CheckpointError, match=f"step 2: No space left on device; the last good one is {good}"):
        save(tiny_disk, 2, keep=1, content="b" * 200_000)
    assert (good / "inner" / "weights").read_text() == "a" * 100_000
    assert leftovers(tiny_disk) == [], "the room is given back"
    save(tiny_disk, 2, keep=1, content="b" * 100_000)
    assert list_checkpoints(tiny_disk) == ["step-000002"]
