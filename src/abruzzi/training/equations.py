"""Finds equations between whole numbers in a text, and checks them.

``57 - 7 = 50``, ``20 + 3 = 23 = 46 / 2``: signed whole numbers with + - * / between them, products before sums. A piece
of text that could be read in two ways is not read at all, because what is said of an equation is taught as true:
numbers with decimals or thousands separators, powers, brackets, letters in place of numbers, an operator before or
after it, a dash behind a word, results that are carried on (``4 + 3 = 7 - 2 = 5``). Division counts only where it comes
out whole.

No algebra; and whether an equation belongs to the question is for ``faults`` to ask.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

MAX_DIGITS = 15
"""Of a number; longer ones are noise, and cost time to multiply."""
MAX_TERMS = 40
"""Numbers in one side; products of more could be astronomically long."""

_NUMBER = rf"[-−]?\d{{1,{MAX_DIGITS}}}(?!\d)"
_OPERATOR = r"[-−+*×·/÷]"
_SIDE = rf"{_NUMBER}(?:[ \t]*{_OPERATOR}[ \t]*{_NUMBER})*"
_BEFORE = r"(?<![\w.,%)\]^$€£])(?<!\d:)"
_AFTER = rf"(?![\w%^(]|[.,]\d|[ \t]*(?:{_OPERATOR}|[=^(]))"
_EQUATION = re.compile(rf"{_BEFORE}(?P<sides>{_SIDE}(?:[ \t]*=[ \t]*{_SIDE})+){_AFTER}")
_TOKEN = re.compile(rf"(?P<number>{_NUMBER})[ \t]*(?P<operator>{_OPERATOR}?)[ \t]*")
_PLAIN_NUMBER = re.compile(r"(?<![\w.,])\d+(?![\w]|[.,]\d)")
_PLAIN = str.maketrans("−×·÷", "-**/")


@dataclass(frozen=True, slots=True)
class Equation:
    """Sides that a text says are equal."""

    sides: tuple[str, ...]
    """As written, with one blank around each operator."""
    values: tuple[int, ...]
    """What each side comes to."""

    @property
    def operands(self) -> tuple[int, ...]:
        """The numbers of the first side that something is worked out from, without their signs."""
        expression = next(side for side in self.sides if _is_expression(side))
        return tuple(abs(int(number.translate(_PLAIN))) for number in re.findall(_NUMBER, expression))


@dataclass(frozen=True, slots=True)
class WrongEquation:
    """Where an equation fails first."""

    expression: str
    """The side that was worked out."""
    value: int
    """What it comes to."""
    claimed: str
    """The side that it was said to equal."""

    def __str__(self) -> str:
        return f"{self.expression} is {self.value}, not {self.claimed}"


def find_equations(text: str) -> Iterator[Equation]:
    """Find the equations in a text, in order."""
    for found in _EQUATION.finditer(text):
        sides = tuple(_tidy(side) for side in found["sides"].split("="))
        if _is_part_of_more(text[: found.start()].rstrip(" \t"), sides[0]):
            continue
        values = [_compute(side) for side in sides]
        whole = [int(value) for value in values if value is not None and value.denominator == 1]
        if len(whole) == len(sides) and any(map(_is_expression, sides)) and not _is_carried_on(sides, whole):
            yield Equation(sides, tuple(whole))


def find_wrong(text: str) -> WrongEquation | None:
    """Find the first equation that is not true; None where all are, or there is none."""
    for equation in find_equations(text):
        base = next(place for place, side in enumerate(equation.sides) if _is_expression(side))
        value = equation.values[base]
        for side, other in zip(equation.sides, equation.values, strict=True):
            if other != value:
                return WrongEquation(equation.sides[base], value, side)
    return None


def find_numbers(text: str) -> list[int]:
    """Find the whole numbers of a text in order, signs left out; not those inside words or with decimals."""
    return [int(number) for number in _PLAIN_NUMBER.findall(text) if len(number) <= MAX_DIGITS]


def _is_part_of_more(before: str, side: str) -> bool:
    """True where what stands before may belong to the first side: an operator, or a word and then a dash."""
    if re.search(rf"(?:{_OPERATOR}|\^)\Z", before):
        return True
    is_after_word = re.search(r"[\w'\"]\Z", before) is not None
    return is_after_word and re.match(r"[-−]|\d+ [-−]", side) is not None


def _is_carried_on(sides: tuple[str, ...], values: list[int]) -> bool:
    """True where a side begins with what the one before comes to, and does not equal it: ``4 + 3 = 7 - 2 = 5``."""
    steps = zip(values, sides[1:], values[1:], strict=False)
    return any(value != other and side.startswith(f"{value} ") for value, side, other in steps)


def _is_expression(side: str) -> bool:
    return re.fullmatch(_NUMBER, side) is None


def _compute(side: str) -> Fraction | None:
    """Compute products before sums; None where it is divided by zero or too long."""
    tokens = list(_TOKEN.finditer(side))
    if len(tokens) > MAX_TERMS:
        return None
    total, product, operator = Fraction(0), Fraction(0), "+"
    for token in tokens:
        number = Fraction(int(token["number"].translate(_PLAIN)))
        match operator:
            case "*":
                product *= number
            case "/" if number:
                product /= number
            case "/":
                return None
            case _:
                total += product
                product = -number if operator == "-" else number
        operator = token["operator"].translate(_PLAIN)
    return total + product


def _tidy(side: str) -> str:
    """Write one blank around each operator."""
    tokens = _TOKEN.finditer(side.strip())
    return "".join(t["number"] + (f" {t['operator']} " if t["operator"] else "") for t in tokens)
