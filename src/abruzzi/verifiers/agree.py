"""Says whether two answers, of which neither is the truth, are equal: what turns candidates into clusters.

Each answer is given a key where it can be read; two answers with keys agree exactly when their keys are equal, which
is an equivalence by construction. Only where one of them has no key (expressions in variables, nested roots) is
math-verify asked, in both directions, and one yes is enough; there, transitivity is only as good as math-verify.
``agree`` is reflexive and symmetric on any text.

A key drops what an answer may leave out: units, names, currencies, the option's text behind a choice. Agreement is
therefore laxer than ``equal_maths`` in these (5 cm agrees with 5 m, since both agree with 5), and stricter in what is
no equivalence: a rounded decimal agrees only with itself, 12% with 12 and not with 0.12, a bare list with no tuple.
"""

import math
import re
import unicodedata
from collections.abc import Hashable
from enum import StrEnum
from typing import cast

from abruzzi.verifiers.exact import TooCostlyError
from abruzzi.verifiers.latex import flatten
from abruzzi.verifiers.literals import LiteralError, read_literal
from abruzzi.verifiers.maths import MAX_CHARS, bare_digits, is_long_integer, is_prose, squeeze
from abruzzi.verifiers.symbolic import prepare, symbolically_equal
from abruzzi.verifiers.values import Kind, read_value

Key = tuple[Hashable, ...]


class AnswerKind(StrEnum):
    """What answers are taken for."""

    AUTO = "auto"
    """Each answer for what it looks like: data, code, maths, words."""
    MATHS = "maths"
    CHOICE = "choice"
    TEXT = "text"
    CODE = "code"
    """Equal but for white space at the ends of lines, empty lines and the fence."""
    DATA = "data"
    """JSON or Python literals: grids, objects, lists."""


def agree(first: str, second: str, kind: AnswerKind = AnswerKind.AUTO) -> bool:
    """Say whether two answers are equal. May compute for long on hostile algebra: see ``agree_quickly``."""
    quick = agree_quickly(first, second, kind)
    if quick is not None:
        return quick
    first, second = flatten(first), flatten(second)
    try:
        return symbolically_equal(first, second) or symbolically_equal(second, first)
    except TooCostlyError:
        return False


def agree_quickly(first: str, second: str, kind: AnswerKind = AnswerKind.AUTO) -> bool | None:
    """Say whether two answers are equal where no algebra is needed, within milliseconds; else None."""
    if first == second:
        return True
    keys = [key for key in (canonical(first, kind), canonical(second, kind)) if key is not None]
    if len(keys) == 2:
        return keys[0] == keys[1]
    if squeeze(flatten(first)) == squeeze(flatten(second)):
        return True
    is_formula = all(key[0] in _FORMULAS for key in keys)
    return None if is_formula else False


def prepare_agreement() -> None:
    """Load what ``agree`` needs for algebra (about a second), so that the first pair does not pay for it."""
    prepare()


def canonical(answer: str, kind: AnswerKind = AnswerKind.AUTO) -> Key | None:
    """Give an answer's key: equal for equal answers; None where only algebra can tell."""
    match kind:
        case AnswerKind.CHOICE:
            return _choice_key(answer)
        case AnswerKind.TEXT:
            return _text_key(answer)
        case AnswerKind.CODE:
            return _code_key(answer)
        case AnswerKind.DATA:
            return _data_key(answer) or _text_key(answer)
        case AnswerKind.MATHS:
            return _maths_key(answer)
        case AnswerKind.AUTO:
            if _CONTAINER.match(answer):
                data = _data_key(answer)
                if data is not None:
                    return data
            is_code = "```" in answer or ("\\" not in answer and _LINES.search(answer.strip()) is not None)
            return _code_key(answer) if is_code else _maths_key(answer)


_FORMULAS = frozenset([Kind.NUMBER, Kind.INFINITY, Kind.SEVERAL, Kind.TUPLE, Kind.UNION, Kind.MATRIX, Kind.CHOICE])
"""Kinds that an answer without a key, which is a formula, can be equal to."""
_CONTAINER = re.compile(r"\s*(?:\{\s*[\"']|\[\s*[\[{\"'])")
"""Only objects, nested lists and lists of strings are data of their own; [1, 2] is left to maths."""
_LINES = re.compile(r"\n[^\n]*\S[^\n]*\n")
"""Three lines or more."""
_FENCE = re.compile(r"^\s*```[^\n]*\n(.*?)(?:\n\s*```\s*)?$", re.DOTALL)
_CHOICE_WORDS = re.compile(r"\b(?:the|correct|answers?|options?|choices?|is|are|and)\b|\\[a-z]+", re.IGNORECASE)
_LABELLED = re.compile(r"\W{0,5}([A-Za-z])\s?[).:]")


def _maths_key(answer: str) -> Key | None:
    if len(answer) > MAX_CHARS or is_long_integer(answer):
        return ("long", bare_digits(answer))
    flat = flatten(answer)
    if not flat:
        return ("text", "")
    try:
        value = read_value(flat)
    except TooCostlyError:
        return ("costly", squeeze(flat))
    if value is not None:
        return value.key
    return _text_key(flat) if is_prose(flat) else None


def _choice_key(answer: str) -> Key:
    """The letters chosen, in any order; the text behind a letter does not count."""
    text = _CHOICE_WORDS.sub(" ", flatten(answer)).strip()
    words = re.findall(r"[^\W\d_]+", text)
    labelled = _LABELLED.match(text)
    if words and all(len(word) == 1 for word in words):
        return ("choice", *sorted({word.upper() for word in words}))
    if labelled:
        return ("choice", labelled[1].upper())
    if re.fullmatch(r"[A-J]{2,10}", text) and len(set(text)) == len(text):
        return ("choice", *sorted(text))
    return _text_key(answer)


def _text_key(answer: str) -> Key:
    """Words without case, accents' encoding, punctuation and a leading article."""
    text = unicodedata.normalize("NFKC", answer).casefold()
    words = re.findall(r"\w+(?:[.,]\d+)*", text.replace("_", " "))
    if len(words) > 1 and words[0] in ("the", "a", "an"):
        words = words[1:]
    return ("text", " ".join(words) or " ".join(text.split()))


def _code_key(answer: str) -> Key:
    fenced = _FENCE.match(answer.expandtabs(4).replace("\r\n", "\n"))
    code = fenced[1] if fenced else answer.expandtabs(4).replace("\r\n", "\n")
    return ("code", *(line.rstrip() for line in code.split("\n") if line.strip()))


def _data_key(answer: str) -> Key | None:
    fenced = _FENCE.match(answer)
    try:
        return ("data", _freeze(read_literal(fenced[1] if fenced else answer)))
    except LiteralError:
        return None


def _freeze(value: object) -> Hashable:
    """Make data hashable; 1 and 1.0 are equal, 1 and true are not, a NaN is itself."""
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return ("object", frozenset((key, _freeze(item)) for key, item in pairs))
    if isinstance(value, list):
        return ("list", *map(_freeze, cast("list[object]", value)))
    if isinstance(value, float) and math.isnan(value):
        return ("nan",)
    return (isinstance(value, bool), cast("Hashable", value))
