"""The server's log: one JSON object a line on stderr, for every request and for what is noteworthy.

    {"time": "2026-11-29T17:20:00.123Z", "event": "request", "id": "chatcmpl-…", "key": "ann", "status": 200, …}

Questions and answers are left out unless ``log_content`` is set: what may hold them goes through ``content``, which
drops it otherwise. Keys never come here, because nothing that is logged knows them. JSON escapes line breaks and
control characters, so nobody who chooses a string can forge a line or paint the terminal.

What libraries log through ``logging`` comes out in the same form, warnings and worse, and uvicorn's own news.
"""

import json
import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

MAX_TEXT_CHARS = 2_000
"""Of a library's message; a line is for a person to read and a collector to take."""


class Log:
    """Writes lines.

    Args:
        stream: where to.
        now: Unix time, seconds.
        has_content: write questions and answers too.
    """

    def __init__(self, stream: TextIO, *, now: Callable[[], float], has_content: bool = False) -> None:
        self._stream = stream
        self._now = now
        self._has_content = has_content

    def write(self, event: str, *, content: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Write a line.

        Args:
            event: what happened, in a word or two: ``request``, ``keys_reloaded``, …
            content: fields that may hold what was asked or answered; dropped unless the log is to have them.
            fields: what else there is to say, none of it anybody's content; those that are None are left out.
        """
        time = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        row = {"time": time, "event": event}
        row |= {key: value for key, value in fields.items() if value is not None}
        if content is not None and self._has_content:
            row |= content
        # One write a line: threads that log at once do not mix theirs.
        self._stream.write(json.dumps(row, default=str) + "\n")
        self._stream.flush()

    def write_record(self, record: logging.LogRecord) -> None:
        """Write a record of the standard library's logging.

        Of an exception stand its type and where it came from; its message may quote what was asked.
        """
        error = record.exc_info[1] if record.exc_info else None
        message = record.getMessage()[:MAX_TEXT_CHARS]
        self.write(
            "log",
            level=record.levelname.lower(),
            logger=record.name,
            message=message,
            error=None if error is None else type(error).__name__,
            trace=None if error is None else _find_places(error),
            content=None if error is None else {"error_message": str(error)},
        )


class LogHandler(logging.Handler):
    """Passes what libraries log to ``Log``."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._log.write_record(record)


def take_over(log: Log) -> None:
    """Send everything that libraries log to ``log``, once for the whole process.

    uvicorn tells of its start and end at level info, and is heard; its line for each request is ours to write. To be
    called with ``uvicorn.Config(log_config=None)``.
    """
    handler = LogHandler(log)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    news = LogHandler(log)
    news.setLevel(logging.INFO)
    uvicorn = logging.getLogger("uvicorn")
    uvicorn.handlers, uvicorn.propagate = [news], False
    uvicorn.setLevel(logging.INFO)
    logging.getLogger("uvicorn.access").disabled = True


def _find_places(error: BaseException) -> list[str]:
    """Say through which lines of code an exception came, the place it was raised last."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
