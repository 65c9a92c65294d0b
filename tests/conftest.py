"""Fixtures that several folders of tests share."""

import functools
import gc
import getpass
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from abruzzi.engine.lock import locked
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.weights import fetch_base

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, also where the suite itself was started deaf to it.

    A shell starts its background jobs with SIGINT ignored, and processes inherit that. Nor is an example that takes
    long on a busy machine a failure. Matrices of the tests are small, and threads that share them mostly wait for one
    another, at full speed: with one thread torch takes a fraction of the processor time, here and in what tests start.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Keep the collector of garbage off what was imported and collected: it lasts as long as the process does.

    That is some millions of objects, and a training that ends has the whole heap looked through.
    """
    gc.collect()
    gc.freeze()


class _EngineTogether(LoadFileScheduling):
    """A file's tests go to one worker, and all that may start the engine to one: elsewhere they await each other."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "engine" if "mark.engine" in _read(file) else file


@functools.cache
def _read(file: str) -> str:
    return (ROOT / file).read_text("utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Share the files out among the workers."""
    return _EngineTogether(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have tests of the engine take turns, whichever worker runs them: two engines at once starve on two cores."""
    if item.get_closest_marker("engine") is None:
        return (yield)
    with locked(Path(tempfile.gettempdir()) / f"abruzzi-engine-tests-{getpass.getuser()}.lock"):
        return (yield)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The real engine with the base model, three slots, one thread; the weights are fetched at first use.

    Tests that use it carry the marker ``engine``. Beside another worker's tests two threads mostly wait for each other.
    """
    model = fetch_base(platformdirs.user_cache_path("abruzzi"))
    with Engine(EngineSettings(model=model, slots=3, threads=1)) as running:
        yield running
