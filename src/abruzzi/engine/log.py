"""The engine's log: a file that the child writes and errors quote."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from abruzzi.errors import EngineStartError


class EngineLog:
    """An open log file; a temporary one is gone after ``close``."""

    def __init__(self, path: Path | None) -> None:
        self._is_temporary = path is None
        self._start = 0
        try:
            if path is None:
                handle, name = tempfile.mkstemp(prefix="abruzzi-engine-", suffix=".log")
                self.path, self.file = Path(name), os.fdopen(handle, "ab")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.path, self.file = path, path.open("ab")
        except OSError as error:
            raise EngineStartError(f"cannot write the engine's log ({error}): choose another place for it") from error

    def mark(self) -> None:
        """Begin the account of a new child here."""
        self._start = os.fstat(self.file.fileno()).st_size

    def tail(self, max_lines: int) -> list[str]:
        """Return the last lines since the last mark."""
        with suppress(OSError), self.path.open("rb") as log:
            log.seek(self._start)
            return log.read().decode("utf-8", "replace").splitlines()[-max_lines:]
        return []

    def close(self) -> None:
        """Close the file; the child keeps its own handle."""
        self.file.close()
        if self._is_temporary:
            self.path.unlink(missing_ok=True)
