"""Records on disk: JSON Lines, a line a thing that happened, written the moment it happens.

Each line is flushed to the operating system as it is written, so that a killed process leaves every finished line; the
last line of a killed process may be cut: reading leaves it out, and whoever goes on writing takes it away first. A run
is a folder, ``<runs>/<id>/events.jsonl``. What the lines mean is their writer's business.
"""

import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from abruzzi.errors import DataError, RecordError

EVENTS_FILE = "events.jsonl"
_BLOCK_BYTES = 1 << 16


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


class LineWriter:
    """Appends rows to a file, alone and in whole lines; use it as a context manager.

    Opening takes a cut last line away, and the file for itself until it is closed or its process ends.

    Args:
        path: the file; made when it is not there.
        is_durable: have each row on the disk itself before ``write`` returns, so that it outlives a power cut too.

    Raises:
        RecordError: the file cannot be opened or written, or another process is writing to it.
    """

    def __init__(self, path: Path, *, is_durable: bool = False) -> None:
        self._path = path
        self._is_durable = is_durable
        with contextlib.ExitStack() as undo:
            try:
                self._file = undo.enter_context(path.open("ab+", buffering=0))
                _lock(self._file)
                _drop_cut_line(self._file)
            except BlockingIOError as error:
                raise RecordError(f"{path} is being written by another process; wait for it, or end it") from error
            except OSError as error:
                raise RecordError(f"cannot write to {path}: {error.strerror}") from error
            undo.pop_all()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; a row that does not fit on the disk is taken back whole."""
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", errors="backslashreplace") + b"\n"
        end = self._file.seek(0, os.SEEK_END)
        try:
            while line:
                line = line[self._file.write(line) :]
            if self._is_durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            raise RecordError(f"cannot write to {self._path}: {error.strerror}") from error

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


class WholeLines:
    """Writes rows to a file that takes its name when it is whole, or not at all; use it as a context manager.

    Args:
        path: the file; the one that bears its name stays until the new one is whole.
        what: what the file holds, for the error's sentence.

    Raises:
        RecordError: the file cannot be written.
    """

    def __init__(self, path: Path, what: str = "") -> None:
        self.num_rows = 0
        self._path = path
        self._what = f"{what} " if what else ""
        self._part = path.with_name(path.name + ".part")
        with self._naming_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("w", encoding="utf-8", errors="backslashreplace")

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        with self._naming_errors():
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.num_rows += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._naming_errors() if kind is None else contextlib.suppress(OSError):
                self._file.close()
                if kind is None:
                    self._part.replace(self._path)
        finally:
            with contextlib.suppress(OSError):  # nothing is left of a file that did not become whole
                self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _naming_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise RecordError(f"cannot write {self._what}{self._path}: {error.strerror or error}") from error


def _lock(file: FileIO) -> None:
    """Take the file for this process alone, where the platform has such locks."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _drop_cut_line(file: FileIO) -> None:
    """Cut the file after its last whole line, if something follows that."""
    end = whole = file.seek(0, os.SEEK_END)
    while whole:
        start = max(0, whole - _BLOCK_BYTES)
        file.seek(start)
        newline = file.read(whole - start).rfind(b"\n")
        whole = start if newline < 0 else start + newline + 1
        if newline >= 0:
            break
    if whole < end:
        file.truncate(whole)


class RunWriter(LineWriter):
    """Appends rows to a run's record.

    A run is new unless ``is_new`` is False, which goes on with one that was cut off.

    Raises:
        RecordError: the folder or a line cannot be written; what was written before stays.
    """

    def __init__(self, runs: Path, run_id: str, *, is_new: bool = True) -> None:
        self.folder = runs / run_id
        self.run_id = run_id
        try:
            self.folder.mkdir(parents=True, exist_ok=not is_new)
            super().__init__(self.folder / EVENTS_FILE)
        except OSError as error:
            raise RecordError(
                f"cannot record the run in {self.folder}: {error.strerror or error}; set ABRUZZI_HOME to a folder that "
                "can be written, or pass --no-record"
            ) from error


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
    yield from read_lines(folder / EVENTS_FILE)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a file in order; a last line without its line break was cut off and is left out.

    Raises:
        RecordError: the file cannot be read, or a line is broken.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith("\n"):
                    return
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise RecordError(f"{path}, line {number} is not JSON: {line[:80]!r}") from error
    except RecordError:
        raise
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
