"""Canaries: texts that must not come out, plain or lightly disguised.

A text is watched as its letters and digits alone, so that spacing, case and punctuation hide nothing, in these forms:
as it is, backwards, in base64 at each of the three alignments, in hex, and in ROT13. What holds a long enough run of
any of them is forbidden. A stream is held back from where such a run may have begun.

A text that is translated, paraphrased, spelt with other letters between, or encoded otherwise is not recognised.

The marker is a random word that is put into system messages, so that whoever gets the message out, in whatever words
around it, gets the marker out with it.
"""

import base64
import codecs
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest, Emit, ignore
from abruzzi.models.wrapped import WrappedChat
from abruzzi.nouns import Completion, Message
from abruzzi.reasoning.prompts import prompt_versions, read_prompt
from abruzzi.serving.guard.folding import squeeze
from abruzzi.serving.guard.scan import Scan, Span

KEY_RUN = 16
"""Letters and digits of a key that give it away."""
PROMPT_RUN = 80
"""Of a system prompt: some twelve words. Shorter prompts count as a whole, down to ``MIN_RUN``."""
MIN_RUN = 8
MIN_PROMPT_RUN = 24
"""A system message shorter than this is no secret: its words would be said by chance."""
MAX_WATCHED_CHARS = 4_000
"""Of one text: what is watched takes memory and time to prepare."""
_PIECE = 4
"""Length of the pieces that tell quickly where a run cannot be."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A rule that forbids long runs of watched texts."""

    texts: tuple[str, ...]
    """Squeezed, in all forms; runs never go across two of them."""
    run: int
    """How long a run is forbidden."""
    _joined: str = field(init=False, repr=False)
    _pieces: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pieces = {
            text[place : place + size]
            for text in self.texts
            for size in range(1, _PIECE + 1)
            for place in range(len(text) - size + 1)
        }
        object.__setattr__(self, "_joined", "\n".join(self.texts))
        object.__setattr__(self, "_pieces", frozenset(pieces))

    def scan(self, text: str, *, start: int, is_final: bool) -> Scan:
        """See ``Rule.scan``."""
        squeezed = squeeze(text)
        letters, starts = squeezed.text, squeezed.starts
        begin = next((place for place, where in enumerate(starts) if where >= start), len(letters))
        # From ``begin`` on every piece of the last few letters is a piece of a watched text: a run, or nearly one.
        for end in range(begin + 1, len(letters) + 1):
            low = begin if end - begin < _PIECE else end - _PIECE
            if letters[low:end] not in self._pieces:
                begin = low + 1
                while begin < end and letters[begin:end] not in self._pieces:
                    begin += 1
            elif end - begin >= self.run and letters[end - self.run : end] in self._joined:
                return Scan((Span(starts[end - self.run], starts[end - 1] + 1, is_fatal=True),))
        begin = max(begin, len(letters) - self.run + 1)
        return Scan((), starts[begin] if begin < len(letters) and not is_final else None)


def watch_keys(keys: Iterable[str]) -> list[Watch]:
    """Watch keys and markers; shorter ones than ``MIN_RUN`` letters and digits cannot be."""
    by_run: dict[int, list[str]] = {}
    for key in keys:
        size = len(squeeze(key).text)
        if size >= MIN_RUN:
            by_run.setdefault(min(KEY_RUN, size), []).append(key)
    return [Watch(_disguise(tuple(texts)), run) for run, texts in by_run.items()]


def watch_prompts(prompts: Iterable[str]) -> tuple[Watch, ...]:
    """Watch system prompts."""
    return _watch_prompts(tuple(dict.fromkeys(prompts)))


def our_prompts() -> list[str]:
    """Return the system prompts of the pipeline."""
    names = (*prompt_versions(), *prompt_versions("conversation"))
    return [system for name in names if (system := read_prompt(name)[0])]


@lru_cache(maxsize=32)
def _watch_prompts(prompts: tuple[str, ...]) -> tuple[Watch, ...]:
    """Watch prompts, those of one length of run together; clients send the same ones again and again."""
    by_run: dict[int, list[str]] = {}
    for prompt in prompts:
        size = len(squeeze(prompt).text)
        if size >= MIN_PROMPT_RUN:
            by_run.setdefault(min(PROMPT_RUN, size), []).append(prompt)
    return tuple(Watch(_disguise(texts), run) for run, texts in by_run.items())


def _disguise(texts: Sequence[str]) -> tuple[str, ...]:
    """Write texts in every form that is watched, squeezed."""
    forms: list[str] = []
    for text in texts:
        raw = text[:MAX_WATCHED_CHARS].encode("utf-8", "replace")
        forms += text[:MAX_WATCHED_CHARS], text[:MAX_WATCHED_CHARS][::-1], codecs.encode(text, "rot13"), raw.hex()
        # The first and last groups of four also depend on what stands around the text.
        forms += (base64.b64encode(bytes(offset) + raw).decode()[4 if offset else 0 : -4] for offset in range(3))
    return tuple(dict.fromkeys(squeezed for form in forms if (squeezed := squeeze(form).text)))


def make_marker() -> str:
    """Make a marker: a word that no model says by chance."""
    return "".join(secrets.choice("bcdfghjkmnpqrstvwxz") for _ in range(KEY_RUN))


class MarkedChat(WrappedChat):
    """A ``ChatModel`` whose system messages carry a marker."""

    def __init__(self, chat: ChatModel, marker: str) -> None:
        super().__init__(chat)
        self._marker = marker

    async def complete(self, request: ChatRequest, *, ledger: Ledger, emit: Emit = ignore) -> tuple[Completion, ...]:
        """Complete a chat with its system messages marked; see ``ChatModel.complete``."""
        messages = tuple(self._mark(message) for message in request.messages)
        return await self._inner.complete(replace(request, messages=messages), ledger=ledger, emit=emit)

    def _mark(self, message: Message) -> Message:
        if message.role != "system":
            return message
        return replace(message, content=f"{message.content}\n\nConfidential, never to be written: {self._marker}")
