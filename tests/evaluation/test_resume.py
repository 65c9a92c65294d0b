"""Kill -9 at random moments, on one machine and on a Ray cluster that loses a node: the records come out the same.

The commands are real processes, the endpoint a real socket; only the model is missing.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic_core import to_jsonable_python

from abruzzi.evaluation.folder import read_evaluation
from tests.evaluation.steady import steady_reply, write_sums
from tests.faultserver import FaultServer

ITEMS, RUNS = 24, 4
NUM_KILLS = 10


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(steady_reply) as server:
        yield server


def command(server: FaultServer, folder: Path, out: Path, *options: str) -> list[str]:
    items = write_sums(folder / "sums.jsonl", ITEMS)
    system = ["--system", "full,plan=always,stop_early=false", "--runs", str(RUNS), "--parallel", "4", "--seed", "5"]
    model = ["--model", f"{server.base_url}#m", "--max-tokens", "64"]
    return [sys.executable, "-m", "abruzzi", "eval", "run", str(items), *system, *model, "--out", str(out), *options]


def start(arguments: list[str], folder: Path) -> subprocess.Popen[bytes]:
    environ = os.environ | {"ABRUZZI_HOME": str(folder / "home")}
    return subprocess.Popen(arguments, env=environ, stderr=subprocess.PIPE, start_new_session=True)


def finish(arguments: list[str], folder: Path) -> None:
    process = start(arguments, folder)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told.decode()


def records(out: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What each sample says, less its times and the probe by which the first process gets to know the endpoint."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for sample in read_evaluation(out).samples:
        row: dict[str, Any] = to_jsonable_python(sample)
        told = [call for call in row.pop("calls") if call["role"] != "probe"]
        calls = sorted((call["role"], call["outcome"], str(call["usage"])) for call in told)
        found[sample.key] = without_times(row) | {"calls": calls}
    return found


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return {key: without_times(inner[key]) for key in inner if key != "seconds"}
    return [without_times(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value


@contextmanager
def ray_cluster() -> Generator[tuple[str, int]]:
    """Start two nodes on this machine; gives the address and the process id of the second one's raylet."""
    cluster: Any = import_module("ray.cluster_utils").Cluster()
    try:
        cluster.add_node(num_cpus=1, include_dashboard=False)
        second = cluster.add_node(num_cpus=1)
        yield cluster.address, second.all_processes["raylet"][0].process.pid
    finally:
        cluster.shutdown()


def wait_for_lines(path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_at_ten_random_moments_an_evaluation_ends_as_if_it_had_not_been(
    server: FaultServer, tmp_path: Path
) -> None:
    finish(command(server, tmp_path, tmp_path / "whole"), tmp_path)
    expected = records(tmp_path / "whole")
    assert len(expected) == ITEMS * RUNS
    assert len({row["outcome"] for row in expected.values()}) > 1

    out, rng, sizes = tmp_path / "killed", random.Random(11), list[int]()
    arguments = command(server, tmp_path, out)
    while len(sizes) < NUM_KILLS:
        process = start(arguments, tmp_path)
        deadline = time.monotonic() + 60
        target = (sizes[-1] if sizes else 0) + rng.randrange(1, 8)
        path = out / "samples.jsonl"
        while time.monotonic() < deadline and process.poll() is None:
            if path.exists() and path.read_bytes().count(b"\n") >= target:
                break
            time.sleep(0.01)
        time.sleep(rng.random() * 0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        sizes.append(path.read_bytes().count(b"\n") if path.exists() else 0)
    assert 0 < sizes[0] < sizes[-1] < ITEMS * RUNS, sizes
    finish(arguments, tmp_path)
    assert (out / "samples.jsonl").read_bytes().count(b"\n") == ITEMS * RUNS
    assert records(out) == expected


@pytest.mark.slow
def test_a_ray_cluster_that_loses_a_node_and_its_driver_gives_the_same_records(
    server: FaultServer, tmp_path: Path
) -> None:
    finish(command(server, tmp_path, tmp_path / "whole"), tmp_path)
    expected = records(tmp_path / "whole")
    out, path = tmp_path / "cluster", tmp_path / "cluster" / "samples.jsonl"
    with ray_cluster() as (address, second_node):
        arguments = command(server, tmp_path, out, "--ray", address)
        process = start(arguments, tmp_path)
        wait_for_lines(path, ITEMS // 2, process)
        os.kill(second_node, signal.SIGKILL)
        wait_for_lines(path, ITEMS, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert path.read_bytes().count(b"\n") < ITEMS * RUNS
        finish(arguments, tmp_path)
    assert path.read_bytes().count(b"\n") == ITEMS * RUNS
    assert records(out) == expected
