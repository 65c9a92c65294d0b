"""Reads a JSON or Python literal written by a model: numbers, text, true/None, lists, tuples, objects.

Models mix the two notations (single quotes in JSON, ``true`` in Python, a comma before the closing bracket), so both
are read by one grammar. Nothing is evaluated: there are no names, no operators and no calls. Reading is linear in the
text and never nests deeper than ``MAX_DEPTH``.
"""

import math
import re
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
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "0": "\0", "\n": ""}
_CLOSING = {"[": "]", "(": ")", "{": "}"}


class LiteralError(ValueError):
    """The text does not hold a literal here."""


def read_literal(text: str) -> Any:
    """Read a text that is one literal and nothing else.

    Raises:
        LiteralError: it is not, or it nests deeper than ``MAX_DEPTH``.
    """
    value, end = _read_value(text, _skip(text, 0), 0)
    if _skip(text, end) != len(text):
        raise LiteralError(f"text after the literal, at character {end}")
    return value


def find_literals(text: str, opening: str) -> Iterator[tuple[Any, str]]:
    """Yield each literal in a text that begins with ``opening`` (a bracket), with its source, left to right.

    What lies inside a literal is not yielded again. A bracket that opens no literal is stepped over; where brackets
    that lead nowhere are nested deep, reading stops at the first failure of each, so the whole stays linear in
    ``MAX_DEPTH`` times the text.
    """
    place = text.find(opening)
    while place >= 0:
        try:
            value, end = _read_value(text, place, 0)
        except LiteralError:
            end = place + 1
        else:
            yield value, text[place:end]
        place = text.find(opening, end)


def _skip(text: str, place: int) -> int:
    gap = _GAP.match(text, place)
    return gap.end() if gap else place


def _read_value(text: str, place: int, depth: int) -> tuple[Any, int]:
    if place >= len(text):
        raise LiteralError("the text ends where a value was expected")
    first = text[place]
    if first in _CLOSING:
        if depth == MAX_DEPTH:
            raise LiteralError(f"nested deeper than {MAX_DEPTH}")
        return _read_object(text, place + 1, depth + 1) if first == "{" else _read_list(text, place, depth + 1)
    if first in _STRINGS:
        return _read_string(text, place)
    number = _NUMBER.match(text, place)
    if number:
        return _to_number(number[0]), number.end()
    word = _WORD.match(text, place)
    if word and word[0] in _WORDS:
        return _WORDS[word[0]], word.end()
    raise LiteralError(f"no value at character {place}")


def _to_number(digits: str) -> int | float:
    try:
        return float(digits) if any(sign in digits for sign in ".eE") else int(digits)
    except ValueError as error:
        raise LiteralError(f"not a number: {digits[:40]!r}") from error


def _read_string(text: str, place: int) -> tuple[str, int]:
    string = _STRINGS[text[place]].match(text, place)
    if string is None:
        raise LiteralError(f"a string that never ends, at character {place}")
    plain = _ESCAPE.sub(_unescape, string[1]) if "\\" in string[1] else string[1]
    # JSON writes characters beyond U+FFFF as two surrogates.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), string.end()


def _unescape(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(escape[3], escape[3])


def _read_list(text: str, place: int, depth: int) -> tuple[list[Any], int]:
    closing = _CLOSING[text[place]]
    values: list[Any] = []
    place = _skip(text, place + 1)
    while not text.startswith(closing, place):
        value, place = _read_value(text, place, depth)
        values.append(value)
        place = _next_item(text, place, closing)
    return values, place + 1


def _read_object(text: str, place: int, depth: int) -> tuple[dict[str, Any], int]:
    pairs: dict[str, Any] = {}
    place = _skip(text, place)
    while not text.startswith("}", place):
        key, place = _read_value(text, place, depth)
        place = _skip(text, place)
        if not text.startswith(":", place):
            raise LiteralError(f"no colon after the key at character {place}")
        if isinstance(key, list | dict):
            raise LiteralError(f"a key that is no text or number, at character {place}")
        value, place = _read_value(text, _skip(text, place + 1), depth)
        pairs[key if isinstance(key, str) else str(key)] = value
        place = _next_item(text, place, "}")
    return pairs, place + 1


def _next_item(text: str, place: int, closing: str) -> int:
    place = _skip(text, place)
    if text.startswith(",", place):
        return _skip(text, place + 1)
    if not text.startswith(closing, place):
        raise LiteralError(f"neither a comma nor {closing!r} at character {place}")
    return place
