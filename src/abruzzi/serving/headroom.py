"""Keeps upstream calls within the upstream's own limits: waits before one is hit.

A token bucket for each limit, of requests or tokens over a minute, an hour or a day, that fills all the time, which is
how the hosted endpoints count
(https://inference-docs.cerebras.ai/support/rate-limits, https://platform.openai.com/docs/guides/rate-limits). As they
do, a call takes its prompt and its ``max_tokens`` when it begins; what it did not use is given back when it ends.

The limits come from the settings, or from the ``x-ratelimit-*`` headers of the upstream's replies, whose *remaining*
also lowers the bucket: others may use the same account. Their *reset* is not read, since every provider means another
thing by it. Where no limit is known nothing waits; a call that meets a 429 all the same is ``models.retry``'s business.
A call that would wait long for an hour's or a day's limit is refused at once instead, as the upstream would.
"""

import math
from collections.abc import Callable, Mapping

import anyio

from abruzzi.errors import RateLimitError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest, Emit, ignore
from abruzzi.models.hosted import DAY_S, HOUR_S, MINUTE_S, HostedLimits
from abruzzi.models.wrapped import WrappedChat
from abruzzi.nouns import Completion

BYTES_PER_TOKEN = 4
"""Of English prose, about; an estimate may err, since what was used is counted afterwards."""
UNKNOWN_TOKENS = 1024
"""What a choice is taken to need where the request sets no limit."""
LOOK_S = 5.0
"""How often a waiting call looks again, since headers may have changed what it waits for."""
LONGEST_WAIT_S = 120.0
"""Longest wait for the limit of an hour or a day; a minute's is always waited for."""

_INSTANT_S = 1e-6
"""A shorter wait is none: rounding alone may leave one that no clock ever reaches."""

_WINDOWS = {"minute": MINUTE_S, "hour": HOUR_S, "day": DAY_S}
_ENDINGS = {
    ("tokens", "minute"): ("tokens", "tokens-minute", "tokens-per-minute"),
    **{(what, window): (f"{what}-{window}",) for what in ("requests", "tokens") for window in ("hour", "day")},
    ("requests", "minute"): ("requests-minute", "requests-per-minute"),
}
"""How providers end the names of their headers (OpenAI, Cerebras, DigitalOcean). A bare ``requests`` is left alone: it
is a minute's for some of OpenAI's models and a day's for others."""


class _Bucket:
    """One limit, and what is left of it."""

    def __init__(self, what: str, window: str, limit: int) -> None:
        self.what = what
        self.window = window
        self.window_s = _WINDOWS[window]
        self.limit = limit
        self.level = float(limit)
        self._is_given = bool(limit)
        self._filled_at: float | None = None

    def fill(self) -> float:
        """Let the bucket have what has come since it was last looked at."""
        now = anyio.current_time()
        came = 0.0 if self._filled_at is None else (now - self._filled_at) * self.limit / self.window_s
        self.level, self._filled_at = min(float(self.limit), self.level + came), now
        return self.level

    def cost(self, tokens: int) -> int:
        """Say what a call takes: no more than the limit, since a larger one would wait for ever."""
        return min(1 if self.what == "requests" else tokens, self.limit)

    def wait_s(self, tokens: int) -> float:
        """Say how long until a call fits; 0 for now."""
        missing = self.cost(tokens) - self.fill() if self.limit else 0.0
        return max(0.0, missing) * self.window_s / (self.limit or 1)

    def note(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of a reply."""
        limit, remaining = (_read_count(headers, kind, _ENDINGS[self.what, self.window]) for kind in _KINDS)
        if limit and not self._is_given:
            if not self.limit:
                self.level, self._filled_at = float(limit), anyio.current_time()
            self.limit = limit
        if self.limit and remaining is not None:
            self.level = min(self.fill(), float(remaining))


_KINDS = ("limit", "remaining")


class Headroom:
    """What is left of an upstream's limits.

    Args:
        tokens_per_minute: the limit of tokens; 0 takes it from ``limits``, and what is 0 there from the headers.
        limits: all six.
        on_wait: told the seconds that a call waited, 0 for most.
    """

    def __init__(
        self,
        tokens_per_minute: int = 0,
        *,
        limits: HostedLimits | None = None,
        on_wait: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        given = HostedLimits(tokens_per_minute=tokens_per_minute).over(limits or HostedLimits())
        self._buckets = [
            _Bucket(what, window, getattr(given, f"{what}_per_{window}"))
            for what in ("tokens", "requests")
            for window in _WINDOWS
        ]
        self._line = anyio.Lock()
        self._on_wait = on_wait

    @property
    def limit(self) -> int:
        """Tokens per minute; 0 while none is known."""
        return self._buckets[0].limit

    async def take(self, tokens: int) -> int:
        """Wait until a call of so many tokens fits every limit; first come, first served.

        Returns:
            What was taken of the largest limit of tokens: no more than that, since a larger call would wait for ever.

        Raises:
            RateLimitError: it would wait long for an hour's or a day's limit.
        """
        if not any(bucket.limit for bucket in self._buckets):
            return 0
        began = anyio.current_time()
        async with self._line:
            while tightest := self._find_tightest(tokens):
                wait_s = tightest.wait_s(tokens)
                if tightest.window_s > MINUTE_S and wait_s > LONGEST_WAIT_S:
                    raise _used_up(tightest, wait_s)
                await anyio.sleep(min(LOOK_S, wait_s))
            for bucket in self._buckets:
                bucket.level -= bucket.cost(tokens)
        self._on_wait(anyio.current_time() - began)
        return max(bucket.cost(tokens) for bucket in self._buckets if bucket.what == "tokens")

    def correct(self, taken: int, used: int, *, num_requests: int = 1) -> None:
        """Put what a call really used in place of what it took.

        Args:
            taken: what ``take`` returned.
            used: tokens, of all its requests.
            num_requests: that it came to: more than one where the upstream gives one choice at a time, or on retries.
        """
        for bucket in self._buckets:
            if bucket.what == "tokens":
                bucket.level = min(float(bucket.limit), bucket.fill() + min(taken, bucket.limit) - used)
            else:
                bucket.level = min(float(bucket.limit), bucket.fill() + bucket.cost(taken) - num_requests)

    def affordable(self, n: int, *, prompt_tokens: int, tokens_each: int) -> int:
        """Say how many of n choices of one request fit what is left now, without a wait.

        Args:
            n: the choices wanted.
            prompt_tokens: of their common prompt.
            tokens_each: most tokens of each choice; at least 1.

        Returns:
            0 to n; n where no limit is known.
        """
        fits = n
        for bucket in self._buckets:
            if not bucket.limit:
                continue
            left = bucket.fill()
            room = n if bucket.what == "requests" else math.floor((left - prompt_tokens) / tokens_each)
            fits = min(fits, 0 if bucket.what == "requests" and left < 1 else room)
        return max(0, fits)

    def note(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of a reply; names in lower case, or a mapping that does not mind."""
        for bucket in self._buckets:
            bucket.note(headers)

    def _find_tightest(self, tokens: int) -> _Bucket | None:
        """Find the limit that a call must wait for longest; None when it fits all."""
        tightest = max(self._buckets, key=lambda bucket: bucket.wait_s(tokens))
        return tightest if tightest.wait_s(tokens) > _INSTANT_S else None


class HeadroomChat(WrappedChat):
    """A model whose calls wait for room: a ``ChatModel`` around another one."""

    def __init__(self, model: ChatModel, headroom: Headroom) -> None:
        super().__init__(model)
        self._headroom = headroom

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Wait for room, then complete; see ``ChatModel.complete``."""
        taken = await self._headroom.take(estimate_tokens(request))
        # The ledger is shared by calls side by side; one of our own tells what this one used.
        own = Ledger(clock=ledger.clock, on_call=ledger.record)
        own.started = ledger.started
        try:
            return await self._inner.complete(request, ledger=own, emit=emit)
        finally:
            totals = own.totals()
            self._headroom.correct(taken, totals.usage.total_tokens, num_requests=totals.num_calls)


def estimate_tokens(request: ChatRequest) -> int:
    """Guess what a request may come to, in tokens: its prompt and its limit for each choice."""
    size = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
    return size // BYTES_PER_TOKEN + request.n * (request.max_tokens or UNKNOWN_TOKENS)


def _used_up(bucket: _Bucket, wait_s: float) -> RateLimitError:
    return RateLimitError(
        f"the upstream's {bucket.limit:,} {bucket.what} per {bucket.window} are used up; there is room again in "
        f"{math.ceil(wait_s):,} s: wait, or name another model",
        retry_after_s=wait_s,
    )


def _read_count(headers: Mapping[str, str], kind: str, endings: tuple[str, ...]) -> int | None:
    """Read a count; None where there is none, or where Azure says −1: it does not know."""
    for ending in endings:
        text = headers.get(f"x-ratelimit-{kind}-{ending}", "").strip()
        if text.isascii() and text.isdigit():
            return int(text)
    return None
