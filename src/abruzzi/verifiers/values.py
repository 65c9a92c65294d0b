r"""Reads an answer in flat notation as a value whose equality can be decided without sympy, or says that it cannot.

What is read: constants (see ``exact``) with a currency, unit, percent sign, base or name; ∞; choice letters; words;
several answers (``1, 2``, ``3 or 4``, ``\{1, 2\}``, ``1 \pm \sqrt2``); tuples, intervals and unions of them; ratios;
matrices. Everything else (variables, inequalities, equations, functions) is None and left to ``symbolic``.

``Value.key`` is equal for equal answers. What an answer may leave out (unit, name, base) is not in the key: as 5 equals
both 5 cm and 5 m, an equivalence has no other choice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from abruzzi.verifiers.constants import read_exact
from abruzzi.verifiers.exact import Exact, NotConstantError

MAX_CHARS = 20_000
MAX_DEPTH = 8
MAX_SUFFIXES = 6
"""Unit, power, percent sign and the like behind one number."""


class Kind(StrEnum):
    """What an answer is."""

    NUMBER = "number"
    INFINITY = "infinity"
    CHOICE = "choice"
    WORDS = "words"
    SEVERAL = "several"
    """Answers of which the order does not matter."""
    TUPLE = "tuple"
    """Also an interval or a column vector; the brackets tell."""
    UNION = "union"
    MATRIX = "matrix"


Key = tuple[Any, ...]
"""Of one shape for each kind, so that keys can be sorted as well as hashed."""


@dataclass(frozen=True, slots=True)
class Value:
    """An answer that was understood."""

    kind: Kind
    number: Exact | None = None
    """Only of a number; as written, also where a percent sign follows."""
    text: str = ""
    """Words, a letter, a sign, the brackets or the shape, depending on the kind."""
    items: tuple["Value", ...] = ()
    """In the order in which they are written; for a choice, the option's own value where it is given."""
    unit: str = ""
    """Unit, currency or base, spelt one way; empty where none is written."""
    name: str = ""
    """What stands left of ``=``."""
    decimals: int = 0
    """Digits after the point of a plain decimal."""
    is_percent: bool = False

    @property
    def key(self) -> Key:
        """Equal for equal answers, and only for them."""
        if self.number is not None:
            return (self.kind, (self.as_share if self.is_percent and self.is_below_one else self.number).terms)
        if self.kind is Kind.CHOICE:
            return (self.kind, self.text)
        keys = [item.key for item in self.items_by_name]
        return (self.kind, self.text, *(sorted(keys) if self.kind in (Kind.SEVERAL, Kind.UNION) else keys))

    @property
    def items_by_name(self) -> tuple["Value", ...]:
        """The items, those of a tuple sorted by their names where all have one."""
        if self.kind is Kind.TUPLE and all(item.name for item in self.items):
            return tuple(sorted(self.items, key=lambda item: item.name))
        return self.items

    @property
    def is_below_one(self) -> bool:
        """True for a rational of magnitude below 1: such a percentage is never meant without its sign."""
        value = None if self.number is None else self.number.rational
        return value is not None and abs(value) < 1

    @property
    def as_share(self) -> Exact:
        """The number, divided by 100 where a percent sign follows it."""
        number = self.number or Exact.of(0)
        return number / Exact.of(100) if self.is_percent else number


_NUMERAL = re.compile(r"[-+]?(?:\d+(?:\.(\d*))?|\.(\d+))")
_THOUSANDS = re.compile(r"(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_SPACED_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?: \d{3})+(?:\.\d+)?")
_HEDGE = re.compile(
    r"^(?:approximately|approx\.?|about|roughly|around|exactly|only|\\approx|\\sim|~)\s?", re.IGNORECASE
)
_CHOICE = re.compile(
    r'(?:option |choice )?(?:"?\(\s?"?([A-Ja-j])"?\s?\)"?|"?([A-J])"?(?:[.:](?!\S)|\))?)(?:(?<=[.:)"])\s?(.+))?',
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r",|;|(?<![A-Za-z])(?:and|or|AND|OR)(?![A-Za-z])|\\(?:lor|vee)(?![A-Za-z])")
_EQUALS = re.compile(r"(?<![<>!:=])=(?!=)|:=|\\equiv(?![A-Za-z])")
_APPROX = re.compile(r"\\(?:approx|simeq)(?![A-Za-z])")
_MEMBER = re.compile(r"\\in(?![A-Za-z])")
_CUP = re.compile(r"\\cup(?![A-Za-z])")
_PLUS_MINUS = re.compile(r"\\pm(?![A-Za-z])|\+/-|\+-")
_STRUCTURE = re.compile(r'"[^"]*"|\\begin|\\end|\\[lr]angle|\\[{}]|[()\[\]{}]')
_OPENING = frozenset(["\\begin", "\\langle", "\\{", "(", "[", "{"])
_NAME = re.compile(r"(?!\d|pi\b|i$|e$)[A-Za-z\\|(\"][\w\\|(){}' ,:\"]{0,40}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_SENTENCE = re.compile(r"[A-Za-z][a-z]{1,9} [A-Za-z]")
_INFINITY = re.compile(r"([-+]?)\s?(?:\\infty|infinity|inf|oo)", re.IGNORECASE)
_BASED = re.compile(r"([-+]?\d+)_\s?\{?\s?(\d{1,2})\s?\}?")
_RATIO = re.compile(r"[^:]{1,40}(?::[^:]{1,40}){1,5}")
_MATRIX = re.compile(r"\\begin\s?\{([pbB]?matrix|smallmatrix|array)\}(?:\{[lcr| ]*\})?(.{0,4000})\\end\s?\{\1\}")

_WORDS = re.compile(r"[^\W\d_](?:[^\W\d_]|[' -]|\.(?= ))*")
_SHORT_WORDS = frozenset(["yes", "no", "odd", "all", "none", "dne", "not"])
_NOT_WORDS = frozenset(["sqrt", "choose", "infinity"])
_ARTICLE = re.compile(r"^(?:the|an?) ")

_CURRENCY = re.compile(r"^([-+]?)\s?([$€£¥])\s?([-+]?)")
_QUOTED_UNIT = re.compile(r'\s?"([^"]*)"\s?(?:\^\s?\{?\s?-?\d\s?\}?)?\s?/?$')
_BARE_UNIT = re.compile(r"(?<=[\d)}])(\s?)([A-Za-z][A-Za-z]*(?:[ /-][A-Za-z]+)*\.?)\s?(?:\^\s?\{?\s?\d\s?\}?)?$")
_REMARK = re.compile(r"\([^()\d]{0,200}[A-Za-z]{2}[^()]{0,200}\)")
_NOT_UNIT = re.compile(
    r"\b(?:[a-fi-kn-rt-z]|and|or|pi|sqrt|choose|mod|times|plus|minus|over|less|more|than|to|by|divided|squared|cubed|if|when|for|"
    r"where|is|sin|cos|tan|cot|sec|csc|log|ln|exp|inf|infinity|positive|negative)\b",
    re.IGNORECASE,
)
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_UNITS = {
    spelling: group.partition(" ")[0]
    for group in (
        *("cm centimeter centimetre", "mm millimeter millimetre", "m meter metre", "km kilometer kilometre"),
        *("in inch inche", "ft foot feet", "yd yard", "mi mile", "g gram", "mg milligram", "kg kilogram", "lb pound"),
        *("oz ounce", "ml milliliter millilitre", "l liter litre", "s sec second", "min minute", "h hr hour", "day"),
        *("week", "month", "year", "$ dollar usd", "€ euro", "£", "¥ yen", "cent", "degree", "radian"),
    )
    for spelling in group.split(" ")
}


def read_value(flat: str) -> Value | None:
    """Read an answer; None where it is none of the kinds.

    Raises:
        TooCostlyError: it holds a constant that would take too long to work out.
    """
    if not flat or len(flat) > MAX_CHARS:
        return None
    try:
        return _read(flat, 0)
    except NotConstantError:
        return None


def _read(flat: str, depth: int) -> Value:
    """Read an answer or a part of one; raises NotConstantError where it is not understood."""
    flat = flat.strip()
    plain = _NUMERAL.fullmatch(flat)
    if plain:
        return Value(Kind.NUMBER, read_exact(flat), decimals=len(plain[1] or plain[2] or ""))
    flat = _HEDGE.sub("", flat)
    if depth > MAX_DEPTH or not flat:
        raise NotConstantError("nothing, or nested too deep")
    choice = _CHOICE.fullmatch(flat)
    if choice and (choice[1] or choice[2].isupper()):
        return _choice(choice, depth)
    flat = _drop_thousands(flat)
    for split in (
        _split_several,
        _split_named,
        _split_brackets,
        _split_union,
        _split_matrix,
        _split_signs,
        _split_ratio,
    ):
        value = split(flat, depth)
        if value is not None:
            return value
    infinite = _INFINITY.fullmatch(flat)
    if infinite:
        return Value(Kind.INFINITY, text="-" if infinite[1] == "-" else "+")
    return _words(flat) or _number(flat)


def _drop_thousands(flat: str) -> str:
    """Take separators of thousands away; in brackets they separate items, unless those are spaced."""
    if "," not in flat:
        return flat
    spans = [] if ", " in flat else list(_closed_spans(flat))

    def join(match: re.Match[str]) -> str:
        is_inside = any(start < match.start() < end for start, end in spans)
        return match[0] if is_inside else match[0].replace(",", "")

    return _THOUSANDS.sub(join, flat)


def _choice(match: re.Match[str], depth: int) -> Value:
    items: tuple[Value, ...] = ()
    if match[3]:
        try:
            items = (_read(match[3], depth + 1),)
        except NotConstantError:
            items = ()
    return Value(Kind.CHOICE, text=(match[1] or match[2]).upper(), items=items)


def _pieces(flat: str, separator: re.Pattern[str]) -> list[str]:
    """Split at the separators that stand in no brackets."""
    if separator.search(flat) is None:
        return [flat]
    spans = _closed_spans(flat)
    parts: list[str] = []
    start = 0
    span = next(spans, None)
    for mark in separator.finditer(flat):
        while span is not None and span[1] <= mark.start():
            span = next(spans, None)
        if span is None or mark.start() < span[0]:
            parts.append(flat[start : mark.start()])
            start = mark.end()
    return [*parts, flat[start:]]


def _closed_spans(flat: str) -> Iterator[tuple[int, int]]:
    """Give the outermost bracketed spans (any closing bracket ends any opening one: intervals mix them)."""
    depth = start = 0
    for mark in _STRUCTURE.finditer(flat):
        token = mark[0]
        if token[0] == '"':
            if depth == 0:
                yield mark.span()
        elif token in _OPENING:
            start = start if depth else mark.start()
            depth += 1
        else:
            depth -= 1
            if depth < 0:
                raise NotConstantError("unbalanced brackets")
            if depth == 0:
                yield start, mark.end()
    if depth:
        raise NotConstantError("unbalanced brackets")


def _is_enclosed(flat: str) -> bool:
    return next(_closed_spans(flat), None) == (0, len(flat))


def _several(items: list[Value]) -> Value:
    """Make one list of lists; the same answer given again (``1.5 or 3/2``) is one answer."""
    parts = [part for item in items for part in (item.items if item.kind is Kind.SEVERAL else (item,))]
    return parts[0] if len({part.key for part in parts}) == 1 else Value(Kind.SEVERAL, items=tuple(parts))


def _split_several(flat: str, depth: int) -> Value | None:
    parts = _pieces(flat, re.compile(";")) if ";" in flat else [flat]
    parts = parts if len(parts) > 1 else [p for p in _pieces(flat, _SEPARATOR) if p.strip()]
    if len(parts) < 2:
        return None
    items = [_read(part, depth + 1) for part in parts if part.strip()]
    names = [item.name for item in items]
    if all(names) and len(set(names)) == len(names):
        return Value(Kind.TUPLE, text="()", items=tuple(items))
    return _several(items)


def _split_named(flat: str, depth: int) -> Value | None:
    """Read what an equation, a membership or an approximation says of its left side."""
    member = _pieces(flat, _MEMBER)
    if len(member) == 2 and _is_name(member[0]):
        return _read(member[1], depth + 1)
    parts = _pieces(flat, _APPROX)
    if len(parts) > 1:
        try:
            return _read(parts[0], depth + 1)
        except NotConstantError:
            return _read(parts[-1], depth + 1)
    parts = _pieces(flat, _EQUALS)
    if len(parts) < 2:
        return None
    first, last = parts[0].strip(), parts[-1].strip()
    if _is_name(first):
        return replace(_read(last, depth + 1), name=re.sub(r"[^A-Za-z0-9]", "", first))
    value = _read(first, depth + 1)
    if len(parts) == 2 and _is_name(last):
        return replace(value, name=re.sub(r"[^A-Za-z0-9]", "", last))
    return _read(last, depth + 1)


def _is_name(text: str) -> bool:
    """Say whether a text can be what an answer is called: ``x``, ``f(x)``, ``|AB|``, ``(p, q)``, but no sentence."""
    return _NAME.fullmatch(text.strip()) is not None and not _SENTENCE.search(_COMMAND.sub("", text))


def _split_brackets(flat: str, depth: int) -> Value | None:
    opening = "\\{" if flat.startswith("\\{") else "\\langle" if flat.startswith("\\langle") else flat[0]
    closing = next((c for c in ("\\}", "\\rangle", ")", "]", "}") if flat.endswith(c)), "")
    if opening not in _OPENING or opening == "\\begin" or not closing or not _is_enclosed(flat):
        return None
    inner = flat[len(opening) : len(flat) - len(closing)].strip()
    if opening == "\\{" and closing == "\\}":
        items = [_read(part, depth + 1) for part in _pieces(inner, _SEPARATOR)] if inner else []
        unique = {item.key: item for item in _several(items).items or items}
        return _several(list(unique.values())) if items else Value(Kind.SEVERAL)
    parts = _pieces(inner, re.compile("[,;]"))
    if len(parts) == 1:
        return _read(inner, depth + 1) if inner and opening != "[" else None
    if opening == "{":
        return _read(inner, depth + 1)
    items = tuple(_read(part, depth + 1) for part in parts)
    is_round = len(items) > 2 or opening == "\\langle"
    return Value(Kind.TUPLE, text="()" if is_round else opening + closing, items=items)


def _split_union(flat: str, depth: int) -> Value | None:
    if flat in ("\\emptyset", "empty set"):
        return Value(Kind.SEVERAL)
    parts = _pieces(flat, _CUP)
    return Value(Kind.UNION, items=tuple(_read(p, depth + 1) for p in parts)) if len(parts) > 1 else None


def _split_matrix(flat: str, depth: int) -> Value | None:
    match = _MATRIX.fullmatch(flat.strip("()[] "))
    if match is None:
        return None
    rows = [
        row.split("&") for row in re.split(r"\\\\(?:\s?\[[^\]]*\])?", match[2].replace("\\hline", "")) if row.strip()
    ]
    if not rows or len({len(row) for row in rows}) > 1:
        raise NotConstantError("ragged matrix")
    items = tuple(_read(cell, depth + 1) for row in rows for cell in row)
    if len(rows[0]) == 1:
        return Value(Kind.TUPLE, text="()", items=items)
    return Value(Kind.MATRIX, text=f"{len(rows)}x{len(rows[0])}", items=items)


def _split_signs(flat: str, depth: int) -> Value | None:
    if len(_PLUS_MINUS.findall(flat)) != 1:
        return None
    return _several([_read(_PLUS_MINUS.sub(sign, flat), depth + 1) for sign in "+-"])


def _split_ratio(flat: str, depth: int) -> Value | None:
    """A ratio of two is their quotient; of more, a tuple scaled to start with 1. A clock time is neither."""
    if ":" not in flat or not _RATIO.fullmatch(flat) or re.search(r":\s?0", flat):
        return None
    terms = [read_exact(part) for part in flat.split(":")]
    scaled = [term / terms[0] for term in terms]
    if len(terms) == 2:
        return Value(Kind.NUMBER, terms[0] / terms[1])
    return Value(Kind.TUPLE, text="::", items=tuple(Value(Kind.NUMBER, term) for term in scaled))


def _words(flat: str) -> Value | None:
    text = " ".join(flat.replace('"', " ").split())
    if not _WORDS.fullmatch(text) or text.lower() in _NOT_WORDS:
        return None
    is_bare = text.isascii() and '"' not in flat and " " not in text
    if is_bare and len(text) < 4 and text.lower() not in _SHORT_WORDS:
        return None
    text = _ARTICLE.sub("", text.lower()).rstrip(".")
    return Value(Kind.WORDS, text={"no solutions": "no solution", "does not exist": "dne"}.get(text, text))


def _number(flat: str) -> Value:
    """Read a constant with what may stand around it."""
    unit, scale, is_percent = "", 1, False
    currency = _CURRENCY.match(flat)
    if currency:
        unit = currency[2]
        flat = currency[1] + currency[3] + flat[currency.end() :]
    if '"degree"' in flat:
        flat, unit = flat.replace('"degree"', " "), "degree"
    remark = flat.rfind(" (")
    if flat.endswith(")") and remark > 0 and _REMARK.fullmatch(flat, remark + 1):
        flat = flat[:remark]
    for _ in range(MAX_SUFFIXES):
        flat = flat.rstrip()
        based, quoted, bare = _BASED.fullmatch(flat), _QUOTED_UNIT.search(flat), _BARE_UNIT.search(flat)
        if flat.endswith("%"):
            flat, is_percent = flat[:-1], True
        elif flat[-1:] in "$€£¥" and flat:
            flat, unit = flat[:-1], flat[-1]
        elif based:
            flat, unit = based[1], f"base {based[2]}"
        elif quoted:
            flat, unit = flat[: quoted.start()], quoted[1] or unit
        elif bare and _is_unit(bare):
            flat, unit = flat[: bare.start()], bare[2]
        else:
            break
        words = unit.lower().rstrip(".").split()
        if words and words[0] in _SCALES:
            scale *= _SCALES[words[0]]
            unit = " ".join(words[1:])
        if words and words[0] in ("percent", "pct", "percentage"):
            is_percent, unit = True, ""
    flat = flat.replace(" ", "") if _SPACED_THOUSANDS.fullmatch(flat) else flat
    plain = _NUMERAL.fullmatch(flat)
    number = read_exact(flat) * Exact.of(scale)
    decimals = len(plain[1] or plain[2] or "") if plain and scale == 1 else 0
    return Value(Kind.NUMBER, number, unit=_spell(unit), decimals=decimals, is_percent=is_percent)


def _is_unit(match: re.Match[str]) -> bool:
    """Say whether the words behind a number are what is counted, and no variables or functions."""
    words = match[2].rstrip(".")
    if not match[1]:
        return len(words) > 1 and words.lower() in _UNITS
    return len(words.split()) <= 5 and _NOT_UNIT.search(words) is None


def _spell(unit: str) -> str:
    unit = unit.lower().strip(" .")
    return _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s")) or unit
