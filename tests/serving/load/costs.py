"""What memory a process holds, as Linux tells it. Linux alone."""

import os
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def read_rss_bytes(pid: int) -> int:
    """Return the resident memory of the process alone."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
