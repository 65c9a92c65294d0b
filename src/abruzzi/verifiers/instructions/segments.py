"""Cuts a reply into words, sentences and paragraphs, the same way for every checker."""

import re

_SIGHT = 40
"""How many characters around a full stop tell what it ends."""
_WORD = re.compile(r"\w+")
_STOP = re.compile(r"([.!?。！？।]+)[\"'”’)\]*_]*(?=\s|$)|[。！？।]")
_ENUMERATOR = re.compile(r"^\s*(?:[-*•#>]+\s+)*\d{1,3}[.)](?=\s)", re.MULTILINE)
_TITLES = frozenset(["mr", "mrs", "ms", "dr", "prof", "st", "mt", "jr", "sr", "gen", "col", "lt", "capt", "rev", "gov"])
_MONTHS = frozenset(["jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"])
_OTHERS = frozenset(
    ["etc", "e.g", "i.e", "vs", "inc", "ltd", "co", "corp", "no", "al", "a.m", "p.m", "u.s", "u.k", "ph.d"]
)
_ABBREVIATIONS = _TITLES | _MONTHS | _OTHERS


def count_words(text: str) -> int:
    """Count runs of letters and digits; "don't" is two, as in the public checkers."""
    return len(_WORD.findall(text))


def count_sentences(text: str, *, counts_enumerators: bool = False) -> int:
    """Count sentences: stretches that end in ``.``, ``!`` or ``?``, and a last one that does not.

    A title such as "Dr." or an initial ends none; another abbreviation or dots end one only before a capital. A number
    that begins a list item ends none either, unless ``counts_enumerators``.
    """
    if not counts_enumerators:
        text = _ENUMERATOR.sub("", text)
    num_sentences, start = 0, 0
    for stop in _STOP.finditer(text):
        before = text[max(start, stop.start() - _SIGHT) : stop.start()]
        if not _ends_sentence(before, stop[0], text[stop.end() : stop.end() + _SIGHT]):
            continue
        num_sentences += any(c.isalnum() for c in text[start : stop.start()])
        start = stop.end()
    return num_sentences + any(c.isalnum() for c in text[start:])


def _ends_sentence(before: str, stop: str, after: str) -> bool:
    if not stop.startswith("."):
        return True
    last = before.rpartition(" ")[2].lower().lstrip("(\"'[*_\n")
    if last in _TITLES:
        return False
    if len(last) == 1 and last.isalpha() and last != "i":
        return not after.strip()
    if stop.startswith("..") or last in _ABBREVIATIONS:
        return not after.strip() or after.lstrip(" \t\"'“‘([*_")[:1].isupper()
    return True


def paragraphs_by_blank_lines(text: str) -> list[str]:
    """Cut at empty lines; paragraphs without content are left out."""
    return [part.strip() for part in text.split("\n\n") if part.strip()]
