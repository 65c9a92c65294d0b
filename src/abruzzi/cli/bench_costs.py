"""What a piece of work costs: wall seconds, and CPU seconds of this process and all that it started.

CPU seconds are summed over the whole family of processes, so that an engine, a proxy and a client that share the work
are billed alike. Linux tells the running children's (``/proc``); elsewhere theirs are not known, and the bench refuses.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from abruzzi.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that a piece of work took."""

    wall_s: float
    cpu_s: float
    """Of all processes together; whole clock ticks, 10 ms as a rule."""


class Watch(Protocol):
    """Something that has begun to measure."""

    def read(self) -> Cost:
        """Return what was spent so far."""
        ...


class Stopwatch:
    """Measures this process and its descendants from its making on.

    Raises:
        ConfigError: this system does not tell what running children cost.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._cpu_s, self._wall_s = read_cpu_s(self._pid), time.monotonic()

    def read(self) -> Cost:
        """Return what was spent so far."""
        return Cost(wall_s=time.monotonic() - self._wall_s, cpu_s=read_cpu_s(self._pid) - self._cpu_s)


def read_cpu_s(pid: int, proc: Path = Path("/proc")) -> float:
    """Return the CPU seconds of a process, its running descendants and those that were waited for.

    Args:
        pid: the process.
        proc: where the kernel shows processes; a folder of the same layout in tests.

    Raises:
        ConfigError: there is no such process to be seen.
    """
    ticks = 0
    is_seen = False
    for one in _list_family(pid, proc):
        try:
            # The name, in brackets, may hold anything; utime, stime, cutime and cstime are the fields 14 to 17.
            fields = (proc / str(one) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        ticks += sum(map(int, fields[11:15]))
        is_seen = True
    if not is_seen:
        raise ConfigError(f"{proc}/{pid}/stat cannot be read: CPU seconds of all processes are measured on Linux only")
    return ticks / os.sysconf("SC_CLK_TCK")


def _list_family(pid: int, proc: Path) -> Iterator[int]:
    yield pid
    for path in (proc / str(pid) / "task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _list_family(int(child), proc)
