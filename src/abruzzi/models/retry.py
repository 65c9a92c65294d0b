"""Decides whether to try a failed request again, and how long to wait first. It waits for nothing itself.

Worth another try: 429, 5xx, and a connection that could not be made or broke off. Not worth one: any other 4xx, a
reply outside the protocol, and a server that is too slow, because a second request would only add to its load.

The wait doubles with each try and is drawn at random from its upper half, so that the candidates of one question do
not come back in step. A ``Retry-After`` is obeyed to the second, or, where it asks for more than the cap on all waits
together, taken as a refusal.
"""

import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from abruzzi.errors import EndpointError, ModelError, ModelTimeoutError, RateLimitError, UnreachableError


class NotConnectedError(UnreachableError):
    """No connection could be made: the request has not left."""


class ConnectTimeoutError(ModelTimeoutError):
    """No connection in time: unlike a slow answer, worth another try."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to try, and how long to wait."""

    max_tries: int = 4
    """The first one included; 1 never retries."""
    base_s: float = 0.5
    """The longest wait before the second try; it doubles from there."""
    max_wait_s: float = 30.0
    """The longest single wait of our own choosing."""
    max_total_s: float = 120.0
    """The cap on all waits of one request together, those the server asks for included."""


def is_retriable(error: ModelError) -> bool:
    """Tell whether another try may help."""
    if isinstance(error, EndpointError):
        return error.status is not None and (error.status == 429 or error.status >= 500)
    return isinstance(error, UnreachableError | ConnectTimeoutError)


def choose_wait(
    policy: RetryPolicy, error: ModelError, *, tries: int, waited_s: float, rng: random.Random
) -> float | None:
    """Choose the seconds to wait before the next try.

    Args:
        policy: the limits.
        error: why the last try failed.
        tries: how many there have been.
        waited_s: seconds waited between them so far.
        rng: draws the jitter.

    Returns:
        The wait, or None when there is to be no further try.
    """
    if tries >= policy.max_tries or not is_retriable(error):
        return None
    asked_s = error.retry_after_s if isinstance(error, RateLimitError) else None
    if asked_s is None:
        longest = min(policy.max_wait_s, policy.base_s * 2 ** (tries - 1))
        wait_s = longest * rng.uniform(0.5, 1.0)
    else:
        wait_s = asked_s
    return wait_s if waited_s + wait_s <= policy.max_total_s else None


def read_retry_after(value: str | None, now: float) -> float | None:
    """Read a ``Retry-After`` header.

    Args:
        value: seconds, or an HTTP date.
        now: seconds since the epoch.

    Returns:
        Seconds from now, at least 0; None when there is no such header or it makes no sense.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
