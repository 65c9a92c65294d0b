"""Reads the token counts of one upstream call out of its stream, whichever way the server tells them.

    one summary at the end for all choices          OpenAI, vLLM, SGLang, Cerebras
    one summary for each choice as it ends          llama.cpp
    a running count with every chunk                vLLM's continuous_usage_stats (per choice), some gateways (in all)
    nothing                                         old or simple servers

A summary is a usage without choices beside it. What was never said is not guessed: the row is then a lower bound.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Protocol

from abruzzi.ledger import sum_usage
from abruzzi.models.wire import Chunk, as_dict, as_int
from abruzzi.nouns import Usage


class StreamEnd(Enum):
    """How an upstream call ended, as far as its bill goes."""

    WHOLE = auto()
    """The stream came to its proper end."""
    REFUSED = auto()
    """The request was never taken on, and cost nothing."""
    BROKEN = auto()
    """It was closed, by us or by a fault, while the server worked."""


class Meter(Protocol):
    """Finds out what one upstream call used."""

    @property
    def counts_each_choice(self) -> bool:
        """True when a summary belongs to the one choice that ended just before it."""
        ...

    def note(self, chunk: Chunk) -> int | None:
        """Take the next chunk; return the tokens of the choice that ended just before, if this chunk tells them."""
        ...

    async def settle(self, end: StreamEnd) -> tuple[Usage, bool]:
        """Return the usage, and whether it is the server's own final count; the stream is closed by now."""
        ...


class UsageMeter:
    """Collects what one stream says of its usage."""

    def __init__(self, num_choices: int = 1) -> None:
        self.counts_each_choice = num_choices == 1
        self._summaries: list[Usage] = []
        self._running: dict[int, Usage] = {}
        """The last running count beside each choice."""
        self._last: Usage | None = None
        self._always_grows = True
        """True while each chunk with text raises the running count, as a count over all choices must."""
        self._num_ended = 0

    def note(self, chunk: Chunk) -> int | None:
        """Take the next chunk; see ``Meter.note``."""
        self._num_ended += sum(choice.finish_reason is not None for choice in chunk.choices)
        if chunk.usage is None:
            return None
        usage = read_usage(chunk.usage)
        if not chunk.choices:
            self._summaries.append(usage)
            return usage.completion_tokens if self.counts_each_choice else None
        grows = self._last is None or usage.completion_tokens > self._last.completion_tokens
        if any(choice.has_token for choice in chunk.choices):
            self._always_grows = self._always_grows and grows
        self._last = usage
        for choice in chunk.choices:
            self._running[choice.index] = usage
        return None

    async def settle(self, end: StreamEnd) -> tuple[Usage, bool]:
        """Add up what the stream said; see ``Meter.settle``."""
        if end is StreamEnd.REFUSED:
            return Usage(), True
        usage = self._add_up()
        return usage or Usage(), usage is not None and end is StreamEnd.WHOLE

    def _add_up(self) -> Usage | None:
        if len(self._summaries) > 1 and len(self._summaries) == self._num_ended:
            return sum_choices(self._summaries)
        if self._summaries:
            return self._summaries[-1]
        if self._last is None or self._always_grows:
            return self._last
        return sum_choices(list(self._running.values()))


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """Read a ``usage`` object."""
    prompt = as_dict(usage.get("prompt_tokens_details"))
    completion = as_dict(usage.get("completion_tokens_details"))
    return Usage(
        prompt_tokens=as_int(usage.get("prompt_tokens")),
        cached_tokens=as_int(prompt.get("cached_tokens")),
        completion_tokens=as_int(usage.get("completion_tokens")),
        # SGLang tells them beside the details, not in them.
        reasoning_tokens=as_int(completion.get("reasoning_tokens", usage.get("reasoning_tokens"))),
    )


def sum_choices(usages: list[Usage]) -> Usage:
    """Add up the usages of the choices of one request, whose common prompt counts once."""
    total = sum_usage(usages)
    first = usages[0]
    return Usage(
        prompt_tokens=first.prompt_tokens,
        cached_tokens=first.cached_tokens,
        completion_tokens=total.completion_tokens,
        reasoning_tokens=total.reasoning_tokens,
        draft_tokens=total.draft_tokens,
        accepted_tokens=total.accepted_tokens,
    )
