"""The log: whole JSON lines, no content unless it is wanted, libraries included."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from abruzzi.serving.logs import Log, take_over

NOON = 1_800_000_000.25


class Lines:
    """A log into memory."""

    def __init__(self, *, has_content: bool = False) -> None:
        self.stream = io.StringIO()
        self.log = Log(self.stream, now=lambda: NOON, has_content=has_content)

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """A log that has taken over what libraries say, until the test ends."""
    kept = Lines()
    names = (None, "uvicorn", "uvicorn.access")
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.handlers, logger.level, logger.propagate, logger.disabled) for logger in loggers]
    take_over(kept.log)
    yield kept
    for logger, handlers, level, propagate, disabled in before:
        logger.handlers, logger.propagate, logger.disabled = handlers, propagate, disabled
        logger.setLevel(level)


def test_a_line_says_what_happened_and_when() -> None:
    lines = Lines()
    lines.log.write("request", id="chatcmpl-1", key="ann", status=200, code=None, seconds=1.5)
    assert lines.stream.getvalue() == (
        '{"time": "2027-01-15T08:00:00.250Z", "event": "request", "id": "chatcmpl-1", "key": "ann", '
        '"status": 200, "seconds": 1.5}\n'
    )


def test_content_is_dropped_unless_it_is_wanted() -> None:
    content = {"question": "what is the secret?"}
    quiet, open_ = Lines(), Lines(has_content=True)
    for lines in (quiet, open_):
        lines.log.write("request", content=content, id="1")
    assert "secret" not in quiet.stream.getvalue()
    assert open_.read()[0]["question"] == "what is the secret?"


@pytest.mark.parametrize("text", ['a\n{"event": "forged"}', "a\r\nb", "\x1b[31mred", "\u2028", "\x00", "\ud800"])
def test_nobody_forges_a_line_or_paints_the_terminal(text: str) -> None:
    lines = Lines()
    lines.log.write("request", path=text)
    written = lines.stream.getvalue()
    assert written.count("\n") == 1
    assert written.isascii()
    assert all(char.isprintable() for char in written[:-1])
    assert lines.read()[0]["path"] == text


def test_what_is_not_json_is_written_as_text() -> None:
    lines = Lines()
    lines.log.write("x", what={1, 2} - {1}, where=io)
    assert lines.read()[0]["what"] == "{2}"


def test_libraries_speak_through_the_log(lines: Lines) -> None:
    logging.getLogger("httpx2").info("HTTP Request: not wanted")
    logging.getLogger("some.library").warning("odd: %s", "thing")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.access").info("GET / 200")
    assert [(row["logger"], row["level"], row["message"]) for row in lines.read()] == [
        ("some.library", "warning", "odd: thing"),
        ("uvicorn.error", "info", "Started server process"),
    ]


def test_an_exception_is_told_by_type_and_place_and_not_by_its_message(lines: Lines) -> None:
    try:
        raise ValueError("what is the secret?")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    (row,) = lines.read()
    assert (row["level"], row["error"], row["message"]) == ("error", "ValueError", "Exception in ASGI application")
    assert "test_logs.py" in row["trace"][-1]
    assert "secret" not in lines.stream.getvalue()


def test_a_long_message_is_cut(lines: Lines) -> None:
    logging.getLogger("some.library").warning("x" * 10_000)
    assert len(lines.read()[0]["message"]) == 2_000
