"""Keeps upstream calls within the upstream's own limit of tokens per minute: waits before it is hit.

A token bucket of one minute's tokens that fills all the time, which is how the hosted endpoints count
(https://inference-docs.cerebras.ai/support/rate-limits, https://platform.openai.com/docs/guides/rate-limits). As they
do, a call takes its prompt and its ``max_tokens`` when it begins; what it did not use is given back when it ends.

The limit comes from the settings, or from the ``x-ratelimit-*`` headers of the upstream's replies, whose *remaining*
also lowers the bucket: others may use the same account. Their *reset* is not read, since every provider means another
thing by it. Where no limit is known nothing waits; a call that meets a 429 all the same is ``models.retry``'s business.
"""

from collections.abc import Callable, Mapping

import anyio

from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest, Emit, ignore
from abruzzi.models.wrapped import WrappedChat
from abruzzi.nouns import Completion

MINUTE_S = 60.0
BYTES_PER_TOKEN = 4
"""Of English prose, about; an estimate may err, since what was used is counted afterwards."""
UNKNOWN_TOKENS = 1024
"""What a choice is taken to need where the request sets no limit."""
LOOK_S = 5.0
"""How often a waiting call looks again, since headers may have changed what it waits for."""

_TOKEN_HEADERS = ("tokens", "tokens-minute", "tokens-per-minute")
"""How providers end the names: OpenAI, Cerebras, DigitalOcean."""


class Headroom:
    """What is left of an upstream's limit.

    Args:
        tokens_per_minute: the limit; 0 takes it from the headers.
        on_wait: told the seconds that a call waited, 0 for most.
    """

    def __init__(self, tokens_per_minute: int = 0, *, on_wait: Callable[[float], None] = lambda seconds: None) -> None:
        self._given = tokens_per_minute
        self._limit = tokens_per_minute
        self._level = float(tokens_per_minute)
        self._filled_at: float | None = None
        self._line = anyio.Lock()
        self._on_wait = on_wait

    @property
    def limit(self) -> int:
        """Tokens per minute; 0 while none is known."""
        return self._limit

    async def take(self, tokens: int) -> int:
        """Wait until a call of so many tokens fits; first come, first served.

        Returns:
            What was taken: no more than a minute's tokens, since a larger call would wait for ever.
        """
        if not self._limit:
            return 0
        began = anyio.current_time()
        async with self._line:
            while self._fill() < min(tokens, self._limit):
                missing = min(tokens, self._limit) - self._level
                await anyio.sleep(min(LOOK_S, missing * MINUTE_S / self._limit))
            taken = min(tokens, self._limit)
            self._level -= taken
        self._on_wait(anyio.current_time() - began)
        return taken

    def correct(self, taken: int, used: int) -> None:
        """Put what a call really used in place of what it took."""
        self._level = min(float(self._limit), self._fill() + taken - used)

    def note(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of a reply; names in lower case, or a mapping that does not mind."""
        limit, remaining = (_read_count(headers, what) for what in ("limit", "remaining"))
        if limit and not self._given:
            if not self._limit:
                self._level = float(limit)
                self._filled_at = anyio.current_time()
            self._limit = limit
        if self._limit and remaining is not None:
            self._level = min(self._fill(), float(remaining))

    def _fill(self) -> float:
        """Let the bucket have what has come since it was last looked at."""
        now = anyio.current_time()
        came = 0.0 if self._filled_at is None else (now - self._filled_at) * self._limit / MINUTE_S
        self._level, self._filled_at = min(float(self._limit), self._level + came), now
        return self._level


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
            self._headroom.correct(taken, own.totals().usage.total_tokens)


def estimate_tokens(request: ChatRequest) -> int:
    """Guess what a request may come to, in tokens: its prompt and its limit for each choice."""
    size = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
    return size // BYTES_PER_TOKEN + request.n * (request.max_tokens or UNKNOWN_TOKENS)


def _read_count(headers: Mapping[str, str], what: str) -> int | None:
    """Read a count of tokens; None where there is none, or where Azure says −1: it does not know."""
    for ending in _TOKEN_HEADERS:
        text = headers.get(f"x-ratelimit-{what}-{ending}", "").strip()
        if text.isascii() and text.isdigit():
            return int(text)
    return None
