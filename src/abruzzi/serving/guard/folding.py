"""Folds text so that what looks the same compares equal, and remembers where each folded character came from.

Case, accents, width (``ＡＢＣ``), invisible characters and the commonest Cyrillic and Greek look-alikes do not count,
and a run of white space is one space. Each character is folded by itself, so that folding pieces and folding the whole
give the same. What is spelt with other words, letters or languages is not undone here. Several rules look at one text
after another, so the last few are remembered.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_LOOK_ALIKES = str.maketrans("авекмнорстухіјѕԁɡһаοανικρτυχ", "abekmhopctyxijsdghaoavikptyx")


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded text; ``starts[i]`` is where its character i stands in the original."""

    text: str
    starts: tuple[int, ...]


@lru_cache(maxsize=8)
def fold(text: str) -> Folded:
    """Fold text for reading: words stay apart."""
    folded: list[str] = []
    starts: list[int] = []
    for place, char in enumerate(text):
        for one in fold_char(char):
            if one == " " and folded and folded[-1] == " ":
                continue
            folded.append(one)
            starts.append(place)
    return Folded("".join(folded), tuple(starts))


@lru_cache(maxsize=8)
def squeeze(text: str) -> Folded:
    """Fold text to its letters and digits alone: spaced or punctuated text is the same as plain text."""
    folded: list[str] = []
    starts: list[int] = []
    for place, char in enumerate(text):
        for one in fold_char(char):
            if one.isalnum():
                folded.append(one)
                starts.append(place)
    return Folded("".join(folded), tuple(starts))


@lru_cache(maxsize=4096)
def fold_char(char: str) -> str:
    """Fold one character; nothing is left of an invisible one."""
    if char.isspace():
        return " "
    kept = (one for one in unicodedata.normalize("NFKD", char) if unicodedata.category(one) not in ("Mn", "Cf"))
    return "".join(kept).casefold().translate(_LOOK_ALIKES)
