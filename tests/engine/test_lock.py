import subprocess
import sys
import threading
import time
from pathlib import Path

from abruzzi.engine.lock import locked

HOLD = "import sys, pathlib, time; from abruzzi.engine.lock import locked\n"


def test_another_process_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = f"{HOLD}with locked(pathlib.Path(sys.argv[1])): print('in', flush=True); time.sleep(0.4)"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "in\n"
        start = time.monotonic()
        with locked(path, poll_s=0.01):
            assert time.monotonic() - start > 0.2


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = f"{HOLD}with locked(pathlib.Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "in\n"
        child.kill()
        with locked(path, poll_s=0.01):
            pass


def test_threads_take_turns(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "lock", 0, 0

    def hold() -> None:
        nonlocal inside, most
        with locked(path, poll_s=0.005):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
