"""Tells a reply's reasoning from its text where a model writes both inline, as ``<think>…</think>``.

Reasoning that comes in a field of its own (``reasoning_content``, ``reasoning``) never passes through here.

The rules, for text that may be cut into pieces anywhere, inside a tag too:

1. A block opens only where nothing but white space has come before it, so that an answer which speaks *about* the tag
   stays an answer. One block may follow another.
2. A block that is never closed is all reasoning: the model was cut off while thinking.
3. A ``</think>`` without an opening tag means that the prompt's template had opened the block: everything before it was
   reasoning. A stream has by then passed it on as text, so ``feed`` says ``Rewind`` and hands it over once more.
4. White space after a tag belongs to the tag.
"""

from dataclasses import dataclass
from typing import Literal

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text or of reasoning."""

    kind: Literal["text", "reasoning"]
    content: str


@dataclass(frozen=True, slots=True)
class Rewind:
    """All that was handed out so far was wrongly called text; forget it, what follows replaces it."""


class ThinkSplitter:
    """Splits a growing text; feed it pieces, then close it."""

    def __init__(self) -> None:
        self._state: Literal["start", "thinking", "text"] = "start"
        self._held = ""
        """Characters that may be the beginning of a tag, or the white space before one."""
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._has_opened = False
        self._is_edge = False
        """True right after a tag, where white space is dropped."""

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """All reasoning so far."""
        return "".join(self._reasoning)

    def feed(self, piece: str) -> list[Piece | Rewind]:
        """Take the next piece of the reply; return what can be told of it by now."""
        self._held += piece
        found: list[Piece | Rewind] = []
        while self._step(found):
            pass
        return found

    def close(self) -> list[Piece | Rewind]:
        """End the reply: hand out what was held back."""
        found: list[Piece | Rewind] = []
        held, self._held = self._held, ""
        self._put("reasoning" if self._state == "thinking" else "text", held, found)
        return found

    def _step(self, found: list[Piece | Rewind]) -> bool:
        """Consume up to the next tag; False when the rest has to wait for more."""
        if self._state == "start":
            return self._step_at_start()
        if self._state == "thinking":
            return self._pass_on("reasoning", CLOSE, found) and self._leave_thought()
        if self._has_opened:
            self._put("text", self._held, found)
            self._held = ""
            return False
        return self._pass_on("text", CLOSE, found) and self._turn_into_reasoning(found)

    def _step_at_start(self) -> bool:
        content = self._held.lstrip()
        if content.startswith(OPEN):
            self._held = content[len(OPEN) :]
            self._state, self._has_opened, self._is_edge = "thinking", True, True
            return True
        if OPEN.startswith(content):
            return False
        self._state = "text"
        return True

    def _pass_on(self, kind: Literal["text", "reasoning"], tag: str, found: list[Piece | Rewind]) -> bool:
        """Hand out what stands before a tag; True when the tag itself was there."""
        before, is_there, after = self._held.partition(tag)
        if is_there:
            self._put(kind, before, found)
            self._held = after
            return True
        keep = _overlap(self._held, tag)
        self._put(kind, self._held[: len(self._held) - keep], found)
        self._held = self._held[len(self._held) - keep :]
        return False

    def _leave_thought(self) -> bool:
        self._state, self._is_edge = "start", True
        return True

    def _turn_into_reasoning(self, found: list[Piece | Rewind]) -> bool:
        thought, self._text = self.text.lstrip(), []
        found.append(Rewind())
        self._put("reasoning", thought, found)
        self._has_opened = True
        return self._leave_thought()

    def _put(self, kind: Literal["text", "reasoning"], content: str, found: list[Piece | Rewind]) -> None:
        if self._is_edge:
            content = content.lstrip()
        if not content:
            return
        self._is_edge = False
        (self._text if kind == "text" else self._reasoning).append(content)
        found.append(Piece(kind, content))


def split_thinking(text: str) -> tuple[str, str]:
    """Split a whole reply into (reasoning, text)."""
    splitter = ThinkSplitter()
    splitter.feed(text)
    splitter.close()
    return splitter.reasoning, splitter.text


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of the text are the beginning of the tag."""
    return next((n for n in range(min(len(text), len(tag) - 1), 0, -1) if text.endswith(tag[:n])), 0)
