"""What a rule says about a piece of text, and how the answers of several rules are carried out on a stream.

A rule looks at the text that is held and says what it found, and from where on the text must be held because a match
may still be growing there. What is let through is then the same however the stream was cut into pieces.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from abruzzi.serving.guard.folding import fold_char

WITHHELD = "[withheld]"
"""Stands where something was taken out."""


class ForbiddenError(Exception):
    """A text must not pass; the guard turns it into a refusal that does not say why."""


@dataclass(frozen=True, slots=True)
class Span:
    """A match, ``[start, end)``."""

    start: int
    end: int
    is_fatal: bool = False
    """The whole text is refused; otherwise the match is taken out."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a rule says about a text."""

    spans: tuple[Span, ...] = ()
    hold: int | None = None
    """From here on a match may still be growing; None where none is."""


class Rule(Protocol):
    """Looks for one kind of forbidden text."""

    def scan(self, text: str, *, start: int, is_final: bool) -> Scan:
        """Look for matches.

        Args:
            text: what is held, behind as much of what was sent as ``start`` says.
            start: matches that begin before it were judged already.
            is_final: nothing comes after this text.
        """
        ...


@dataclass(slots=True)
class Gate:
    """Holds the text of one stream until the rules let it through."""

    rules: Sequence[Rule]
    max_held: int
    """Characters; a match that keeps growing beyond them is refused."""
    _before: str = ""
    """The end of what was let through: rules look at how a word begins."""
    _held: str = ""

    @property
    def num_held(self) -> int:
        """Characters on hold."""
        return len(self._held)

    def push(self, text: str, *, is_final: bool = False) -> str:
        """Take a piece; return what may go out now.

        Raises:
            ForbiddenError: nothing more may.
        """
        self._held += text
        start = len(self._before)
        scans = [rule.scan(self._before + self._held, start=start, is_final=is_final) for rule in self.rules]
        spans = _merge(span for scan in scans for span in scan.spans)
        if any(span.is_fatal for scan in scans for span in scan.spans):
            raise ForbiddenError
        end = start + len(self._held)
        cut = end if is_final else min([end, *(scan.hold for scan in scans if scan.hold is not None)])
        for span in spans:
            if span.start < cut < span.end:
                cut = span.start
        if end - cut > self.max_held:
            raise ForbiddenError
        return self._let_through(spans, start, max(cut, start))

    def _let_through(self, spans: Iterable[Span], start: int, cut: int) -> str:
        whole = self._before + self._held
        out: list[str] = []
        place = start
        for span in spans:
            if span.end <= cut:
                out += whole[place : span.start], WITHHELD
                place = span.end
        out.append(whole[place:cut])
        self._before, self._held = _end_of(whole[:cut]), whole[cut:]
        return "".join(out)


def _end_of(text: str) -> str:
    """Return the last character that is seen, and the very last one where that is not."""
    seen = next((place for place in range(len(text) - 1, -1, -1) if fold_char(text[place])), None)
    if seen is None:
        return text[-1:]
    return text[seen] + (text[-1] if seen < len(text) - 1 else "")


def _merge(spans: Iterable[Span]) -> list[Span]:
    """Join spans that share a character."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if merged and span.start < merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged
