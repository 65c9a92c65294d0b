"""A hosted endpoint with limits, as a model: it refuses what is too much and tells in headers what is left.

It counts on its own, apart from ``Headroom``, after what Cerebras documents: capacity comes back all the time, a call
is charged its prompt and its ``max_tokens`` as it comes in. Unlike there, what a call did not use is given back as it
ends; whether Cerebras does so is not documented. Time is the event loop's, so that hours pass at once in tests.
"""

from collections.abc import Callable, Mapping

import anyio

from abruzzi.errors import RateLimitError
from abruzzi.ledger import CallOutcome, Ledger
from abruzzi.models.chat import ChatRequest, Emit, ignore
from abruzzi.models.hosted import HostedLimits
from abruzzi.nouns import Completion, FinishReason, Usage


class SimulatedHost:
    """Answers each call after a while with half of the tokens it may."""

    def __init__(self, limits: HostedLimits, *, seconds: float = 1.0) -> None:
        """Open a full account."""
        self.name = "hosted"
        self.max_context: int | None = None
        self.on_headers: Callable[[Mapping[str, str]], None] = lambda headers: None
        self.num_refused = 0
        self.num_answered = 0
        self._seconds = seconds
        self._left: dict[tuple[str, float], float] = {}
        self._limits: dict[tuple[str, float], int] = {}
        for what in ("requests", "tokens"):
            for window, window_s in (("minute", 60.0), ("hour", 3600.0), ("day", 86400.0)):
                if limit := int(getattr(limits, f"{what}_per_{window}")):
                    self._limits[what, window_s] = limit
                    self._left[what, window_s] = float(limit)
        self._seen_at = 0.0

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Answer, or refuse with 429."""
        del emit
        self._refill()
        prompt = sum(len(message.content) for message in request.messages) // 4
        assert request.max_tokens is not None, "tests say how much they want"
        charge = {"requests": 1, "tokens": prompt + request.n * request.max_tokens}
        call = ledger.open(request.role, self.name, num_choices=request.n)
        if any(self._left[key] < charge[key[0]] for key in self._left):
            self.num_refused += 1
            self._tell()
            call.close(CallOutcome.ERROR, Usage(), is_exact=True, error="429")
            raise RateLimitError("too many")
        for key in self._left:
            self._left[key] -= charge[key[0]]
        await anyio.sleep(self._seconds)
        used = Usage(prompt_tokens=prompt, completion_tokens=request.n * request.max_tokens // 2)
        self._refill()
        for key in self._left:
            if key[0] == "tokens":
                self._left[key] += charge["tokens"] - used.total_tokens
        self.num_answered += 1
        self._tell()
        call.close(CallOutcome.OK, used, is_exact=True)
        return tuple(
            Completion(index, "so", "", FinishReason.STOP, self._seconds, None, request.max_tokens // 2)
            for index in range(request.n)
        )

    def _refill(self) -> None:
        now = anyio.current_time()
        for key, limit in self._limits.items():
            self._left[key] = min(float(limit), self._left[key] + (now - self._seen_at) * limit / key[1])
        self._seen_at = now

    def _tell(self) -> None:
        """Tell what Cerebras tells: tokens of the minute, requests of the day."""
        told: dict[str, str] = {}
        for key, name in ((("tokens", 60.0), "tokens-minute"), (("requests", 86400.0), "requests-day")):
            if key in self._limits:
                told[f"x-ratelimit-limit-{name}"] = str(self._limits[key])
                told[f"x-ratelimit-remaining-{name}"] = str(max(0, int(self._left[key])))
        self.on_headers(told)
