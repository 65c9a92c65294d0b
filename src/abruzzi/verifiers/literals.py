"""Reads a JSON or Python literal written by a model: numbers, text, true/None, lists, tuples, objects.

Models mix the two notations (single quotes in JSON, ``true`` in Python, a comma before the closing bracket), so both
are read by one grammar. Nothing is evaluated: there are no names, no operators and no calls. Reading is linear in the
text and never nests deeper than ``MAX_DEPTH``.
"""

import math
import re
import sys
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 100
"""No honest answer nests deeper; a bomb does."""

_GAP = re.compile(r"\s*")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"-?[A-Za-z]+")
_WORDS: dict[str, Any] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
    "NaN": math.nan,
    "nan": math.nan,
    "Infinity": math.inf,
    "inf": math.inf,
    "-Infinity": -math.inf,
    "-inf": -math.inf,
}
_STRINGS = {
    '"': re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL),
    "'": re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL),
}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "0": "\0", "\n": ""}
_CLOSING = {"[": "]", "(": ")", "{": "}"}


class LiteralError(ValueError):
    """The text does not hold a literal here."""

    def __init__(self, message: str, place: int, *, is_too_deep: bool = False) -> None:
        super().__init__(f"{message}, at character {place}")
        self.args = (message, place)
        self.place = place
        self.is_too_deep = is_too_deep


def read_literal(text: str) -> Any:
    """Read a text that is one literal and nothing else.

    Raises:
        LiteralError: it is not, or it nests deeper than ``MAX_DEPTH``.
    """
    value, end = _Reader(text).read_value(_skip(text, 0), 0)
    if _skip(text, end) != len(text):
        raise LiteralError("text after the literal", end)
    return value


def find_literals(text: str, opening: str) -> Iterator[tuple[Any, str]]:
    """Yield each literal in a text that begins with ``opening`` (a bracket), with its source, left to right.

    What lies inside a literal is not yielded again. Of a literal that breaks off, the whole ones inside are yielded.
    The search ends where something nests deeper than ``MAX_DEPTH``.
    """
    place = text.find(opening)
    while place >= 0:
        reader = _Reader(text, opening)
        try:
            _, end = reader.read_value(place, 0)
        except LiteralError as error:
            if error.is_too_deep:
                return
            end = max(error.place, place + 1)
        for value, start, stop in reader.whole:
            yield value, text[start:stop]
        place = text.find(opening, end)


def _skip(text: str, place: int) -> int:
    gap = _GAP.match(text, place)
    return gap.end() if gap else place


class _Reader:
    """Reads one value after another, and keeps the outermost whole ones of a kind, should what holds them break off."""

    def __init__(self, text: str, opening: str = "") -> None:
        self.text = text
        self.opening = opening
        self.whole: list[tuple[Any, int, int]] = []

    def read_value(self, place: int, depth: int) -> tuple[Any, int]:
        """Read the value at a place; give it and where it ends."""
        first = self.text[place : place + 1]
        if first in _CLOSING:
            return self._read_bracket(place, depth)
        if first in _STRINGS:
            return self._read_string(place)
        number = _NUMBER.match(self.text, place)
        if number:
            return _to_number(number[0], place), number.end()
        word = _WORD.match(self.text, place)
        if word and word[0] in _WORDS:
            return _WORDS[word[0]], word.end()
        raise LiteralError("no value", place)

    def _read_bracket(self, place: int, depth: int) -> tuple[Any, int]:
        if depth == MAX_DEPTH:
            raise LiteralError(f"nested deeper than {MAX_DEPTH}", place, is_too_deep=True)
        num_before = len(self.whole)
        read = self._read_object if self.text[place] == "{" else self._read_list
        value, end = read(place, depth + 1)
        if self.text[place] == self.opening:
            self.whole[num_before:] = [(value, place, end)]
        return value, end

    def _read_list(self, place: int, depth: int) -> tuple[list[Any], int]:
        closing = _CLOSING[self.text[place]]
        values: list[Any] = []
        place = _skip(self.text, place + 1)
        while not self.text.startswith(closing, place):
            value, place = self.read_value(place, depth)
            values.append(value)
            place = self._next_item(place, closing)
        return values, place + 1

    def _read_object(self, place: int, depth: int) -> tuple[dict[str, Any], int]:
        pairs: dict[str, Any] = {}
        place = _skip(self.text, place + 1)
        while not self.text.startswith("}", place):
            key, place = self.read_value(place, depth)
            place = _skip(self.text, place)
            if not self.text.startswith(":", place) or isinstance(key, list | dict):
                raise LiteralError("no colon after a key that is text or a number", place)
            value, place = self.read_value(_skip(self.text, place + 1), depth)
            pairs[key if isinstance(key, str) else str(key)] = value
            place = self._next_item(place, "}")
        return pairs, place + 1

    def _next_item(self, place: int, closing: str) -> int:
        place = _skip(self.text, place)
        if self.text.startswith(",", place):
            return _skip(self.text, place + 1)
        if not self.text.startswith(closing, place):
            raise LiteralError(f"neither a comma nor {closing!r}", place)
        return place

    def _read_string(self, place: int) -> tuple[str, int]:
        string = _STRINGS[self.text[place]].match(self.text, place)
        if string is None:
            raise LiteralError("a string that never ends", place)
        plain = _ESCAPE.sub(_unescape, string[1]) if "\\" in string[1] else string[1]
        # JSON writes characters beyond U+FFFF as two surrogates.
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), string.end()


def _to_number(digits: str, place: int) -> int | float:
    try:
        return float(digits) if any(sign in digits for sign in ".eE") else int(digits)
    except ValueError as error:
        raise LiteralError("no number that can be read", place) from error


def _unescape(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code is None:
        return _ESCAPED.get(escape[4], escape[4])
    return chr(min(int(code, 16), sys.maxunicode))
