"""Runs on disk: one folder a run, one line a thing that happened, written the moment it happens.

A run is ``<runs>/<id>/events.jsonl``. Each line is flushed to the operating system as it is written, so that a killed
process leaves every finished line; the last line of a killed run may be cut, and reading leaves a cut line out.
What the lines mean is their writer's business.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from abruzzi.errors import DataError, RecordError

EVENTS_FILE = "events.jsonl"


def runs_folder(environ: Mapping[str, str]) -> Path:
    """Where runs are kept: ``$ABRUZZI_HOME/runs``, or the user's data folder."""
    home = environ.get("ABRUZZI_HOME")
    if home:
        return Path(home) / "runs"
    from platformdirs import user_data_path

    return user_data_path("abruzzi") / "runs"


def new_run_id() -> str:
    """Make an id that sorts by time: ``20261123-194512-3f9a``."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)


class RunWriter:
    """Appends rows to a run's record; use it as a context manager.

    A run is new unless ``is_new`` is False, which goes on with one that was cut off.

    Raises:
        RecordError: the folder or a line cannot be written; what was written before stays.
    """

    def __init__(self, runs: Path, run_id: str, *, is_new: bool = True) -> None:
        self.folder = runs / run_id
        self.run_id = run_id
        try:
            self.folder.mkdir(parents=True, exist_ok=not is_new)
            self._file = (self.folder / EVENTS_FILE).open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise RecordError(
                f"cannot record the run in {self.folder}: {error.strerror}; set ABRUZZI_HOME to a folder that can be "
                "written, or pass --no-record"
            ) from error

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row and flush it."""
        try:
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise RecordError(f"cannot write to {self.folder / EVENTS_FILE}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; a full disk was reported by ``write`` already and is not reported twice."""
        with contextlib.suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_run(runs: Path, run_id: str) -> Path:
    """Find a run by its id, by a unique beginning or end of it, by its folder, or as ``last``.

    Raises:
        DataError: no run, or more than one, bears that name.
    """
    if (Path(run_id) / EVENTS_FILE).is_file():
        return Path(run_id)
    known = sorted(p.name for p in runs.iterdir() if (p / EVENTS_FILE).is_file()) if runs.is_dir() else []
    if not known:
        raise DataError(f"no runs in {runs}; ask something first")
    if run_id == "last":
        return runs / known[-1]
    matches = [name for name in known if run_id and (name.startswith(run_id) or name.endswith(run_id))]
    if len(matches) == 1:
        return runs / matches[0]
    if matches:
        raise DataError(f"{run_id!r} fits {len(matches)} runs: {', '.join(matches[:5])}; write more of it")
    raise DataError(f"no run {run_id!r} in {runs}; the latest are {', '.join(known[-3:])}")


def read_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Read a run's rows in order, a last line that was cut off left out.

    Raises:
        RecordError: the file cannot be read, or a line before the last is broken.
    """
    path = folder / EVENTS_FILE
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise RecordError(f"{path}, line {number} is not JSON: {line[:80]!r}") from error
