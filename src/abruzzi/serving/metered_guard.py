"""A guard that counts what it finds: passed, redacted, refused or failed, by channel. It changes nothing else.

Which rule fired is not counted: whoever reads the metrics could feel the way around it.
"""

from collections.abc import Awaitable, Sequence

from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel
from abruzzi.nouns import Message
from abruzzi.serving.guard.guard import Channel, Guard, Window
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.refusal import Refusal


class MeteredGuard(Guard):
    """A guard; see there for its arguments."""

    def __init__(
        self,
        settings: GuardSettings,
        metrics: Metrics,
        *,
        model: ChatModel | None = None,
        summariser: ChatModel | None = None,
        keys: Sequence[str] = (),
    ) -> None:
        super().__init__(settings, model=model, summariser=summariser, keys=keys)
        self._metrics = metrics
        self._reasoning = settings.reasoning

    async def check_question(self, messages: Sequence[Message], *, ledger: Ledger | None = None) -> None:
        """See ``Guard``."""

        async def check() -> str:
            await super(MeteredGuard, self).check_question(messages, ledger=ledger)
            return ""

        await self._judge("question", "", check())

    async def check_answer(self, text: str, *, messages: Sequence[Message] = (), ledger: Ledger | None = None) -> str:
        """See ``Guard``."""
        return await self._judge("answer", text, super().check_answer(text, messages=messages, ledger=ledger))

    async def check_reasoning(
        self, text: str, *, messages: Sequence[Message] = (), ledger: Ledger | None = None
    ) -> str:
        """See ``Guard``."""
        return await self._judge("reasoning", text, super().check_reasoning(text, messages=messages, ledger=ledger))

    def window(self, channel: Channel, *, messages: Sequence[Message] = (), ledger: Ledger | None = None) -> Window:
        """See ``Guard``; a stream is counted once, when it is closed or refused."""
        window = super().window(channel, messages=messages, ledger=ledger)
        if channel == "reasoning" and self._reasoning != "shown":
            return window  # it gathers the whole and has it checked here
        return _MeteredWindow(window, channel, self._metrics)

    async def _judge(self, channel: str, text: str, check: Awaitable[str]) -> str:
        try:
            passed = await check
        except Refusal as refusal:
            self._metrics.guarded(channel, _name(refusal))
            raise
        if channel == "reasoning" and self._reasoning != "shown":
            self._metrics.guarded(channel, self._reasoning)
        else:
            self._metrics.guarded(channel, "passed" if passed == text else "redacted")
        return passed


class _MeteredWindow:
    def __init__(self, window: Window, channel: Channel, metrics: Metrics) -> None:
        self._window = window
        self._channel = channel
        self._metrics = metrics
        self._held = ""
        """What came and has not gone yet."""
        self._is_redacted = False

    async def push(self, text: str) -> str:
        passed = await self._await(self._window.push(text))
        self._compare(text, passed)
        return passed

    async def close(self) -> str:
        rest = await self._await(self._window.close())
        self._compare("", rest)
        self._metrics.guarded(self._channel, "redacted" if self._is_redacted or self._held else "passed")
        return rest

    async def _await(self, check: Awaitable[str]) -> str:
        try:
            return await check
        except Refusal as refusal:
            self._metrics.guarded(self._channel, _name(refusal))
            raise

    def _compare(self, came: str, went: str) -> None:
        """See whether what goes is what came; nothing is kept beyond what the window holds back."""
        held = self._held + came
        self._is_redacted = self._is_redacted or not held.startswith(went)
        self._held = "" if self._is_redacted else held[len(went) :]


def _name(refusal: Refusal) -> str:
    return "refused" if refusal.code == "content_filter" else "failed"
