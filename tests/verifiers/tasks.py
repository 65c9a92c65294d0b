"""What the pool's tests let it run: well-behaved functions, and all the ways of not behaving."""

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def double(number: int) -> int:
    return 2 * number


def sleep_and_double(number: int) -> int:
    time.sleep(0.02 * (number % 3))
    return 2 * number


def call(pair: tuple[Callable[[Any], Any], Any]) -> object:
    function, argument = pair
    return function(argument)


def measure(text: str) -> int:
    return len(text)


def repeat(times: int) -> str:
    return "x" * times


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


def hang_in_c(_: object) -> None:
    str(10 ** (10**9))  # one long call: no signal handler of Python's gets a turn


def crash(_: object) -> None:
    ctypes.string_at(0)


def leave(code: int) -> None:
    os._exit(code)


def exit_politely(_: object) -> None:
    sys.exit(0)


def kill_self(signal: int) -> None:
    os.kill(os.getpid(), signal)


def fill_memory(_: object) -> int:
    return len(bytearray(64 << 30))


def fill_memory_slowly(_: object) -> None:
    blocks: list[bytes] = []
    while True:
        blocks.append(b"x" * (1 << 24))


def recurse(_: object) -> None:
    recurse(_)


def fail(message: str) -> None:
    raise ValueError(message)


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def fail_unprintably(_: object) -> None:
    raise UnprintableError


def give_lambda(_: object) -> Callable[[], int]:
    return lambda: 1


class Poisoned:
    """Unpickling one raises in whoever does it."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return fail, ("poison",)


def give_poison(_: object) -> Poisoned:
    return Poisoned()


def worker_id(_: object) -> int:
    return os.getpid()


_seen: list[int] = []


def crash_when_used(number: int) -> int:
    """Die if this worker has done anything before: what a leak of an earlier task looks like."""
    _seen.append(number)
    if len(_seen) > 1:
        os._exit(3)
    return number


def start_descendants(note: str) -> None:
    """Start a child, a child in a session of its own and an orphan, write down their ids, then hang."""
    child = subprocess.Popen(["sleep", "600"])
    loner = subprocess.Popen(["sleep", "600"], start_new_session=True)
    shell = "setsid sleep 600 >/dev/null 2>&1 & echo $!"
    orphan = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    partial = Path(f"{note}.partial")
    partial.write_text(f"{os.getpid()} {child.pid} {loner.pid} {orphan}")
    partial.rename(note)
    time.sleep(600)


def note_and_sleep(note: str) -> None:
    partial = Path(f"{note}.partial")
    partial.write_text(f"{os.getpid()} {os.getppid()}")
    partial.rename(note)
    time.sleep(600)


def leave_file_and_hang(note: str) -> None:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(b"left behind")
    Path(note).write_text(file.name)
    time.sleep(600)


def temporary_folder(_: object) -> str:
    return tempfile.gettempdir()


def refuse_to_prepare() -> None:
    raise ImportError("no module named 'sympathy'")
