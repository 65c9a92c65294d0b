"""An event loop whose clock jumps: scripted hours pass at once, deadlines and order as in real time.

Whenever every task waits, time moves to the next timer. For tests on the scripted double only: real sockets, threads
and processes do not know this clock. ``anyio.current_time`` (and so a ``Ledger(clock=anyio.current_time)``) reads it.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Reports what is ready now; where nothing is, lets virtual time pass."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("every task waits, and no timer is set: this would hang for ever")
        self.seconds += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which starts at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.seconds


def run_virtual(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function on virtual time."""
    return anyio.run(main, backend_options={"loop_factory": VirtualLoop})
