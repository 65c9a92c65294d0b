"""How many physical cores this process may use: the number of threads that decoding is fastest with.

Two threads on one physical core slow a compute-bound decode down, and threads beyond a container's share of the
processor wait for each other, so logical processors, affinity and the control group's quota are all looked at.
"""

import os
from pathlib import Path


def physical_cores(system: Path = Path("/sys")) -> int:
    """Count the physical cores available to this process; at least 1.

    Args:
        system: where the kernel shows its topology; a folder of the same layout in tests.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = {_siblings(system, cpu) for cpu in allowed}
    return max(1, min(len(cores), _quota(system)))


def _siblings(system: Path, cpu: int) -> str:
    """Name the physical core of a logical processor; each is its own core where the kernel does not say."""
    try:
        return (system / f"devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _quota(system: Path) -> int:
    """Whole processors that the control group grants, rounded up."""
    try:
        quota, period = (system / "fs/cgroup/cpu.max").read_text().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):
        return os.cpu_count() or 1
