"""Which Python runs untrusted code, and which paths it needs to read.

By default the one that runs Abruzzi, with its installed packages: solutions that import NumPy find it where we have
it. Only its standard library, packages and shared libraries are opened to the sandbox, never a whole home folder.
"""

import json
import os
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from abruzzi.errors import SandboxError

MIN_VERSION = (3, 11)
_SYSTEM_PATHS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
_SYSTEM_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
_ASK = (
    "import json, os, sys, sysconfig as s; p = s.get_paths(); print(json.dumps([sys.version_info[:2],"
    " os.path.realpath(sys.executable), [p['stdlib'], p['platstdlib']], [p['purelib'], p['platlib']]]))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and what it reads."""

    executable: str
    """The real file, not a virtual environment's link to it."""
    readable: tuple[str, ...]
    packages: tuple[str, ...]
    """Folders of installed packages, for the end of the import path."""

    @property
    def is_public(self) -> bool:
        """True when any user of the machine can reach it, so that root's sandbox may give up being root first."""
        return all(_is_reachable(path) for path in (self.executable, *self.readable) if _exists(path))


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except PermissionError:
        return False


def _is_reachable(path: str) -> bool:
    real = Path(path).resolve()
    needed = stat.S_IXOTH | stat.S_IROTH if real.is_dir() else stat.S_IROTH
    return real.stat().st_mode & needed == needed and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in real.parents
    )


def _interpreter(executable: str, libraries: Iterable[str], packages: Iterable[str]) -> Interpreter:
    found = tuple(dict.fromkeys(path for path in packages if _exists(path)))
    near = (str(Path(executable).parent.parent / "lib"),)
    readable = (executable, *libraries, *found, *near, *_SYSTEM_PATHS)
    return Interpreter(executable, tuple(dict.fromkeys(path for path in readable if _exists(path))), found)


def own_interpreter() -> Interpreter:
    """Describe the Python that runs this."""
    paths = sysconfig.get_paths()
    return _interpreter(
        os.path.realpath(sys.executable),
        (paths["stdlib"], paths["platstdlib"]),
        (paths["purelib"], paths["platlib"]),
    )


def find_interpreter(python: str | None, *, must_be_public: bool) -> Interpreter:
    """Find the Python to use.

    Args:
        python: path of the one asked for; None takes our own, or else the system's.
        must_be_public: only one that every user can reach will do.

    Raises:
        SandboxError: it does not answer, is too old, or cannot be reached.
    """
    own = own_interpreter()
    if python is None and _exists(own.executable) and (own.is_public or not must_be_public):
        return own
    tried: list[str] = []
    for candidate in (python,) if python else _SYSTEM_PYTHONS:
        answer = (
            subprocess.run(  # noqa: S603 - a path that the user or this file names
                [candidate, "-I", "-c", _ASK], capture_output=True, text=True, check=False
            )
            if _exists(candidate)
            else None
        )
        if answer is None or answer.returncode:
            tried.append(f"{candidate}: does not answer")
            continue
        version, executable, libraries, packages = json.loads(answer.stdout)
        found = _interpreter(executable, libraries, packages)
        if tuple(version) < MIN_VERSION:
            tried.append(f"{candidate}: Python {version[0]}.{version[1]}, and 3.11 or later is needed")
        elif must_be_public and not found.is_public:
            tried.append(f"{candidate}: only its owner can reach it")
        else:
            return found
    hint = ""
    if must_be_public:
        hint = "; root without bubblewrap needs one that every user can reach, as under /usr: or run as another user"
    raise SandboxError(f"no Python for the sandbox ({'; '.join(tried)}){hint}")
