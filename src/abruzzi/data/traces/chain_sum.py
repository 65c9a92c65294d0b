"""Traces for sums and differences of a few numbers: ``43 + 14 - 10``."""

import re
from itertools import accumulate
from random import Random
from typing import NamedTuple

from abruzzi.data.items import Item
from abruzzi.data.traces.family import Family, Style, get_metadata
from abruzzi.data.traces.steps import begin, join_steps, split_tens, write_running_sum, write_sum
from abruzzi.errors import DataError

_EXPRESSION = re.compile(r"-?\d+(?: [+-] -?\d+)+")
_TERM = re.compile(r"(?:([+-]) )?(-?\d+)")


class Term(NamedTuple):
    """A number with the sign written before it; nought keeps its sign too, so that steps repeat the question."""

    sign: str
    size: int

    @property
    def value(self) -> int:
        """What it adds to the sum."""
        return self.size if self.sign == "+" else -self.size


class Sum(NamedTuple):
    """One item."""

    expression: str
    terms: tuple[Term, ...]
    """The first one may have a negative size, the others have not."""


def read(item: Item) -> Sum:
    """Read an item.

    Raises:
        DataError: its expression is no sum.
    """
    expression = str(get_metadata(item, "expression"))
    if not _EXPRESSION.fullmatch(expression):
        raise DataError(f"the item {item.id!r} holds no sum of two or more whole numbers: {expression!r}")
    signed = [(sign or "+", int(size)) for sign, size in _TERM.findall(expression)]
    first, *rest = signed
    return Sum(expression, (Term(*first), *(_turn_sign(sign, size) for sign, size in rest)))


def answer(task: Sum) -> str:
    """Add it up."""
    return str(sum(term.value for term in task.terms))


def write_running(terms: tuple[Term, ...]) -> list[str]:
    """Add terms from left to right, two at a step."""
    totals = accumulate(term.value for term in terms)
    return [write_sum(total, term.size, term.sign) for total, term in zip(totals, terms[1:], strict=False)]


def write_last_digits(task: Sum) -> list[str]:
    """Add the terms' last digits alone, ten lent where a difference would fall below nought.

    43 + 14 - 18 gives 3 + 4 = 7, 17 - 8 = 9. What the last step ends in the sum ends in, unless that is negative.
    """
    first, *rest = task.terms
    digit, steps = first.value % 10, list[str]()
    for term in rest:
        ones = term.size % 10
        digit += 10 if term.sign == "-" and ones > digit else 0
        steps.append(write_sum(digit, ones, term.sign))
        digit = (digit + (ones if term.sign == "+" else -ones)) % 10
    return steps


def think_direct(task: Sum, rng: Random) -> str:
    """State the result at once."""
    return begin(rng, "", "In one go: ", "At once: ") + f"{task.expression} = {answer(task)}"


def think_running(task: Sum, rng: Random) -> str:
    """Go from left to right, two terms at a time."""
    return begin(rng, "", "Left to right: ", "Step by step: ") + join_steps(write_running(task.terms), rng)


def think_digits(task: Sum, rng: Random) -> str:
    """Go from left to right, tens and ones apart at each step."""
    totals = accumulate(term.value for term in task.terms)
    steps = [", ".join(_split_step(total, term)) for total, term in zip(totals, task.terms[1:], strict=False)]
    return begin(rng, "Tens, then ones. ", "Split each step. ", "Digit by digit: ") + rng.choice(("\n", "; ")).join(
        steps
    )


def think_columns(task: Sum, rng: Random) -> str:
    """Add all tens, then all ones, then both."""
    tens = [split_tens(term.value)[0] for term in task.terms]
    ones = [split_tens(term.value)[1] for term in task.terms]
    if not any(tens):
        return begin(rng, "Only ones: ", "No tens. Ones: ") + join_steps(write_running(task.terms), rng)
    columns = [
        "Tens: " + ", ".join(write_running_sum(tens)),
        "Ones: " + ", ".join(write_running_sum(ones)),
        begin(rng, "Both: ", "Together: ", "") + write_sum(sum(tens), sum(ones)),
    ]
    return rng.choice(("\n", "; ", ". ")).join(columns)


def think_gather(task: Sum, rng: Random) -> str:
    """Add what is added, add what is taken away, subtract."""
    gains = [term.value for term in task.terms if term.value > 0 or term == Term("+", 0)]
    losses = [abs(term.value) for term in task.terms if term.value < 0 or term == Term("-", 0)]
    plus, minus = rng.choice((("Plus: ", "Minus: "), ("Added: ", "Taken: "), ("Up: ", "Down: ")))
    parts = [plus + _gather(gains), minus + _gather(losses)]
    if losses:
        parts.append(write_sum(sum(gains), sum(losses), "-"))
    return rng.choice(("\n", "; ", ". ")).join(parts)


def think_check(task: Sum, rng: Random) -> str:
    """Go from left to right, then once more with all terms after the first in reverse."""
    first, *rest = task.terms
    again = ", ".join(write_running((first, *reversed(rest))))
    there = ", ".join(write_running(task.terms))
    between = rng.choice(("\nCheck: ", ". Again: ", "; other order: "))
    return (
        begin(rng, "First: ", "Once: ", "Forth: ")
        + there
        + between
        + again
        + rng.choice((". Same.", ". It agrees.", ""))
    )


def _turn_sign(sign: str, size: int) -> Term:
    """Write plus a negative number as minus, and minus one as plus."""
    if size < 0:
        return Term("-" if sign == "+" else "+", -size)
    return Term(sign, size)


def _split_step(total: int, term: Term) -> list[str]:
    if abs(total) < 10 and term.size < 10:
        return [write_sum(total, term.size, term.sign)]
    (tens, ones), (more_tens, more_ones) = split_tens(total), split_tens(term.size)
    factor = 1 if term.sign == "+" else -1
    return [
        write_sum(tens, more_tens, term.sign),
        write_sum(ones, more_ones, term.sign),
        write_sum(tens + factor * more_tens, ones + factor * more_ones),
    ]


def _gather(sizes: list[int]) -> str:
    if not sizes:
        return "none"
    return ", ".join(write_running_sum(sizes)) or str(sizes[0])


FAMILY = Family(
    task="chain_sum",
    read=read,
    answer=answer,
    styles={
        "direct": Style(
            think_direct,
            (
                "Work out the whole sum in one go and write the result.",
                "Write the sum once with its result. No steps in between.",
                "Compute it at once, on a single line.",
            ),
        ),
        "running": Style(
            think_running,
            (
                "Add from left to right, two terms at a time. Write each running total.",
                "Go from left to right. Take one term per step and keep the total.",
                "Start with the first two numbers, then bring in the others one by one.",
            ),
        ),
        "digits": Style(
            think_digits,
            (
                "Go from left to right. At each step do the tens, then the ones, then put both together.",
                "Take one term per step. Split the total and the term into tens and ones.",
                "Split every step: tens first, ones next, then their sum.",
            ),
        ),
        "columns": Style(
            think_columns,
            (
                "Add up all the tens first, then all the ones. Then put both together.",
                "Work in two columns: the tens of every number, then the ones. Combine them last.",
                "Split the numbers into tens and ones. Sum each column, then the two results.",
            ),
        ),
        "gather": Style(
            think_gather,
            (
                "Add all numbers with a plus. Add all numbers with a minus. Subtract the second from the first.",
                "Gather what is added and what is taken away, then subtract.",
                "Sum the positive terms, then the negative ones, and take the difference.",
            ),
        ),
        "check": Style(
            think_check,
            (
                "Add from left to right, then do it once more in another order to check.",
                "Work it out twice: left to right, then with the later terms reversed.",
                "Find the total step by step. Repeat in a different order and compare.",
            ),
        ),
    },
)
"""``43 + 14 - 10``, at any number of terms and digits."""
