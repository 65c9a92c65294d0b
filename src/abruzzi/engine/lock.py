"""A lock between processes: a file that one of them holds at a time.

The operating system frees it when its holder dies, however it dies, so there is no stale lock to clean up; the file
itself stays. A holder on another machine is seen only where the file system shares such locks.
"""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def locked(path: Path, *, poll_s: float = 0.1) -> Generator[None]:
    """Hold the lock at ``path`` for the length of the block, waiting for whoever holds it.

    Raises:
        OSError: the file cannot be opened for writing, or its file system knows no locks.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _try_lock(handle):
            time.sleep(poll_s)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
