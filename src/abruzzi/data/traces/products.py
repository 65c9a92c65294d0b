"""Traces for products of two whole numbers that are not negative: ``43 * 14``."""

import re
from random import Random
from typing import NamedTuple

from abruzzi.data.items import Item
from abruzzi.data.traces.family import Family, Style, get_metadata
from abruzzi.data.traces.steps import begin, join_steps, split_tens, write_running_sum, write_sum
from abruzzi.errors import DataError

_EXPRESSION = re.compile(r"(\d+) \* (\d+)")


class Product(NamedTuple):
    """One item."""

    first: int
    second: int


def read(item: Item) -> Product:
    """Read an item.

    Raises:
        DataError: its expression is no product of two numbers, or one is negative.
    """
    expression = str(get_metadata(item, "expression"))
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        raise DataError(f"the item {item.id!r} is no product of two whole numbers from 0 up: {expression!r}")
    return Product(int(found[1]), int(found[2]))


def answer(task: Product) -> str:
    """Multiply."""
    return str(task.first * task.second)


def think_direct(task: Product, rng: Random) -> str:
    """State the result at once."""
    return begin(rng, "", "In one go: ", "At once: ") + _write(task.first, task.second)


def think_split(task: Product, rng: Random) -> str:
    """Split the second number into tens and ones, multiply each by the first, add."""
    first, second = task
    opener = begin(rng, "Split: ", "In parts: ", f"Split {second}: ")
    return opener + join_steps(_multiply_parts([(first, part) for part in _parts(second)]), rng)


def think_grid(task: Product, rng: Random) -> str:
    """Split both numbers into tens and ones, multiply each pair, add."""
    pairs = [(left, right) for left in _parts(task.first) for right in _parts(task.second)]
    opener = begin(rng, "Grid: ", "All pairs: ", "Four parts: ") if len(pairs) == 4 else ""
    return opener + join_steps(_multiply_parts(pairs), rng)


def think_round(task: Product, rng: Random) -> str:
    """Round one number to the nearest ten, multiply, and mend the difference."""
    kept, rounded = sorted(task, key=_distance_to_ten, reverse=True)
    near = _nearest_ten(rounded)
    opener = begin(rng, "Round: ", "Near a ten: ", "Use a round number. ")
    if near in (0, rounded):
        return opener + _write(kept, rounded)
    off = rounded - near
    steps = [_write(kept, near), _write(kept, abs(off)), write_sum(kept * near, kept * off)]
    return opener + join_steps(steps, rng)


def think_column(task: Product, rng: Random) -> str:
    """Multiply in writing: digit by digit with carries, a row for each digit of the second number."""
    rows = [_write_row(task.first, int(digit), place) for place, digit in enumerate(reversed(str(task.second)))]
    sums = write_running_sum([task.first * int(d) * 10**p for p, d in enumerate(reversed(str(task.second)))])
    return begin(rng, "In writing: ", "Digit by digit: ", "Rows: ") + rng.choice(("\n", "; ")).join([*rows, *sums])


def _write(first: int, second: int) -> str:
    return f"{first} * {second} = {first * second}"


def _parts(number: int) -> list[int]:
    """Split into tens and ones, leaving out what is nought."""
    return [part for part in split_tens(number) if part] or [0]


def _multiply_parts(pairs: list[tuple[int, int]]) -> list[str]:
    return [_write(*pair) for pair in pairs] + write_running_sum([left * right for left, right in pairs])


def _nearest_ten(number: int) -> int:
    return (number + 5) // 10 * 10


def _distance_to_ten(number: int) -> int:
    return abs(number - _nearest_ten(number)) if _nearest_ten(number) else 10


def _write_row(number: int, digit: int, place: int) -> str:
    """Write number × digit × 10^place with its carries."""
    carry, steps = 0, list[str]()
    for figure in reversed(str(number)):
        value = int(figure) * digit
        steps.append(_write(int(figure), digit))
        if carry:
            steps.append(write_sum(value, carry))
        carry = (value + carry) // 10
    row = _write(number, digit * 10**place)
    return ", ".join(steps if row in steps else [*steps, row])


FAMILY = Family(
    task="products",
    read=read,
    answer=answer,
    styles={
        "direct": Style(
            think_direct,
            (
                "Multiply in one go and write the result.",
                "Write the product once with its result. No steps in between.",
                "Compute it at once, on a single line.",
            ),
        ),
        "split": Style(
            think_split,
            (
                "Split the second number into tens and ones. Multiply each part by the first number, then add.",
                "Multiply the first number by the tens of the second, then by its ones. Add the two.",
                "Take the second number apart into tens and ones and add the two products.",
            ),
        ),
        "grid": Style(
            think_grid,
            (
                "Split both numbers into tens and ones. Multiply every pair of parts and add them up one by one.",
                "Make a grid: tens and ones of each number. Fill in all products, then sum them.",
                "Take both numbers apart, multiply each part with each, and add the products step by step.",
            ),
        ),
        "round": Style(
            think_round,
            (
                "Round one number to the nearest ten, multiply, then correct by the difference.",
                "Use the closest multiple of ten for one number and mend the result afterwards.",
                "Multiply with a round number first, then add or take away what is off.",
            ),
        ),
        "column": Style(
            think_column,
            (
                "Multiply in writing, digit by digit from the right, and carry. Add the rows at the end.",
                "Make one row for each digit of the second number, with carries, then add the rows.",
                "Go digit by digit from the ones on, keep the carry, and sum the rows.",
            ),
        ),
    },
)
"""``43 * 14``, at any number of digits."""
