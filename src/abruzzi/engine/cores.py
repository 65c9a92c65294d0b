"""How many physical cores this process may use, and how its threads wait for each other.

The number of cores is the number of threads that decoding is fastest with: two threads on one physical core slow a
compute-bound decode down, and threads beyond a container's share of the processor wait for each other, so logical
processors, affinity and the control group's quota are all looked at.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

_SPINS = "1000"


def limit_spinning(environ: MutableMapping[str, str]) -> None:
    """Have a thread look a thousand times at a barrier before it sleeps, unless the user set it.

    A token has hundreds of barriers. A thread that sleeps at once (``OMP_WAIT_POLICY=passive``) makes two threads
    slower than one; one that looks 300,000 times, libgomp's default, keeps whoever it waits for from working where the
    cores are shared (docs/results/engine-threads.md).

    Args:
        environ: the process's own. libgomp reads it when it is loaded; no other runtime looks at the variable.
    """
    environ.setdefault("GOMP_SPINCOUNT", _SPINS)


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
