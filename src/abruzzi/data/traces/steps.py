"""The written steps that several families share: sums of two terms, and how steps are put one after another."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from random import Random

SEPARATORS = ("\n", ", ", "; ")


def write_sum(first: int, second: int, sign: str = "+") -> str:
    """Write ``first sign second = result``; a negative second term turns the sign instead of doubling it."""
    if second < 0:
        first_sign = "-" if sign == "+" else "+"
        return write_sum(first, -second, first_sign)
    return f"{first} {sign} {second} = {first + second if sign == '+' else first - second}"


def write_running_sum(terms: Sequence[int]) -> list[str]:
    """Write one sum of two terms after another, each beginning with the total so far; one term needs no step."""
    totals = list(accumulate(terms))
    return [write_sum(total, term) for total, term in zip(totals[:-1], terms[1:], strict=True)]


def split_tens(number: int) -> tuple[int, int]:
    """Split a number into its tens (all digits but the last) and its ones, both with its sign: −47 is −40 and −7."""
    size = abs(number)
    sign = -1 if number < 0 else 1
    return sign * (size // 10 * 10), sign * (size % 10)


def join_steps(steps: Iterable[str], rng: Random) -> str:
    """Put steps one after another, separated in one way throughout."""
    return rng.choice(SEPARATORS).join(steps)


def begin(rng: Random, *openers: str) -> str:
    """Draw how the thoughts begin."""
    return rng.choice(openers)
