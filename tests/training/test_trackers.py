"""Trackers: what is passed on, what a failing one costs, and the real ones as they are installed."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from abruzzi.errors import ConfigError, RecordError
from abruzzi.training.recipe import WatchSettings
from abruzzi.training.trackers import IDENTITY_FILE, flatten, open_tracker

ROW = {"kind": "step", "step": 3, "reward": 0.5, "seconds": {"all": 2.0}}


class Writer:
    """Stands in for TensorBoard's writer."""

    def __init__(self, folder: str, *, purge_step: int) -> None:
        self.told: list[Any] = [folder, purge_step]
        self.fails_at: str | None = None

    def add_text(self, name: str, text: str, step: int) -> None:
        self.told.append((name, step))

    def add_scalar(self, name: str, value: float, step: int) -> None:
        if name == self.fails_at:
            raise ZeroDivisionError(name)
        self.told.append((name, value, step))

    def flush(self) -> None:
        self.told.append("flush")

    def close(self) -> None:
        self.told.append("close")


class Library:
    """Stands in for trackio and for wandb."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[Any] = []
        self.constants = SimpleNamespace(HF_HUB_OFFLINE=False)
        self.error = error

    def load(self, name: str) -> Any:
        return self.constants if name == "huggingface_hub.constants" else self

    def init(self, **settings: Any) -> "Library":
        sys.stdout.write("* Greetings\n")
        self.told.append(settings | {"offline": self.constants.HF_HUB_OFFLINE})
        if self.error is not None:
            raise self.error
        return self

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.told.append((values, step))

    def finish(self) -> None:
        sys.stdout.write("* Goodbye\n")
        self.told.append("finish")


def watch(tracker: Literal["none", "trackio", "tensorboard", "wandb"]) -> WatchSettings:
    return WatchSettings(tracker=tracker, project="p")


def test_numbers_have_the_names_of_their_curves_and_the_rest_is_left_out() -> None:
    row: dict[str, Any] = {
        "kind": "step",
        "step": 7,
        "reward": 0.5,
        "kl_to_start": None,
        "grad_norm": float("nan"),
        "is_last": True,
        "name": "x",
        "empty": [],
        "seconds": {"sample": 2, "all": 3.5},
    }
    assert flatten(row) == {"reward": 0.5, "seconds/sample": 2.0, "seconds/all": 3.5}


def test_a_measurement_has_its_kind_before_its_names_and_an_estimate_gives_its_value() -> None:
    row = {
        "kind": "held_out",
        "step": 0,
        "accuracy": 0.25,
        "interval": [0.2, 0.3],
        "by_family": {"chain_sum": [0.25, 0.2, 0.3]},
        "pass_at": {"1": 0.25, "2": 0.5},
        "scores": {"chain_sum": {"chain_sum/7/0": [1, 0]}},
    }
    assert flatten(row) == {
        "held_out/accuracy": 0.25,
        "held_out/by_family/chain_sum": 0.25,
        "held_out/pass_at/1": 0.25,
        "held_out/pass_at/2": 0.5,
    }


def test_none_takes_everything_and_leaves_no_trace(tmp_path: Path) -> None:
    with open_tracker(watch("none"), "r", {}, tmp_path) as tracker:
        tracker.log(ROW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tracker", ["tensorboard", "trackio", "wandb"])
def test_a_missing_package_is_named_with_what_to_install(
    tracker: Literal["trackio", "tensorboard", "wandb"], tmp_path: Path
) -> None:
    def load(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {tracker!r}", name=tracker)

    with pytest.raises(ConfigError, match=f"needs the package {tracker}; run pip install {tracker}, or set"):
        open_tracker(watch(tracker), "r", {}, tmp_path, load=load)


def test_tensorboard_begins_anew_at_the_first_row_and_writes_each_out(tmp_path: Path) -> None:
    made: list[Writer] = []

    def make(folder: str, *, purge_step: int) -> Writer:
        made.append(Writer(folder, purge_step=purge_step))
        return made[0]

    with open_tracker(
        watch("tensorboard"), "r", {"lr": 1}, tmp_path, load=lambda _: SimpleNamespace(SummaryWriter=make)
    ) as tracker:
        assert not made, "a run that is finished already leaves its events alone"
        tracker.log(ROW)
    assert made[0].told == [
        str(tmp_path / "tensorboard"), 3, ("config", 3), ("reward", 0.5, 3), ("seconds/all", 2.0, 3), "flush", "close",
    ]  # fmt: skip
    assert str(tmp_path.parent) in tracker.hint


def test_a_tracker_that_fails_is_told_of_once_and_asked_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer("", purge_step=0)

    def make(folder: str, *, purge_step: int) -> Writer:
        return writer

    tracker = open_tracker(watch("tensorboard"), "r", {}, tmp_path, load=lambda _: SimpleNamespace(SummaryWriter=make))
    with caplog.at_level(logging.WARNING), tracker:
        tracker.log(ROW)
        writer.fails_at = "reward"
        for _ in range(3):
            tracker.log(ROW)
        writer.fails_at = None
        tracker.log(ROW)
    assert [record.getMessage() for record in caplog.records] == [
        "the tracker tensorboard failed and is left out; the run's own record goes on: ZeroDivisionError('reward')"
    ]
    assert writer.told.count("flush") == 1
    assert "close" not in writer.told


@pytest.mark.parametrize("tracker", ["trackio", "wandb"])
def test_a_tracker_that_does_not_open_is_told_of_and_left_out(
    tracker: Literal["trackio", "wandb"], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library(error=OSError("disk"))
    environ = {"TRACKIO_DIR": str(tmp_path)}
    with (
        caplog.at_level(logging.WARNING),
        open_tracker(watch(tracker), "r", {}, tmp_path, load=library.load, environ=environ) as opened,
    ):
        opened.log(ROW)
    assert len(caplog.records) == 1
    assert len(library.told) == 1
    assert library.constants.HF_HUB_OFFLINE is False, "what was changed for it is as it was"


def test_trackio_is_opened_offline_and_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = Library()
    environ = {"TRACKIO_DIR": str(tmp_path)}
    with open_tracker(watch("trackio"), "r", {"lr": 1}, tmp_path, load=library.load, environ=environ) as tracker:
        tracker.log(ROW)
    settings, row, end = library.told
    assert settings == {
        "project": "p", "name": f"r-{(tmp_path / IDENTITY_FILE).read_text()}", "config": {"lr": 1}, "resume": "allow",
        "embed": False, "auto_log_gpu": False, "auto_log_cpu": False, "offline": True,
    }  # fmt: skip
    assert (row, end) == (({"reward": 0.5, "seconds/all": 2.0}, 3), "finish")
    assert library.constants.HF_HUB_OFFLINE is False
    assert tracker.hint == f"TRACKIO_DIR={tmp_path} trackio show --project p"
    assert capsys.readouterr().out == ""


def test_a_resumed_run_goes_on_under_its_identity_and_another_has_its_own(tmp_path: Path) -> None:
    library = Library()
    for folder in ("a", "a", "b"):
        (tmp_path / folder).mkdir(exist_ok=True)
        with open_tracker(watch("wandb"), "r", {}, tmp_path / folder, load=library.load) as tracker:
            tracker.log(ROW)
    opened = [cast("dict[str, Any]", told) for told in library.told if isinstance(told, dict)]
    first, again, other = (settings["id"] for settings in opened)
    assert first == again != other
    assert {settings["resume"] for settings in opened} == {"allow"}
    assert library.told.count("finish") == 3


def test_a_run_s_folder_that_is_not_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot write to"):
        open_tracker(watch("wandb"), "r", {}, tmp_path / "gone", load=Library().load)


SCRIPT = """
import os, sys, threading, time
from pathlib import Path
asked = []
events = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "webbrowser.open")
sys.addaudithook(lambda event, arguments: asked.append(event) if event in events else None)
from abruzzi.training.recipe import WatchSettings
from abruzzi.training.trackers import open_tracker
kind, folder, first, last, end = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
with open_tracker(WatchSettings(tracker=kind), "r", {"lr": 1}, folder) as tracker:
    for step in range(first, last):
        tracker.log({"kind": "step", "step": step, "reward": step / 10})
    if end == "kill":
        time.sleep(1.5)
        os.kill(os.getpid(), 9)
print(asked, [thread.name for thread in threading.enumerate()])
"""


def run_alone(kind: str, folder: Path, first: int, last: int, end: str = "") -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "ABRUZZI_HOME": str(folder.parent / "home"), "HF_TOKEN": "hf_nobody"}
    environ.pop("TRACKIO_DIR", None)
    command = [sys.executable, "-c", SCRIPT, kind, str(folder), str(first), str(last), end]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environ)


@pytest.mark.skipif(find_spec("trackio") is None, reason="needs trackio")
def test_the_real_trackio_asks_nobody_survives_a_kill_and_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert run_alone("trackio", run, 0, 3, "kill").returncode == -signal.SIGKILL
    done = run_alone("trackio", run, 3, 5)
    assert done.stdout == "[] ['MainThread']\n", "somebody logged in to the hub included: nobody was asked"
    (database,) = (tmp_path / "home" / "trackio").glob("*.db")
    connection = sqlite3.connect(database)
    rows = connection.execute("select run_name, step, metrics from metrics order by step").fetchall()
    connection.close()
    assert [step for _, step, _ in rows] == [0, 1, 2, 3, 4]
    assert len({name for name, _, _ in rows}) == 1
    assert b'"reward":0.4' in rows[-1][2]


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs tensorboard")
def test_the_real_tensorboard_asks_nobody_and_repeated_steps_take_the_place_of_lost_ones(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert run_alone("tensorboard", run, 0, 3, "kill").returncode == -signal.SIGKILL
    done = run_alone("tensorboard", run, 2, 5)
    assert done.stdout == "[] ['MainThread']\n"
    script = (
        "import sys; from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        "events = EventAccumulator(sys.argv[1]); events.Reload(); print([e.step for e in events.Scalars('reward')])"
    )
    command = [sys.executable, "-c", script, str(run / "tensorboard")]
    assert subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL) == "[0, 1, 2, 3, 4]\n"
