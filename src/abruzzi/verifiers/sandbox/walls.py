"""The outer wall of a sandbox: how its first process is started, and with which reach.

- ``bubblewrap``: a file system that holds the interpreter and one memory-backed folder, and namespaces without
  network or other processes. Inside it each cell still puts on Landlock and seccomp where the kernel has them.
- ``landlock``: no wall of its own; the cells' Landlock and seccomp do it all. Needs neither root, nor namespaces, nor
  a package beside the kernel, so it works in most containers too.
- ``none``: whatever of this the kernel gives, and resource limits. Only where the user said so (``unsafe``).
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from abruzzi.errors import SandboxError
from abruzzi.verifiers.sandbox.interpreter import Interpreter

CELL_FOLDER = "/box"
PROCESS_TITLE = "abruzzi-sandbox"
"""In the command line of each process of a sandbox, followed by the host's process id."""
_PYTHON_OPTIONS = ("-S", "-s", "-P", "-B", "-X", "utf8")
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",  # the order of sets must not change a verdict
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",  # otherwise each thread reserves 64 MiB of the address space that is limited
}


class WallName(StrEnum):
    """Kinds of outer wall, the strongest first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Start:
    """How to start the first process of a sandbox."""

    command: list[str]
    environment: dict[str, str]
    folder: str | None
    """Where cells will work; None lets the first process make one."""


def start_behind(wall: WallName, interpreter: Interpreter, boot: str, *, disk_bytes: int) -> Start:
    """Write the command that starts Python behind a wall.

    Args:
        wall: which.
        interpreter: which Python.
        boot: source for its ``-c``.
        disk_bytes: size of the memory-backed folder, where the wall has one.

    Raises:
        SandboxError: the wall's program is not installed.
    """
    python = [interpreter.executable, *_PYTHON_OPTIONS, "-c", boot, PROCESS_TITLE, str(os.getpid())]
    if wall is not WallName.BUBBLEWRAP:
        return Start(python, {**_ENVIRONMENT, "TMPDIR": tempfile.gettempdir()}, None)
    is_root = os.getuid() == 0
    # Root needs no user namespace, and with one it would stay root to the kernel, which exempts it from the limit on
    # processes. So it keeps just what lets the first process become an unprivileged user.
    identity = (
        ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if is_root else ["--unshare-user"]
    )
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError("the program bwrap is not installed")
    command = [program, *identity]
    command += ["--unshare-ipc", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    command += ["--unshare-pid", "--as-pid-1"]  # the spawner as the first process: when it ends the kernel ends all
    parents = {parent for path in interpreter.readable for parent in Path(path).parents if parent != Path("/")}
    for parent in sorted(parents):  # made by hand, as those that bubblewrap makes are its own user's only
        command += ["--perms", "0755", "--dir", str(parent)]
    for path in interpreter.readable:
        command += ["--ro-bind", path, path]
    command += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    command += ["--perms", "1777", "--size", str(disk_bytes), "--tmpfs", CELL_FOLDER]
    command += ["--remount-ro", "/", "--chdir", CELL_FOLDER, "--", *python]
    return Start(command, dict(_ENVIRONMENT), CELL_FOLDER)
