"""What stands beside every bench's figures: when, on which machine and at which commit they were made."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from abruzzi.engine.tuned import library_build, processor_name


def describe_run(command: str) -> dict[str, Any]:
    """Describe the machine and the code of this moment.

    Args:
        command: what is being run.

    Returns:
        Plain data: ``commit`` is that of the working folder, with ``+changes`` where files differ from it, and empty
        outside a clone.
    """
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": read_commit(Path.cwd()),
        "machine": describe_machine(),
        "load": [round(value, 1) for value in os.getloadavg()],
        "python": platform.python_version(),
        "xllamacpp": library_build(),
    }


def read_commit(folder: Path) -> str:
    """Read the commit of a folder's clone; empty where there is none."""
    commit = _ask_git(folder, "rev-parse", "HEAD")
    return f"{commit}+changes" if commit and _ask_git(folder, "status", "--porcelain", "--", "src") else commit


def describe_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name the processor, and how many of its cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor_name(cpuinfo)}, {cores} of {os.cpu_count()} cores"


def write_line(record: Mapping[str, Any]) -> str:
    """Write a record as the line under a table."""
    return (
        f"{record['command']} · commit {record['commit'][:7] or 'unknown'}"
        f"{'+changes' if record['commit'].endswith('+changes') else ''} · {record['date']} · {record['machine']} · "
        f"load {record['load'][0]}"
    )


def _ask_git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
