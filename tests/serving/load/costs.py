"""What a process and its children cost, as Linux tells it: CPU seconds and resident memory. Linux alone."""

import os
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def list_family(pid: int) -> Iterator[int]:
    """List a process and all that it started and that still run; those that end meanwhile are left out."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from list_family(int(child))


def read_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, its running children and those it has waited for."""
    ticks = 0
    for one in list_family(pid):
        try:
            # The name, in brackets, may hold anything; utime, stime, cutime and cstime are the fields 14 to 17.
            ticks += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
        except OSError:
            continue
    return ticks / TICKS


def read_rss_bytes(pid: int) -> int:
    """Return the resident memory of the process alone."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
