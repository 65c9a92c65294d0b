"""How far a long piece of work is: a bar with ETA on a terminal, a line now and then elsewhere. Writes to stderr."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

TELL_EVERY_S = 30.0
"""How often a line is written where there is no terminal."""


class Gauge:
    """Shows steps one after another, each with its own count."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._name = ""
        self._task: TaskID | None = None
        self._began = self._told = time.monotonic()
        self._done_at_start = 0

    def show(self, name: str, done: int, total: int, note: str = "") -> None:
        """Show where a step is.

        Args:
            name: of the step; another name ends the step before.
            done: how many things are done, earlier runs' included.
            total: how many there are.
            note: what else is known, e.g. the running score.
        """
        is_new = name != self._name
        if is_new:
            self._name, self._began, self._done_at_start = name, time.monotonic(), done
        if self._bar is not None:
            if is_new or self._task is None:
                self._task = self._bar.add_task(name, total=total, note="")
            self._bar.update(self._task, completed=done, note=note)
        elif is_new or done == total or time.monotonic() - self._told >= TELL_EVERY_S:
            self._told = time.monotonic()
            parts = [f"{name}: {done} of {total}", self._estimate(done, total), note]
            print(", ".join(part for part in parts if part), file=sys.stderr, flush=True)

    def _estimate(self, done: int, total: int) -> str:
        made = done - self._done_at_start
        if not made or done == total:
            return ""
        left_s = (time.monotonic() - self._began) / made * (total - done)
        return f"{left_s / 60:.0f} min left"


@contextmanager
def open_gauge() -> Generator[Gauge]:
    """Open a gauge on stderr."""
    if not sys.stderr.isatty():
        yield Gauge(None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield Gauge(bar)
