"""CPU seconds are those of a process and of everything that it started."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abruzzi.cli.bench_costs import Stopwatch, read_cpu_s
from abruzzi.errors import ConfigError

BUSY = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); sys.stdin.read()"


def write_process(proc: Path, pid: int, name: str, ticks: tuple[int, int, int, int], children: str = "") -> None:
    """Write a process as the kernel shows it."""
    (proc / str(pid) / "task" / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "task" / str(pid) / "children").write_text(children)
    fields = ["S", *("0" for _ in range(10)), *map(str, ticks), "20"]
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")


def test_descendants_and_those_waited_for_are_counted(tmp_path: Path) -> None:
    write_process(tmp_path, 10, "python", (1, 2, 3, 4), "11 12 ")
    write_process(tmp_path, 11, "an engine) R 99", (10, 20, 0, 0), "13 ")
    write_process(tmp_path, 13, "worker", (100, 0, 0, 0))
    # 12 has just ended, and is not there any more.
    assert read_cpu_s(10, tmp_path) == pytest.approx(140 / os.sysconf("SC_CLK_TCK"))


def test_a_system_that_does_not_tell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Linux"):
        read_cpu_s(10, tmp_path)


def test_a_stopwatch_counts_a_running_child_and_not_sleep() -> None:
    watch = Stopwatch()
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        cost = watch.read()
        child.stdin.close()
    assert cost.cpu_s > 0.27  # in whole ticks
    assert cost.wall_s > 0
    idle = Stopwatch()
    time.sleep(0.2)
    assert idle.read().cpu_s < 0.15
    assert idle.read().wall_s >= 0.2
