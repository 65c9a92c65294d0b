import os
from pathlib import Path

import pytest

from abruzzi.engine.cores import limit_spinning, physical_cores

CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def topology(system: Path, siblings: dict[int, str]) -> None:
    for cpu, names in siblings.items():
        folder = system / f"devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{names}\n")


def quota(system: Path, text: str) -> None:
    (system / "fs/cgroup").mkdir(parents=True)
    (system / "fs/cgroup/cpu.max").write_text(text)


def test_threads_of_one_core_count_once(tmp_path: Path) -> None:
    topology(tmp_path, dict.fromkeys(CPUS, "0-1"))
    assert physical_cores(tmp_path) == 1


def test_without_a_topology_every_processor_counts(tmp_path: Path) -> None:
    assert physical_cores(tmp_path) == len(CPUS)


@pytest.mark.parametrize(("text", "cores"), [("150000 100000\n", 2), ("20000 100000\n", 1), ("max 100000\n", None)])
def test_a_containers_quota_is_a_limit(tmp_path: Path, text: str, cores: int | None) -> None:
    quota(tmp_path, text)
    assert physical_cores(tmp_path) == min(len(CPUS), cores or len(CPUS))


def test_threads_look_before_they_sleep_and_the_user_is_asked_first() -> None:
    environ: dict[str, str] = {}
    limit_spinning(environ)
    assert environ == {"GOMP_SPINCOUNT": "1000"}
    chosen = {"GOMP_SPINCOUNT": "7"}
    limit_spinning(chosen)
    assert chosen == {"GOMP_SPINCOUNT": "7"}
