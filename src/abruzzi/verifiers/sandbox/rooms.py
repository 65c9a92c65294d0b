"""Sandboxes of this process, kept warm and lent out one caller at a time.

Each use has rooms of its own, because a cell begins as a copy of its spawner: the one that forks solutions must never
have seen a test. Where cells cannot be kept from one another (no Landlock, or a machine without a filter), a sandbox
serves one solution and is thrown away.
"""

import atexit
import os
import sys
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from abruzzi.errors import SandboxError
from abruzzi.verifiers.sandbox.probe import open_sandbox, probe
from abruzzi.verifiers.sandbox.sandbox import Sandbox
from abruzzi.verifiers.sandbox.walls import WallName

_HOW_TO_GET_ONE = (
    "install bubblewrap (Debian and Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap), or use Linux "
    "5.13 or later with Landlock on x86-64 or arm64, or trust the code and allow it to run unsafely (--unsafe)"
)


@dataclass(slots=True)
class _Rooms:
    """All the state there is, so that a forked process can drop it at once."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    idle: dict[str, list[Sandbox]] = field(default_factory=dict[str, list[Sandbox]])
    lent: list[Sandbox] = field(default_factory=list[Sandbox])
    wall: WallName | None = None
    is_unsafe: bool = False
    python: str | None = None


_rooms = _Rooms()


def configure(*, unsafe: bool = False, python: str | None = None, wall: WallName | None = None) -> None:
    """Set how this process, and those forked from it later, sandbox code; ends the sandboxes that there are.

    Args:
        unsafe: where no sandbox holds, run untrusted code with resource limits only, with a warning.
        python: path of the interpreter for the code; None takes our own, or else the system's.
        wall: use this kind, if it holds; None takes the strongest that does.
    """
    close_all()
    _rooms.is_unsafe, _rooms.python, _rooms.wall = unsafe, python, None
    if wall is not None:
        _rooms.wall = _settle((wall,))


def find_wall() -> WallName:
    """Find the strongest kind of sandbox that holds on this machine; tried once, then remembered.

    Raises:
        SandboxError: none holds, and running without was not allowed.
    """
    with _rooms.lock:
        if _rooms.wall is None:
            _rooms.wall = _settle((WallName.BUBBLEWRAP, WallName.LANDLOCK))
        return _rooms.wall


def _settle(walls: tuple[WallName, ...]) -> WallName:
    if sys.platform != "linux":
        raise SandboxError(f"untrusted code is run on Linux only (WSL included), and this is {sys.platform}")
    reasons: list[str] = []
    for wall in walls:
        reason = "is no wall" if wall is WallName.NONE else probe(wall, _rooms.python)
        if not reason:
            return wall
        reasons.append(f"{wall}: {reason}")
    message = "no sandbox for untrusted code on this machine (" + "; ".join(reasons) + ")"
    if not _rooms.is_unsafe:
        raise SandboxError(f"{message}: {_HOW_TO_GET_ONE}")
    warnings.warn(f"{message}; running it UNSAFELY, as asked: it can read and change your files", RuntimeWarning, 3)
    return WallName.NONE


@contextmanager
def lend(room: str) -> Generator[Sandbox]:
    """Lend a sandbox for one solution.

    Args:
        room: what it is used for; sandboxes of different rooms are never mixed.

    Raises:
        SandboxError: there is no sandbox on this machine, or it does not come up.
    """
    wall = find_wall()
    with _rooms.lock:
        idle = _rooms.idle.setdefault(room, [])
        sandbox = idle.pop() if idle else None
    if sandbox is not None and not sandbox.is_alive:
        sandbox.close()
        sandbox = None
    sandbox = sandbox or open_sandbox(wall, _rooms.python)
    with _rooms.lock:
        _rooms.lent.append(sandbox)
    try:
        yield sandbox
    except BaseException:
        sandbox.is_broken = True  # a cell may still be running in it
        raise
    finally:
        is_kept = sandbox.is_reusable and not sandbox.is_broken
        with _rooms.lock:
            if sandbox in _rooms.lent:
                _rooms.lent.remove(sandbox)
                if is_kept:
                    _rooms.idle[room].append(sandbox)
        if not is_kept:
            sandbox.close()


def close_all() -> None:
    """End every idle sandbox of this process."""
    with _rooms.lock:
        sandboxes = [sandbox for idle in _rooms.idle.values() for sandbox in idle]
        _rooms.idle.clear()
    for sandbox in sandboxes:
        sandbox.close()


def _forget() -> None:
    """Let go, in a forked process, of the sandboxes that belong to the parent."""
    for sandbox in [*_rooms.lent, *(sandbox for idle in _rooms.idle.values() for sandbox in idle)]:
        sandbox.disown()
    _rooms.lock = threading.Lock()
    _rooms.idle = {}
    _rooms.lent = []


atexit.register(close_all)
os.register_at_fork(after_in_child=_forget)
