"""A guard model: any ``ChatModel`` that reads a conversation and says ``safe``, or ``unsafe`` and which categories.

That is the format that Llama Guard publishes: the first line says which, the second lists categories, comma-separated.
Served behind its own chat template it needs no instructions; a model without a policy of its own is given one as the
system message. A reply in any other form, and a call that fails or takes too long, is a failure and never a verdict.
Source: https://huggingface.co/meta-llama/Llama-Guard-3-8B (the model card).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio

from abruzzi.errors import ModelError, ModelTimeoutError, ProtocolError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest
from abruzzi.nouns import FinishReason, Message, Role

MAX_TOKENS = 32
FORMAT = (
    "Say whether the last message of this conversation keeps to the policy above. Answer with one word, safe or "
    "unsafe; if it is unsafe, add a second line with the categories that it breaks, separated by commas."
)

_VERDICT = re.compile(r"(safe|unsafe)(?:[ \t]*\n[ \t]*([A-Za-z0-9_ \t]+(?:,[A-Za-z0-9_ \t]+)*))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SafetyVerdict:
    """What the guard model said."""

    is_safe: bool
    categories: frozenset[str] = frozenset()
    """As the model names them (``S1``…); empty where it names none."""


def parse_verdict(text: str) -> SafetyVerdict:
    """Read Llama Guard's format.

    Raises:
        ProtocolError: the text is something else.
    """
    match = _VERDICT.fullmatch(text.strip())
    if match is None:
        raise ProtocolError(f"the guard model answered {text[:60]!r}; it must answer safe, or unsafe and categories")
    is_safe = match[1].lower() == "safe"
    named = frozenset(name.strip().upper() for name in (match[2] or "").split(",")) - {""}
    if is_safe and named:
        raise ProtocolError(f"the guard model answered {text[:60]!r}: safe and yet a category")
    return SafetyVerdict(is_safe, named)


@dataclass(frozen=True, slots=True)
class GuardModel:
    """Asks a guard model."""

    chat: ChatModel
    policy: str = ""
    ignored: frozenset[str] = frozenset()
    """Categories that are let through."""
    timeout_s: float = 20.0

    async def is_safe(self, messages: Sequence[Message], ledger: Ledger) -> bool:
        """Ask whether the last message may pass.

        Raises:
            ModelError: there is no verdict.
        """
        asked = tuple(_plain(message) for message in messages if message.role != "system" and message.content.strip())
        if not asked:
            return True
        if self.policy:
            asked = (Message("system", f"{self.policy}\n\n{FORMAT}"), *asked)
        request = ChatRequest(Role.GUARD, asked, max_tokens=MAX_TOKENS, temperature=0.0)
        verdict: SafetyVerdict | None = None
        with anyio.move_on_after(self.timeout_s):
            (completion,) = await self.chat.complete(request, ledger=ledger)
            if completion.finish_reason is not FinishReason.STOP:
                raise ModelError(f"the guard model did not end: {completion.error or completion.finish_reason.value}")
            verdict = parse_verdict(completion.text)
        if verdict is None:
            raise ModelTimeoutError(f"the guard model did not answer within {self.timeout_s:g} s")
        return verdict.is_safe or bool(verdict.categories and verdict.categories <= self.ignored)


def _plain(message: Message) -> Message:
    """Show a tool's result as the user's words: guard models know two speakers."""
    return replace(message, role="user", tool_call_id=None) if message.role == "tool" else message
