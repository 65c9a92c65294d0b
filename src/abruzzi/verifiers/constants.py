r"""Reads constants in flat notation (see ``latex``) as exact values.

The grammar is that of people, not of TeX: implicit products, mixed numbers (``1\frac12`` is 3/2), ``\frac12``,
``2^10``, ``1e3``, factorials, binomials, absolute values. What has two readings (``1/2\pi``, ``\sqrt12``) is refused
as ``NotConstantError``, as is whatever holds a variable or a function. Nothing is evaluated by Python.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import comb, factorial

from abruzzi.verifiers.exact import Exact, NotConstantError, TooCostlyError, make_exact

MAX_DEPTH = 32
MAX_LITERAL_DIGITS = 4_000
"""Python refuses to read longer integers from text."""
MAX_FACTORIAL = 2_000
MAX_BINOMIAL = 20_000

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>[A-Za-z]+)|(?P<op>\*\*|[-+*/^!(){}\[\]|])|(?P<other>\S))"
)
_MIXED = (
    re.compile(r"(?<![\d.^_/,])(\d+) (\d+)\s?/\s?(\d+)(?![\d.])"),
    re.compile(r"(?<![\d.^_/,])(\d+)\s?\\frac\s?\{\s?(\d+)\s?\}\s?\{\s?(\d+)\s?\}"),
    re.compile(r"(?<![\d.^_/,])(\d+)\s?\\frac\s?(\d)\s?(\d)(?!\d)"),
)
_CLOSING = {"(": ")", "[": "]", "{": "}", "|": "|"}


def read_exact(flat: str) -> Exact:
    """Work out a constant in flat notation.

    Raises:
        NotConstantError: it is something else, or outside of what this file knows.
        TooCostlyError: it is a constant, but working it out would take too long.
    """
    if len(flat) > 2 * MAX_LITERAL_DIGITS:
        raise TooCostlyError(f"constant of {len(flat)} characters")
    for pattern in _MIXED:
        flat = pattern.sub(r"(\1+\2/\3)", flat)
    parser = _Parser(flat)
    value = parser.sum(0)
    parser.expect("")
    return value


@dataclass(slots=True)
class _Parser:
    """Recursive descent over the tokens, at most ``MAX_DEPTH`` groups deep."""

    text: str
    place: int = 0
    kind: str = ""
    mark: str = ""

    def __post_init__(self) -> None:
        self.advance()

    def advance(self) -> str:
        """Go to the next token (empty at the end) and return the one left behind."""
        left = self.mark
        match = _TOKEN.match(self.text, self.place)
        self.kind, self.mark = "", ""
        if match is not None:
            self.kind, self.place = str(match.lastgroup), match.end()
            self.mark = match[self.kind]
        return left

    def expect(self, mark: str) -> None:
        """Step over this token."""
        if self.advance() != mark:
            raise NotConstantError(f"no {mark!r} where one belongs")

    def sum(self, depth: int) -> Exact:
        r"""Sum of terms; or a binomial, ``n \choose k``."""
        if depth > MAX_DEPTH:
            raise TooCostlyError(f"more than {MAX_DEPTH} nested groups")
        value = self.term(depth)
        while self.mark in ("+", "-"):
            value = value + self.term(depth) if self.advance() == "+" else value - self.term(depth)
        if self.mark in ("\\choose", "choose"):
            self.advance()
            return _binomial(value, self.sum(depth))
        return value

    def term(self, depth: int) -> Exact:
        r"""Product of factors; ``1/2\pi`` has no agreed meaning and is refused."""
        value, after_slash = self.factor(depth), False
        while True:
            if self.mark in ("*", "/"):
                after_slash = self.advance() == "/"
                factor = self.factor(depth)
                value = value / factor if after_slash else value * factor
            elif self.mark in ("choose", "\\choose") or (
                self.kind not in ("command", "word") and self.mark not in ("(", "[", "{")
            ):
                return value
            elif after_slash:
                raise NotConstantError("implicit product after a slash")
            else:
                value = value * self.power(depth)

    def factor(self, depth: int) -> Exact:
        """Signed power."""
        sign = 1
        while self.mark in ("+", "-"):
            sign *= -1 if self.advance() == "-" else 1
        value = self.power(depth)
        return value if sign > 0 else -value

    def power(self, depth: int) -> Exact:
        """Atom with factorials and an exponent; ``a^b^c`` is refused as LaTeX does."""
        value = self.atom(depth)
        while self.mark == "!":
            self.advance()
            value = _factorial(value)
        if self.mark in ("^", "**"):
            self.advance()
            value = value ** self.exponent(depth)
            if self.mark in ("^", "**"):
                raise TooCostlyError("tower of exponents")
        return value

    def exponent(self, depth: int) -> Exact:
        """One atom, with a sign."""
        if self.mark != "-":
            return self.atom(depth)
        self.advance()
        return -self.atom(depth)

    def atom(self, depth: int) -> Exact:
        """Number, group, root, fraction, π or i."""
        if self.kind == "number":
            return _literal(self.advance())
        mark = self.advance()
        if mark in _CLOSING:
            value = self.sum(depth + 1)
            self.expect(_CLOSING[mark])
            return _absolute(value) if mark == "|" else value
        if mark in ("\\frac", "\\binom"):
            first, second = self.argument(depth), self.argument(depth)
            return first / second if mark == "\\frac" else _binomial(first, second)
        if mark in ("\\sqrt", "sqrt"):
            return self.root(depth)
        if mark in ("\\pi", "pi"):
            return make_exact({(1, 1, 0): Fraction(1)})
        if mark in ("i", "\\imath"):
            return make_exact({(0, 1, 1): Fraction(1)})
        raise NotConstantError(f"unknown {mark!r}")

    def root(self, depth: int) -> Exact:
        """Root with an optional degree."""
        degree = 2
        if self.mark == "[":
            self.advance()
            index = self.sum(depth + 1).rational
            self.expect("]")
            degree = index.numerator if index and index.denominator == 1 else 0
        return self.argument(depth).root(degree)

    def argument(self, depth: int) -> Exact:
        r"""A command's argument: a group, or one digit as in ``\frac12``."""
        if self.kind != "number":
            return self.atom(depth)
        digit = self.mark[0]
        if not digit.isdigit() or (len(self.mark) > 2):
            raise NotConstantError("bare argument of several digits")
        self.place -= len(self.mark) - 1
        self.advance()
        return _literal(digit)


def _literal(digits: str) -> Exact:
    digits = digits.replace(",", "").lower()
    mantissa, _, exponent = digits.partition("e")
    if len(mantissa) > MAX_LITERAL_DIGITS or len(exponent) > 5:
        raise TooCostlyError(f"number of {len(digits)} characters")
    return Exact.of(Fraction(mantissa.rstrip(".")) * Fraction(10) ** int(exponent or 0))


def _integer(value: Exact, limit: int) -> int:
    number = value.rational
    if number is None or number.denominator != 1 or number < 0:
        raise NotConstantError("factorial or binomial of something else than a natural number")
    if number > limit:
        raise TooCostlyError(f"factorial or binomial of a number above {limit}")
    return number.numerator


def _factorial(value: Exact) -> Exact:
    return Exact.of(factorial(_integer(value, MAX_FACTORIAL)))


def _binomial(n: Exact, k: Exact) -> Exact:
    return Exact.of(comb(_integer(n, MAX_BINOMIAL), _integer(k, MAX_BINOMIAL)))


def _absolute(value: Exact) -> Exact:
    number = value.rational
    if number is None:
        raise NotConstantError("absolute value of this constant")
    return Exact.of(abs(number))
