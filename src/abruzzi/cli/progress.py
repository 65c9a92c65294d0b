"""A progress bar for downloads: on stderr, and only once there is something to download."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

MIB = 1 << 20


@contextmanager
def download_bar(what: str) -> Generator[Callable[[int, int], None]]:
    """Show a download.

    Args:
        what: is being downloaded.

    Yields:
        A function told of bytes done and bytes in all (0: not known).
    """
    if not sys.stderr.isatty():
        yield _Announcer(what)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(f"fetching {what}", total=None)
    is_started = False

    def show(done: int, total: int) -> None:
        nonlocal is_started
        if not is_started:
            bar.start()
            is_started = True
        bar.update(task, completed=done, total=total or None)

    try:
        yield show
    finally:
        if is_started:
            bar.stop()


class _Announcer:
    """Says once, in a log, that a download has begun and how large it is."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_told = False

    def __call__(self, done: int, total: int) -> None:
        if not self._is_told:
            size = f" ({total / MIB:.0f} MiB)" if total else ""
            print(f"fetching {self._what}{size}, once", file=sys.stderr, flush=True)
            self._is_told = True
