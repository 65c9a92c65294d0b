"""The one seam between Abruzzi and a language model.

A ``ChatModel`` turns a ``ChatRequest`` into n ``Completion`` values. It is a coroutine with a callback, and not an
async iterator, because one request may become several upstream calls side by side, and cancelling the coroutine must
close all of them: structured concurrency gives that, generators do not.

What every implementation keeps:

1. Each of the n choices ends in exactly one ``Completion``, reported through ``emit`` the moment it ends and again in
   the returned tuple, in index order. A choice that fails is a completion with ``finish_reason`` ``error``; the
   coroutine itself raises only when no choice could be started at all.
2. Cancelling the coroutine closes every upstream request that it opened, and writes a ``cancelled`` row for each.
3. Each upstream call, retries included, is one row in the ledger.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from abruzzi.ledger import Ledger
from abruzzi.nouns import Completion, Message, Role


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for an endpoint, in seconds."""

    connect_s: float = 10.0
    first_token_s: float = 300.0
    """From the request to the first token; a long prompt on two cores takes minutes."""
    idle_s: float = 120.0
    """Between two pieces of one stream."""
    total_s: float = 7200.0


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON schema that a reply must fit."""

    name: str
    """Letters, digits and underscores; some servers want it."""
    body: Mapping[str, Any]
    """The schema itself; every property required, no additional ones, as strict modes demand."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked of a model."""

    role: Role
    messages: tuple[Message, ...]
    n: int = 1
    """How many choices."""
    max_tokens: int | None = None
    """Limit per choice; None leaves it to the server."""
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: Schema | None = None
    """Constrain the reply to this schema as firmly as the endpoint can."""
    json_object: bool = False
    """Constrain the reply to some JSON object; without effect beside a schema."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Functions that the model may ask for, in OpenAI's form: ``{"type": "function", "function": {…}}``."""
    tool_choice: str | Mapping[str, Any] | None = None
    """``auto``, ``none``, ``required``, or one function; None leaves it to the server."""
    parallel_tool_calls: bool | None = None
    """Whether one reply may hold several calls; None leaves it to the server."""
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further sampling parameters, sent as they are: ``presence_penalty``, ``logit_bias``, ``top_k``, …"""
    logprobs: bool = False
    """Ask for token log-probabilities (for ``Completion.mean_logprob``); ignored where the endpoint has none."""
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of a choice's text."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of a choice's reasoning."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """A choice began again after a broken stream: forget its deltas so far."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A choice ended."""

    completion: Completion


ChatEvent = TextDelta | ReasoningDelta | Restarted | Ended
Emit = Callable[[ChatEvent], None]


def ignore(event: ChatEvent) -> None:
    """Drop an event: the ``emit`` of a caller that needs only the completions."""


class ChatModel(Protocol):
    """Anything that completes chats: an endpoint, or the scripted double."""

    @property
    def name(self) -> str:
        """The model's name, as it stands in ledgers and records; holds no secret."""
        ...

    @property
    def max_context(self) -> int | None:
        """Tokens of prompt and completion together; None when not known."""
        ...

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Complete a chat n times.

        Args:
            request: what is asked.
            ledger: gets a row per upstream call.
            emit: told of each piece and each end as it comes; must not block.

        Returns:
            Exactly ``request.n`` completions, in index order; failed ones are values.

        Raises:
            ModelError: no choice could be started: the endpoint is down, refuses the key or the request.
        """
        ...
