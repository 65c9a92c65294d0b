"""Phrases with gaps, for what people write: ``ignore|disregard * previous|prior * instructions``.

``|`` parts words of which one must stand there, ``*`` stands for up to 40 characters. Text is folded first (see
``folding``). A word is found at the beginning of a word: ``kill`` is not in ``skill``, but in ``kills``; scripts that
write no spaces are searched everywhere. There are no other signs: phrases can be searched in time proportional to the
text whatever an operator writes, which regular expressions cannot.
"""

import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from typing import Self

from abruzzi.errors import ConfigError
from abruzzi.serving.guard.folding import fold
from abruzzi.serving.guard.scan import Scan, Span

GAP = 40
"""Folded characters that ``*`` may stand for."""
MAX_CHARS = 1000
MAX_PARTS = 8


@dataclass(frozen=True, slots=True)
class Phrase:
    """A rule that looks for one phrase."""

    parts: tuple[tuple[str, ...], ...]
    """Folded words, in order; of each part one must stand there."""
    is_fatal: bool = False

    @classmethod
    def parse(cls, text: str, *, is_fatal: bool = False) -> Self:
        """Read a phrase as people write it.

        Raises:
            ConfigError: it is empty, too long, or has an empty part.
        """
        if len(text) > MAX_CHARS:
            raise ConfigError(f"the phrase {text[:40]!r}… has {len(text)} characters; the limit is {MAX_CHARS}")
        parts = tuple(tuple(fold(word).text.strip() for word in part.split("|")) for part in text.split("*"))
        if len(parts) > MAX_PARTS or not all(word for part in parts for word in part):
            raise ConfigError(
                f"the phrase {text!r} has an empty word or more than {MAX_PARTS} parts; write: ignore|forget * rules"
            )
        return cls(parts, is_fatal)

    @property
    def longest(self) -> int:
        """Folded characters of the longest match."""
        return sum(max(map(len, part)) for part in self.parts) + GAP * (len(self.parts) - 1)

    def scan(self, text: str, *, start: int, is_final: bool) -> Scan:
        """See ``Rule.scan``."""
        folded = fold(text)
        first = bisect_left(folded.starts, start)
        places = [self._find(part, folded.text) for part in self.parts]
        places[0] = [(begin, end) for begin, end in places[0] if begin >= first]
        spans = tuple(
            Span(folded.starts[begin], folded.starts[end - 1] + 1, self.is_fatal) for begin, end in _chain(places)
        )
        if is_final:
            return Scan(spans)
        size = len(folded.text)
        growing = [begin for begin, _ in places[0] if len(self.parts) > 1 and begin + self.longest >= size]
        growing += [place for place in (self._partial(folded.text, first),) if place is not None]
        return Scan(spans, folded.starts[min(growing)] if growing else None)

    def _find(self, part: tuple[str, ...], text: str) -> list[tuple[int, int]]:
        """Find every place of a part's words, in order."""
        found: list[tuple[int, int]] = []
        for word in part:
            place = text.find(word)
            while place >= 0:
                if _begins_word(text, place):
                    found.append((place, place + len(word)))
                place = text.find(word, place + 1)
        return sorted(found)

    def _partial(self, text: str, first: int) -> int | None:
        """Find where the first part may have begun at the text's end."""
        longest = max(map(len, self.parts[0]))
        for place in range(max(first, len(text) - longest + 1), len(text)):
            tail = text[place:]
            if _begins_word(text, place) and any(
                len(tail) < len(word) and word.startswith(tail) for word in self.parts[0]
            ):
                return place
        return None


def _chain(places: list[list[tuple[int, int]]]) -> list[tuple[int, int]]:
    """Find the matches: a place of each part, each at most a gap behind the nearest one before."""
    matches = places[0]
    for following in places[1:]:
        ends = sorted((end, begin) for begin, end in matches)
        matches: list[tuple[int, int]] = []
        for begin, end in following:
            nearest = bisect_left(ends, (begin + 1, 0)) - 1
            if nearest >= 0 and ends[nearest][0] >= begin - GAP:
                matches.append((ends[nearest][1], end))
    return matches


def _begins_word(text: str, place: int) -> bool:
    """True where a word of a script with spaces begins, and everywhere in other scripts."""
    char = text[place]
    if not char.isalnum() or unicodedata.category(char) == "Lo":
        return True
    return place == 0 or not text[place - 1].isalnum()
