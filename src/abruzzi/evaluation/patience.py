"""Waits out an endpoint that fails for a while.

What may pass (no connection, a time limit, 429, 5xx, an engine that is being started again) is tried again after a
pause that doubles, until the patience is used up. What will not (a refused key, a request that is turned down, a model
that answers with nothing) is raised at once.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from abruzzi.errors import (
    AbruzziError,
    AccessError,
    ContextLengthError,
    EndpointError,
    EngineError,
    ModelError,
    NoCandidateError,
    RateLimitError,
)

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
_SERVER_ERROR = 500
_PASSING = frozenset({408, 409, 425})
"""Statuses below 500 that say nothing about the request itself."""


async def wait_out(work: Callable[[], Awaitable[T]], *, patience_s: float, sleep: Sleep = anyio.sleep) -> T:
    """Do something, again and again while what stops it may pass.

    Args:
        work: what to do; does it whole or raises.
        patience_s: how long to wait, all pauses together.
        sleep: waits; tests pass their own.

    Raises:
        ModelError: the last failure, when it will not pass or the patience is used up.
        EngineError: likewise.
    """
    waited_s, pause_s = 0.0, FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except (ModelError, EngineError) as error:
            if not may_pass(error) or waited_s + pause_s > patience_s:
                raise
        await sleep(pause_s)
        waited_s, pause_s = waited_s + pause_s, min(2 * pause_s, LONGEST_PAUSE_S)


def may_pass(error: AbruzziError) -> bool:
    """True when the same request may succeed later."""
    if isinstance(error, NoCandidateError | AccessError | ContextLengthError):  # the latter may come without a status
        return False
    if isinstance(error, EndpointError) and not isinstance(error, RateLimitError):
        return error.status is None or error.status >= _SERVER_ERROR or error.status in _PASSING
    return isinstance(error, ModelError | EngineError)
