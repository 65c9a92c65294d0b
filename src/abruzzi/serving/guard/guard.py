"""The guard: one place that says whether a question may be asked and an answer be told.

It is asked three times: about the question before any upstream call, about the reasoning and about the answer before
the client sees them. A refusal is the same whatever fired, so that nobody can feel the way around a rule; only how long
it took may differ.

A stream goes through a window. The rules hold back no more than what may still become a match. A guard model reads a
stream in strides: what it has not seen is not sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from abruzzi.errors import ModelError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel
from abruzzi.nouns import Message
from abruzzi.serving.guard.canary import MarkedChat, make_marker, our_prompts, watch_keys, watch_prompts
from abruzzi.serving.guard.model import GuardModel
from abruzzi.serving.guard.rules import Rules, join_rules, our_rules, read_patterns
from abruzzi.serving.guard.scan import ForbiddenError, Gate, Rule
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.guard.summary import Summariser
from abruzzi.serving.refusal import Refusal

Channel = Literal["answer", "reasoning"]

MAX_HELD_CHARS = 16_384
"""A match in a stream that has not ended by then is refused."""


class Window(Protocol):
    """Lets a stream through as far as it is safe; one for each stream."""

    async def push(self, text: str) -> str:
        """Take a piece and return what may be sent now.

        Raises:
            Refusal: the stream is to be ended; nothing of what fired was returned.
        """
        ...

    async def close(self) -> str:
        """Return what was held back, at the stream's end.

        Raises:
            Refusal: the stream is to be ended without it.
        """
        ...


class Guard:
    """Checks questions, answers and reasoning."""

    def __init__(
        self,
        settings: GuardSettings,
        *,
        model: ChatModel | None = None,
        summariser: ChatModel | None = None,
        keys: Sequence[str] = (),
    ) -> None:
        """Make a guard.

        Args:
            settings: the ``[serve.guard]`` table.
            model: the guard model that ``settings.model`` names, open.
            summariser: the model that ``settings.summariser`` names, open.
            keys: secrets of this server that no text may hold: upstream keys, passwords.

        Raises:
            ConfigError: the file of patterns is unusable.
        """
        self._settings = settings
        self._marker = make_marker()
        several = [our_rules()] if settings.rules else []
        if settings.patterns is not None:
            several.append(read_patterns(settings.patterns))
        watches: tuple[Rule, ...] = ()
        if settings.canary:
            watches = (*watch_keys([*keys, self._marker]), *watch_prompts(our_prompts()))
        self._rules = join_rules([*several, Rules(answer=watches, reasoning=watches)])
        self._summariser = Summariser(summariser, settings.timeout_s)
        self._has_summariser = summariser is not None
        reads = (
            None
            if model is None
            else GuardModel(model, settings.policy, settings.ignored_categories, settings.timeout_s)
        )
        self._reader = _Reader(reads, settings.on_failure == "closed")

    @property
    def asks_models(self) -> bool:
        """True when checking asks a model, which costs."""
        return self._reader.model is not None or (self._settings.reasoning == "summarised" and self._has_summariser)

    @property
    def shows_reasoning(self) -> bool:
        """False when clients get nothing of the reasoning channel."""
        return self._settings.reasoning != "withheld"

    def mark(self, chat: ChatModel) -> ChatModel:
        """Put the marker into the system messages that a model is sent, if the settings say so."""
        return MarkedChat(chat, self._marker) if self._settings.canary and self._settings.marker else chat

    async def check_question(self, messages: Sequence[Message], *, ledger: Ledger | None = None) -> None:
        """Pass a conversation, or refuse it.

        Args:
            messages: the conversation as the client sent it. What the user and tools said is searched.
            ledger: gets the guard model's call.

        Raises:
            Refusal: 400 with code ``content_filter``; or 503 where the guard model fails and that closes.
        """
        size = sum(len(message.content) for message in messages)
        if size > self._settings.max_chars:
            raise Refusal(
                f"the conversation has {size} characters; the limit is {self._settings.max_chars}; shorten it",
                status=400,
                type="invalid_request_error",
                code="string_above_max_length",
                param="messages",
            )
        for message in messages:
            if message.role in ("user", "tool"):
                _pass_through(Gate(self._rules.question, size), message.content, is_final=True)
        await self._reader.check(messages, ledger)

    async def check_answer(self, text: str, *, messages: Sequence[Message] = (), ledger: Ledger | None = None) -> str:
        """Return the answer as it may be told, secrets taken out.

        Args:
            text: the whole answer.
            messages: the conversation that it answers; its system messages are protected too.
            ledger: gets the guard model's call.

        Raises:
            Refusal: as ``check_question``.
        """
        return await self._check("answer", text, messages, ledger)

    async def check_reasoning(
        self, text: str, *, messages: Sequence[Message] = (), ledger: Ledger | None = None
    ) -> str:
        """Return the reasoning as it may be told: whole, summarised, or nothing.

        Raises:
            Refusal: as ``check_question``.
        """
        if not self.shows_reasoning:
            return ""
        if self._settings.reasoning == "summarised":
            text = await self._summariser.summarise(text, ledger or Ledger())
        return await self._check("reasoning", text, messages, ledger)

    def window(self, channel: Channel, *, messages: Sequence[Message] = (), ledger: Ledger | None = None) -> Window:
        """Open a window for one stream."""
        if channel == "reasoning" and self._settings.reasoning != "shown":
            return _ClosedWindow(self, messages, ledger)
        return _OpenWindow(self._reader, self._gate(channel, messages), messages, ledger, self._settings)

    def _gate(self, channel: Channel, messages: Sequence[Message]) -> Gate:
        rules = self._rules.answer if channel == "answer" else self._rules.reasoning
        if self._settings.canary:
            rules = (*rules, *watch_prompts(message.content for message in messages if message.role == "system"))
        return Gate(rules, MAX_HELD_CHARS)

    async def _check(self, channel: Channel, text: str, messages: Sequence[Message], ledger: Ledger | None) -> str:
        if not text:
            return ""
        if len(text) > self._settings.max_chars:
            raise _refuse()
        passed = _pass_through(self._gate(channel, messages), text, is_final=True)
        await self._reader.check((*messages, Message("assistant", passed)), ledger)
        return passed


@dataclass(frozen=True, slots=True)
class _Reader:
    """The guard model, and what its failure means."""

    model: GuardModel | None
    is_closed_on_failure: bool

    async def check(self, messages: Sequence[Message], ledger: Ledger | None) -> None:
        """Refuse unless the last message may pass."""
        if self.model is None:
            return
        try:
            is_safe = await self.model.is_safe(messages, ledger or Ledger())
        except ModelError as error:
            if not self.is_closed_on_failure:
                return
            raise Refusal(
                "the server could not check this request; try again later",
                status=503,
                type="service_unavailable_error",
                code="guard_unavailable",
                retry_after_s=10.0,
            ) from error
        if not is_safe:
            raise _refuse()


@dataclass(slots=True)
class _OpenWindow:
    """Lets a stream through, stride by stride where a guard model reads along."""

    reader: _Reader
    gate: Gate
    messages: Sequence[Message]
    ledger: Ledger | None
    settings: GuardSettings
    _size: int = 0
    _seen: str = ""
    """What the guard model has passed."""
    _unseen: list[str] = field(default_factory=list[str])

    async def push(self, text: str) -> str:
        """See ``Window.push``."""
        self._size += len(text)
        if self._size > self.settings.max_chars:
            raise _refuse()
        return await self._let_through(_pass_through(self.gate, text), is_final=False)

    async def close(self) -> str:
        """See ``Window.close``."""
        return await self._let_through(_pass_through(self.gate, "", is_final=True), is_final=True)

    async def _let_through(self, passed: str, *, is_final: bool) -> str:
        if self.reader.model is None:
            return passed
        self._unseen.append(passed)
        unseen = "".join(self._unseen)
        if not unseen or not (is_final or len(unseen) >= self.settings.stride_chars):
            return ""
        await self.reader.check((*self.messages, Message("assistant", self._seen + unseen)), self.ledger)
        self._seen += unseen
        self._unseen = []
        return unseen


@dataclass(slots=True)
class _ClosedWindow:
    """Lets nothing of the reasoning through, and its summary at the end if there is one."""

    guard: Guard
    messages: Sequence[Message]
    ledger: Ledger | None
    _pieces: list[str] = field(default_factory=list[str])

    async def push(self, text: str) -> str:
        """See ``Window.push``."""
        if self.guard.shows_reasoning:
            self._pieces.append(text)
        return ""

    async def close(self) -> str:
        """See ``Window.close``."""
        return await self.guard.check_reasoning("".join(self._pieces), messages=self.messages, ledger=self.ledger)


def _pass_through(gate: Gate, text: str, *, is_final: bool = False) -> str:
    try:
        return gate.push(text, is_final=is_final)
    except ForbiddenError:
        raise _refuse() from None


def _refuse() -> Refusal:
    """The one refusal."""
    return Refusal(
        "this server does not carry out this request",
        status=400,
        type="invalid_request_error",
        code="content_filter",
    )
