"""The ledger: a row for every upstream call, the cancelled and the failed ones included.

A call is opened before the request leaves and closed exactly once, so that a crash in between still shows as an open
row. The ledger counts what the server reported; it estimates nothing. Where a server has not said how much a call
used (a cancelled stream, most often), the row says so with ``is_exact = False``.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from abruzzi.nouns import Role, Usage

Clock = Callable[[], float]
"""Monotonic seconds."""


class CallOutcome(StrEnum):
    """How an upstream call ended."""

    OK = "ok"
    CANCELLED = "cancelled"
    """We closed it before its end."""
    ERROR = "error"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class ServerTimes:
    """Where a server says that the seconds of a call went; None for what it does not say."""

    queue_s: float | None = None
    prompt_s: float | None = None
    completion_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class DraftSources:
    """Where accepted tokens had been drafted from."""

    accepted: Mapping[str, int]
    """``own``, ``sibling``, ``plan``, ``question`` or ``other`` → tokens; see ``engine.drafting.text``."""
    is_exact: bool
    """True when they add up to what the server says it drafted and accepted; else they are an estimate."""


@dataclass(frozen=True, slots=True)
class Call:
    """One finished upstream call."""

    role: Role
    model: str
    outcome: CallOutcome
    num_choices: int
    """The ``n`` that was asked for."""
    attempt: int
    """1 for the first try, 2 for the first retry, …"""
    usage: Usage
    is_exact: bool
    """True when the usage is the server's own final count."""
    started_s: float
    """Seconds from the ledger's start to the request."""
    ttft_s: float | None
    """Seconds from the request to the first token; None when none came."""
    seconds: float
    error: str | None = None
    server_times: ServerTimes | None = None
    """Only some hosted endpoints tell them; the rest of ``seconds`` is the way there and back."""
    draft_sources: DraftSources | None = None
    """Of a finished call of an engine whose drafts can be replayed; None for others."""
    status: int | None = None
    """HTTP status of an answer that was an error."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The bill: sums over calls."""

    num_calls: int
    num_failed: int
    num_cancelled: int
    usage: Usage
    is_exact: bool
    """False when the usage of at least one call is a lower bound."""
    draft_sources: DraftSources | None = None
    """None when no call tells them."""


class OpenCall:
    """A call on its way; close it once with :meth:`close`."""

    def __init__(self, ledger: "Ledger", role: Role, model: str, num_choices: int, attempt: int) -> None:
        self._ledger = ledger
        self._role = role
        self._model = model
        self._num_choices = num_choices
        self._attempt = attempt
        self._started = ledger.clock()
        self._first_token: float | None = None
        self._server_times: ServerTimes | None = None
        self._is_closed = False

    @property
    def seconds(self) -> float:
        """Seconds since the request left."""
        return self._ledger.clock() - self._started

    def mark_first_token(self) -> None:
        """Note the time of the first token; later calls change nothing."""
        if self._first_token is None:
            self._first_token = self._ledger.clock()

    def note_server_times(self, times: ServerTimes) -> None:
        """Note where the server says that the seconds went; the last word counts."""
        self._server_times = times

    def close(
        self,
        outcome: CallOutcome,
        usage: Usage,
        *,
        is_exact: bool,
        error: str | None = None,
        status: int | None = None,
    ) -> Call:
        """Write the row.

        Raises:
            AssertionError: the call was closed before.
        """
        assert not self._is_closed, "a call is closed once"
        self._is_closed = True
        call = Call(
            role=self._role,
            model=self._model,
            outcome=outcome,
            num_choices=self._num_choices,
            attempt=self._attempt,
            usage=usage,
            is_exact=is_exact,
            started_s=self._started - self._ledger.started,
            ttft_s=None if self._first_token is None else self._first_token - self._started,
            seconds=self.seconds,
            error=error,
            server_times=self._server_times,
            status=status,
        )
        self._ledger.record(call)
        return call


@dataclass(slots=True)
class Ledger:
    """All upstream calls made for one question (or one run), in the order they ended."""

    clock: Clock = time.monotonic
    on_call: Callable[[Call], None] | None = None
    """Told of each call as it ends."""
    calls: list[Call] = field(default_factory=list[Call])
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def open(self, role: Role, model: str, *, num_choices: int = 1, attempt: int = 1) -> OpenCall:
        """Open a row for a request that is about to leave."""
        return OpenCall(self, role, model, num_choices, attempt)

    def record(self, call: Call) -> None:
        """Add a finished call and tell whoever listens."""
        self.calls.append(call)
        if self.on_call is not None:
            self.on_call(call)

    def totals(self) -> Totals:
        """Sum the calls so far."""
        return Totals(
            num_calls=len(self.calls),
            num_failed=sum(c.outcome in (CallOutcome.ERROR, CallOutcome.TIMEOUT) for c in self.calls),
            num_cancelled=sum(c.outcome is CallOutcome.CANCELLED for c in self.calls),
            usage=sum_usage([c.usage for c in self.calls]),
            is_exact=all(c.is_exact for c in self.calls),
            draft_sources=_sum_sources(self.calls),
        )


def _sum_sources(calls: list[Call]) -> DraftSources | None:
    """Add sources up; exact only when every accepted token has its own."""
    accepting = [call for call in calls if call.usage.accepted_tokens or call.draft_sources is not None]
    known = [call.draft_sources for call in accepting if call.draft_sources is not None]
    if not known:
        return None
    accepted = Counter[str]()
    for sources in known:
        accepted.update(sources.accepted)
    return DraftSources(dict(accepted), len(known) == len(accepting) and all(sources.is_exact for sources in known))


def sum_usage(usages: list[Usage]) -> Usage:
    """Add usages up; drafted and accepted tokens stay None when no call knew them."""

    def add(values: list[int | None]) -> int | None:
        known = [v for v in values if v is not None]
        return sum(known) if known else None

    return Usage(
        prompt_tokens=sum(u.prompt_tokens for u in usages),
        cached_tokens=sum(u.cached_tokens for u in usages),
        completion_tokens=sum(u.completion_tokens for u in usages),
        reasoning_tokens=sum(u.reasoning_tokens for u in usages),
        draft_tokens=add([u.draft_tokens for u in usages]),
        accepted_tokens=add([u.accepted_tokens for u in usages]),
    )
