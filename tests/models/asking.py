"""Asks a fault server through the real client, and keeps everything that came of it."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from abruzzi.errors import ModelError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatEvent, ChatModel, ChatRequest, Ended, ReasoningDelta, Restarted, TextDelta, Timeouts
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.nouns import Completion, Message, Role
from tests.faultserver import FaultServer

FAST = Timeouts(connect_s=2.0, first_token_s=2.0, idle_s=2.0, total_s=10.0)


def request(content: str = "What is 40 + 2 ?", **fields: Any) -> ChatRequest:
    """A solver's request with short timeouts."""
    fields = {"role": Role.SOLVER, "timeouts": FAST, **fields}
    return ChatRequest(messages=(Message("user", content),), **fields)


@dataclass(slots=True)
class Asked:
    """What came of one request."""

    ledger: Ledger = field(default_factory=Ledger)
    events: list[ChatEvent] = field(default_factory=list[ChatEvent])
    completions: tuple[Completion, ...] = ()
    error: ModelError | None = None
    waits: list[float] = field(default_factory=list[float])
    """Seconds waited between tries."""

    @property
    def texts(self) -> list[str]:
        return [completion.text for completion in self.completions]

    @property
    def restarts(self) -> list[int]:
        return [event.index for event in self.events if isinstance(event, Restarted)]

    def told(self, index: int) -> tuple[str, str]:
        """What a listener has of a choice who heeds every restart: reasoning and text."""
        reasoning, text = "", ""
        for event in self.events:
            match event:
                case Restarted(i, _) if i == index:
                    reasoning, text = "", ""
                case ReasoningDelta(i, piece) if i == index:
                    reasoning += piece
                case TextDelta(i, piece) if i == index:
                    text += piece
                case _:
                    pass
        return reasoning, text

    def check_contract(self, n: int, *, is_bare: bool = True) -> None:
        """Hold the outcome against the contract of ``ChatModel``.

        Args:
            n: choices asked for.
            is_bare: each text is what its pieces add up to; False where JSON is taken out of a reply.
        """
        ended = [event.completion for event in self.events if isinstance(event, Ended)]
        if self.error is not None:
            assert ended == []
            return
        assert [completion.index for completion in self.completions] == list(range(n))
        assert sorted(ended, key=lambda completion: completion.index) == list(self.completions)
        for completion in self.completions if is_bare else ():
            assert self.told(completion.index) == (completion.reasoning, completion.text)


def client(server: FaultServer, sleep: Callable[[float], Awaitable[None]] | None = None, **settings: Any) -> OpenAIChat:
    """The client of a fault server; between tries it waits for nothing."""

    async def skip(_: float) -> None:
        await anyio.lowlevel.checkpoint()

    settings.setdefault("model", "m")
    return OpenAIChat(server.base_url, rng=random.Random(1), sleep=sleep or skip, **settings)


async def put(chat: ChatModel, asked: ChatRequest, outcome: Asked) -> None:
    """Ask, into an outcome."""
    try:
        outcome.completions = await chat.complete(asked, ledger=outcome.ledger, emit=outcome.events.append)
    except ModelError as error:
        outcome.error = error


def ask(server: FaultServer, *requests: ChatRequest, limit_s: float = 20.0, **settings: Any) -> list[Asked]:
    """Ask one client one request after the other; a request that takes longer than the limit is cancelled."""
    outcomes: list[Asked] = []

    async def main() -> None:
        async def note(seconds: float) -> None:
            outcomes[-1].waits.append(seconds)
            await anyio.lowlevel.checkpoint()

        async with client(server, note, **settings) as chat:
            for asked in requests:
                outcomes.append(Asked())
                with anyio.move_on_after(limit_s):
                    await put(chat, asked, outcomes[-1])

    anyio.run(main)
    server.wait_until_idle()
    return outcomes


def ask_one(server: FaultServer, asked: ChatRequest | None = None, **settings: Any) -> Asked:
    """Ask one request, and hold the outcome against the contract."""
    asked = asked or request()
    (outcome,) = ask(server, asked, **settings)
    outcome.check_contract(asked.n, is_bare=asked.schema is None)
    return outcome


def outcomes_of(asked: Asked) -> Sequence[str]:
    """How each upstream call ended."""
    return [call.outcome.value for call in asked.ledger.calls]
