"""What the sandbox's tests share: both walls, where the machine offers them, and a look at what is left behind."""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from abruzzi.verifiers.sandbox.interpreter import own_interpreter
from abruzzi.verifiers.sandbox.limits import Limits
from abruzzi.verifiers.sandbox.probe import probe
from abruzzi.verifiers.sandbox.walls import PROCESS_TITLE, WallName

WALLS = (WallName.BUBBLEWRAP, WallName.LANDLOCK)
TIGHT = Limits(cpu_s=1, wall_s=2.5, memory_bytes=512 << 20, output_bytes=1 << 20, disk_bytes=4 << 20)


@cache
def why_not(wall: WallName) -> str:
    return probe(wall, None)


def need(wall: WallName) -> None:
    """Skip the test where the machine does not offer this wall."""
    if reason := why_not(wall):
        pytest.skip(reason)


def need_any() -> None:
    """Skip the test where the machine offers no wall at all."""
    reasons = [reason for wall in WALLS if (reason := why_not(wall))]
    if len(reasons) == len(WALLS):
        pytest.skip("; ".join(reasons))


def need_own_python() -> None:
    """Skip the test where this process cannot reach the file of its own interpreter, as after giving up root."""
    if not os.access(own_interpreter().executable, os.X_OK):
        pytest.skip("our own interpreter cannot be started by this user")


def sandbox_processes(host: int | None = None) -> set[int]:
    """Find every process of a sandbox that a host (or this process) started, wherever it may have gone."""
    title = f"{PROCESS_TITLE}\0{host or os.getpid()}\0".encode()
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and title in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
    return found
