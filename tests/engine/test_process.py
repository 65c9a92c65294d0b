import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from abruzzi.engine import loopback
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.errors import ConfigError, EngineError, EngineStartError, UnreachableError, WeightsError
from tests.engine.tiny import model_file

FAKE = str(Path(__file__).with_name("fake_worker.py"))


def fake(folder: Path, *behaviours: str, **changes: Any) -> Engine:
    """An engine whose child is the fake worker."""
    command = (sys.executable, FAKE, str(folder), *(behaviours or ("serve",)))
    return Engine(EngineSettings(model=model_file(folder), command=command, **changes))


def starts(folder: Path) -> list[dict[str, Any]]:
    path = folder / "starts"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ask(engine: Engine, path: str = "/props", *, timeout_s: float = 5.0) -> int:
    return loopback.get(engine.base_url, path, api_key=engine.api_key, timeout_s=timeout_s).status


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition: Callable[[], bool], *, limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def answers(engine: Engine) -> bool:
    try:
        return ask(engine) == 200
    except UnreachableError:
        return False


def test_it_serves_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with fake(tmp_path, context_tokens=256) as engine:
        pid = engine.pid
        assert ask(engine) == 200
        assert loopback.get(engine.base_url, "/props", api_key="wrong", timeout_s=5).status == 401
        assert (engine.model, engine.max_context, engine.num_restarts) == ("embedded", 256, 0)
        assert pid is not None
        assert is_alive(pid)
    assert not is_alive(pid)
    assert engine.pid is None
    assert engine.failure is None
    with pytest.raises(UnreachableError):
        ask(engine)


def test_the_context_is_never_longer_than_the_models(tmp_path: Path) -> None:
    with fake(tmp_path, context_tokens=100_000) as engine:
        assert engine.max_context == 512


def test_a_crash_is_restarted_on_the_same_port_with_the_same_key(tmp_path: Path) -> None:
    with fake(tmp_path) as engine:
        before = (engine.base_url, engine.api_key)
        with pytest.raises(UnreachableError):
            ask(engine, "/crash")
        eventually(lambda: answers(engine))
        assert (engine.base_url, engine.api_key) == before
        assert engine.num_restarts == 1
    first, second = starts(tmp_path)
    assert first["key"] == second["key"]
    assert (first["port"], f":{second['port']}/v1" in engine.base_url) == (0, True)


def test_it_is_restarted_three_times_and_then_stays_down(tmp_path: Path) -> None:
    with fake(tmp_path, "serve", "leave:out of cheese") as engine:
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        eventually(lambda: engine.failure is not None)
        assert engine.num_restarts == 3
        assert len(starts(tmp_path)) == 4
        assert str(engine.failure).startswith("the engine is down after 3 restarts within 60 s")
        assert "out of cheese" in str(engine.failure)
        assert "\n" not in str(engine.failure)


def test_restarts_of_long_ago_are_forgiven(tmp_path: Path) -> None:
    with fake(tmp_path, max_restarts=1, restart_window_s=0.2) as engine:
        for number in (1, 2, 3):
            time.sleep(0.2)
            with pytest.raises(UnreachableError):
                ask(engine, "/crash")
            eventually(lambda: answers(engine))
            assert engine.num_restarts == number
        assert engine.failure is None


def test_a_hung_engine_is_killed_and_restarted(tmp_path: Path) -> None:
    with fake(tmp_path, health_interval_s=0.05, hang_timeout_s=0.2) as engine:
        hung = engine.pid
        with pytest.raises(UnreachableError):
            ask(engine, "/hang", timeout_s=0.05)
        eventually(lambda: engine.num_restarts == 1 and answers(engine))
        assert hung is not None
        assert not is_alive(hung)


def test_stopping_a_hung_engine_kills_it_in_time(tmp_path: Path) -> None:
    engine = fake(tmp_path, stop_timeout_s=0.2)
    engine.start()
    hung = engine.pid
    with pytest.raises(UnreachableError):
        ask(engine, "/hang", timeout_s=0.05)
    start = time.monotonic()
    engine.stop()
    assert time.monotonic() - start < 2
    assert hung is not None
    assert not is_alive(hung)


def test_stopping_between_two_starts_does_not_start_it_again(tmp_path: Path) -> None:
    engine = fake(tmp_path, "serve", "leave", max_restarts=9)
    engine.start()
    with pytest.raises(UnreachableError):
        ask(engine, "/crash")
    eventually(lambda: engine.num_restarts >= 2)
    engine.stop()
    number = len(starts(tmp_path))
    time.sleep(0.2)
    assert len(starts(tmp_path)) == number
    engine.stop()


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (
            "leave:no such magic",
            r"could not load .*tiny\.gguf: it left \(exit status 3\); its last words: no such magic",
        ),
        ("killed", "not enough memory for tiny.gguf with 3 slots of 4096 tokens: take fewer slots"),
        ("killed:SIGILL", "this processor lacks an instruction that xllamacpp was built with"),
        ("error:bind", "port 0 on 127.0.0.1 is taken"),
        ("error:0.1 E ggml: failed to allocate buffer of size 9", "not enough memory"),
        ("error:0.1 E load: unknown model architecture\n0.2 E init: exiting", r"tiny\.gguf: load: unknown model archi"),
        ("mumble:hello", "it said 'hello', which is no reply"),
        ("mumble:[1]", r"it said '\[1\]', which is no reply"),
        ("odd", "does not answer as llama.cpp does"),
    ],
)
def test_a_failed_start_is_one_clear_line(tmp_path: Path, behaviour: str, message: str) -> None:
    engine = fake(tmp_path, behaviour, stop_timeout_s=1)
    with pytest.raises(EngineStartError, match=message) as caught:
        engine.start()
    assert "\n" not in str(caught.value)
    assert not is_alive(starts(tmp_path)[0]["pid"])
    assert len(starts(tmp_path)) == 1, "a start that fails is not tried again"


@pytest.mark.parametrize("behaviour", ["silent", "deaf"])
def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path, behaviour: str) -> None:
    engine = fake(tmp_path, behaviour, start_timeout_s=0.5, stop_timeout_s=0.2)
    with pytest.raises(EngineStartError, match=r"did not start within 0\.5 s"):
        engine.start()
    eventually(lambda: not any(is_alive(start["pid"]) for start in starts(tmp_path)))


def test_a_start_can_be_stopped_from_another_thread(tmp_path: Path) -> None:
    engine = fake(tmp_path, "silent")
    threading.Timer(0.3, engine.stop).start()
    with pytest.raises(EngineStartError, match="was stopped while it started"):
        engine.start()


def test_a_command_that_cannot_run_is_one_clear_line(tmp_path: Path) -> None:
    engine = Engine(EngineSettings(model=model_file(tmp_path), command=("/no/such/program",)))
    with pytest.raises(EngineStartError, match="cannot run '/no/such/program'"):
        engine.start()


def test_a_log_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineStartError, match="cannot write the engine's log"):
        fake(tmp_path, log_path=tmp_path / "file" / "log").start()


def test_the_log_is_kept_where_it_was_asked_for(tmp_path: Path) -> None:
    engine = fake(tmp_path, "leave:hello log", log_path=tmp_path / "logs/engine.log")
    with pytest.raises(EngineStartError):
        engine.start()
    assert (tmp_path / "logs/engine.log").read_text() == "hello log\n"


def test_models_and_adapters_are_not_mixed_up(tmp_path: Path) -> None:
    model, adapter = model_file(tmp_path), model_file(tmp_path, "adapter.gguf", is_adapter=True)
    with pytest.raises(WeightsError, match="is a LoRA adapter, not a model"):
        Engine(EngineSettings(model=adapter)).start()
    with pytest.raises(WeightsError, match="is not a LoRA adapter"):
        Engine(EngineSettings(model=model, adapters=(Adapter("tuned", model),))).start()
    with fake(tmp_path, adapters=(Adapter("a", adapter), Adapter("b", adapter))) as engine:
        assert engine.adapter_ids == {"a": 0, "b": 1}


@pytest.mark.parametrize("name", ["slots", "context_tokens", "threads", "batch_tokens"])
def test_impossible_settings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"the engine's {name} is 0"):
        fake(tmp_path, **{name: 0})


def test_it_starts_once(tmp_path: Path) -> None:
    with fake(tmp_path) as engine, pytest.raises(EngineError, match="starts once"):
        engine.start()
    with pytest.raises(EngineError, match="has not been started"):
        _ = fake(tmp_path).base_url


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    engine = fake(tmp_path)

    async def start_and_stop() -> None:
        thread = threading.Thread(target=engine.start)
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        await anyio.sleep(0.2)
        assert await anyio.to_thread.run_sync(ask, engine) == 200
        await anyio.to_thread.run_sync(engine.stop)

    anyio.run(start_and_stop)
    assert engine.num_restarts == 0


PARENT = """
import os, sys, time
from pathlib import Path
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
model, *command = sys.argv[1:]
settings = {"command": tuple(command)} if command else {}
engine = Engine(EngineSettings(model=Path(model), slots=1, context_tokens=256, **settings))
engine.start()
if not command and os.fork() == 0:  # a process that holds the engine's stdin open
    time.sleep(3)
    os._exit(0)
print(engine.pid, flush=True)
time.sleep(60)
"""


def kill_parent(*arguments: str) -> int:
    """Start a process with an engine, kill it, and return its child's id."""
    with subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
        parent.wait()
        return child


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes through /proc")
def test_a_killed_parent_leaves_no_child_by_the_end_of_its_pipe(tmp_path: Path) -> None:
    child = kill_parent(str(model_file(tmp_path)), sys.executable, FAKE, str(tmp_path), "serve")
    eventually(lambda: not is_alive(child))


@pytest.mark.engine
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's service is Linux's")
def test_a_killed_parent_leaves_no_engine_even_if_the_pipe_stays_open(engine: Engine) -> None:
    child = kill_parent(str(engine.settings.model))
    eventually(lambda: not is_alive(child), limit_s=2)
