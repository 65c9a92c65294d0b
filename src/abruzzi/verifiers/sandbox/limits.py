"""What one cell may use, and what came of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one confined process may use. The defaults suit contest problems, with room for a slow machine."""

    cpu_s: int = 10
    """CPU time: the limit that decides, as it does not depend on what else the machine does."""
    wall_s: float = 30.0
    """Elapsed time: for what sleeps or waits."""
    memory_bytes: int = 2 << 30
    """Address space; there is only one process, so this is all it can have."""
    output_bytes: int = 16 << 20
    """Standard output."""
    disk_bytes: int = 16 << 20
    """Files in its folder, together."""
    max_files: int = 64
    max_threads: int = 64


@dataclass(frozen=True, slots=True)
class Run:
    """How a confined process ended."""

    status: int
    """Exit status; minus the signal's number when a signal ended it."""
    output: bytes
    errors: str
    """The end of its standard error."""
    cpu_s: float
    wall_s: float
    stopped: str
    """Which limit ended it, in a few words; empty when none did."""

    @property
    def is_success(self) -> bool:
        """True when it ended by itself with status 0."""
        return self.status == 0 and not self.stopped

    @property
    def failure(self) -> str:
        """Why it is no success, in a few words; empty when it is one."""
        if self.stopped:
            return self.stopped
        if self.status < 0:
            return f"ended by signal {-self.status}"
        last = self.errors.strip().rpartition("\n")[2]
        return "" if self.status == 0 else last or f"exit status {self.status}"
