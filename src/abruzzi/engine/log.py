"""The engine's log: a file that the child writes and errors quote."""

import os
import tempfile
import threading
from pathlib import Path

from abruzzi.errors import EngineStartError


class EngineLog:
    """An open log file; without a path it is a temporary one, which is gone when its last user is.

    It is opened for appending, so that the child writes at its end wherever we have just been reading: parent and
    child share one position in the file.
    """

    def __init__(self, path: Path | None) -> None:
        self._start = 0
        self._reading = threading.Lock()
        self._left_over: Path | None = None
        try:
            if path is None:
                handle, name = tempfile.mkstemp(prefix="abruzzi-engine-", suffix=".log")
                os.close(handle)
                path = self._left_over = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("a+b")
        except OSError as error:
            raise EngineStartError(f"cannot write the engine's log ({error}): choose another place for it") from error
        if os.name == "posix":  # elsewhere an open file cannot be removed
            self._remove()

    def mark(self) -> None:
        """Begin the account of a new child here."""
        self._start = os.fstat(self.file.fileno()).st_size

    def tail(self, max_lines: int) -> list[str]:
        """Return the last lines since the last mark; none once the log is closed."""
        with self._reading:
            if self.file.closed:
                return []
            self.file.seek(self._start)
            return self.file.read().decode("utf-8", "replace").splitlines()[-max_lines:]

    def close(self) -> None:
        """Close the file; the child keeps its own handle."""
        with self._reading:
            self.file.close()
        self._remove()

    def _remove(self) -> None:
        if self._left_over is not None:
            self._left_over.unlink(missing_ok=True)
