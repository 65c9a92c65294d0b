"""Finds what is wrong with a response by program, and says it in a few words that are true.

Looked for, in this order: an equation that does not hold; a fact of the task (a crab's legs, a word's letters); a
number of the question that is not used, or one that comes from nowhere; an answer that is not what the steps end at.
Families of generated tasks have facts and numbers to be checked, other questions only equations and the end.

It proves no response right: one without a fault may still answer wrongly. Then ``correct_result`` says what comes out.
In each statement what must be worked out stands before what was claimed: "57 - 7 is 50, not 40".
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from abruzzi.data.items import Item
from abruzzi.data.traces import chain_sum, leg_counting, letter_counting, products
from abruzzi.data.traces.leg_counting import LEGS
from abruzzi.errors import DataError
from abruzzi.models.thinking import split_thinking
from abruzzi.training.equations import Equation, find_equations, find_numbers, find_wrong
from abruzzi.verifiers.extract import extract_answer

MAX_FREE = 10
"""Numbers up to this may come from anywhere: digits, carries, legs."""

_INTEGER = re.compile(r"-?\d{1,15}")
_ANIMAL = re.compile(
    rf"\b(?P<name>{'|'.join(sorted(LEGS, key=len, reverse=True))})(?P<colon>:)? "
    r"(?P<first>\d{1,9})\b(?: ?[*×] ?(?P<second>\d{1,9})\b)?"
)
_LETTER = r"[^\W_](?:\(\d+\))?"
_SPELLED = re.compile(rf"(?<![\w'\"(-])(?P<letters>{_LETTER}(?: {_LETTER})*)(?![\w'\"(-])(?:: (?P<count>\d+))?")
_MARK = re.compile(r"\((\d+)\)")


class FaultKind(StrEnum):
    """What sort of fault it is."""

    EQUATION = "equation"
    FACT = "fact"
    """Of the task: legs, letters."""
    NUMBERS = "numbers"
    """Of the question, left out or made up."""
    ENDING = "ending"
    """The answer is not what the steps end at."""
    RESULT = "result"
    """No fault was found on the way; the question was worked out."""
    ANSWER = "answer"
    """Nor can the question be worked out in a line."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a response."""

    kind: FaultKind
    statement: str
    """True; without a full stop."""


@dataclass(frozen=True, slots=True)
class _Checks:
    """What can be checked of a task's responses."""

    read: Callable[[Item], Any]
    """The task of an item; raises DataError where it cannot be told."""
    kind: FaultKind
    find: Callable[[Any, str, Sequence[Equation]], Iterator[str]]
    """From task, steps and their equations to statements."""
    work_out: Callable[[Any, str, str], str]
    """From task, right and wrong answer to what tells them apart, step by step."""


def find_faults(item: Item, response: str) -> Iterator[Fault]:
    """Find what is wrong on the way to a response's answer, the firmest first; nothing where no check fails.

    Args:
        item: what was asked.
        response: a whole reply, thoughts included.
    """
    steps = _read_steps(response)
    wrong = find_wrong(steps)
    if wrong is not None:
        yield Fault(FaultKind.EQUATION, str(wrong))
    equations = list(find_equations(steps))
    checks, task = _find_checks(item)
    if checks is not None:
        yield from (Fault(checks.kind, statement) for statement in checks.find(task, steps, equations))
    answer = extract_answer(response)
    if equations and "<think>" in response and answer is not None and _INTEGER.fullmatch(answer.text):
        end = equations[-1].values[-1]
        if end != int(answer.text):
            yield Fault(FaultKind.ENDING, f"the steps end at {end}, not {answer.text}")


def is_sound(item: Item, response: str) -> bool:
    """True when no fault is found in a response and each of its equals signs could be checked."""
    steps = _read_steps(response)
    num_checked = sum(len(equation.sides) - 1 for equation in find_equations(steps))
    return num_checked == steps.count("=") and next(find_faults(item, response), None) is None


def correct_result(item: Item, *, right: str, wrong: str) -> Iterator[Fault]:
    """Say what comes out, or what it ends in where that is enough, with the working first where the task has one.

    Args:
        item: what was asked.
        right: the correct answer.
        wrong: the one given.
    """
    checks, task = _find_checks(item)
    if checks is not None and _INTEGER.fullmatch(right) and _INTEGER.fullmatch(wrong):
        yield Fault(FaultKind.RESULT, checks.work_out(task, right, wrong))
    yield Fault(FaultKind.ANSWER, f"the answer is {right}, not {wrong}")


def _read_steps(response: str) -> str:
    """Take a response without its tagged answer."""
    thoughts, text = split_thinking(response)
    return f"{thoughts}\n{text.partition('<answer>')[0]}"


def _find_checks(item: Item) -> tuple[_Checks | None, Any]:
    """Find the checks of an item and read its task; None for one that has none, or is beyond them."""
    checks = _CHECKS.get(str(item.extra.get("task")))
    if checks is None:
        return None, None
    try:
        return checks, checks.read(item)
    except DataError:
        return None, None


def _check_legs(zoo: leg_counting.Zoo, steps: str, equations: Sequence[Equation]) -> Iterator[str]:
    """Check ``tiger: 3 * 4`` and ``tiger 4``, and that no kind is missing where others are named so."""
    del equations
    kinds = {kind.name: kind for kind in zoo}
    named = list(_ANIMAL.finditer(steps))
    for found in named:
        name, first, second = found["name"], int(found["first"]), found["second"]
        if name not in kinds:
            yield f"no {name} is asked about"
        elif second is not None or not found["colon"]:
            kind = kinds[name]
            legs = first if second is None else int(second)
            if legs != kind.legs:
                yield f"{name}: {kind.legs} legs, not {legs}"
            elif second is not None and first not in _parts(kind.num_animals):
                yield f"{name}: {kind.num_animals} of them, not {first}"
    if named:
        yield from (f"{kind.name} is left out" for kind in zoo if kind.legs and kind.name not in steps)


def _work_out_legs(zoo: leg_counting.Zoo, right: str, wrong: str) -> str:
    del right
    return f"{', '.join(leg_counting.write_each(zoo))}, not {wrong}"


def _check_letters(task: letter_counting.Count, steps: str, equations: Sequence[Equation]) -> Iterator[str]:
    """Check ``n i n e: 2``, ``n(1) i n(2) e`` and ``nine 2``, and that no word with the letter is missing."""
    del equations
    steps = steps.lower()
    counts = dict(zip(task.words, task.counts, strict=True))
    marks = [int(number) for number in _MARK.findall(steps)]
    claims: list[tuple[str, int]] = []
    for found in _SPELLED.finditer(steps):
        letters, claimed = found["letters"], found["count"]
        word = _MARK.sub("", letters).replace(" ", "")
        if claimed is not None:
            claims.append((word, int(claimed)))
        elif marks and (len(word) > 1 or "(" in letters):
            claims.append((word, len(_MARK.findall(letters))))
    for word in counts:
        said = re.findall(rf"(?:^|[:,;] |\n){re.escape(word)} (\d{{1,3}})(?![\w.])", steps)
        claims += [(word, int(claimed)) for claimed in said]
    for word, claimed in claims:
        if word not in counts:
            yield f"{word} is not one of the words"
        elif claimed != counts[word]:
            yield f"{task.letter} in {word}: {counts[word]}, not {claimed}"
    yield from (f"after {place - 1} comes {place}, not {n}" for place, n in enumerate(marks, start=1) if n != place)
    if claims:
        named = {word for word, _ in claims} | set(re.findall(r"\w+", steps))
        yield from (f"{word} is left out" for word, count in counts.items() if count and word not in named)


def _work_out_letters(task: letter_counting.Count, right: str, wrong: str) -> str:
    counts = [f"{word} {count}" for word, count in zip(task.words, task.counts, strict=True) if count]
    return f"{task.letter} in {', '.join(counts) or 'no word'}: {right}, not {wrong}"


def _check_sum(task: chain_sum.Sum, steps: str, equations: Sequence[Equation]) -> Iterator[str]:
    return _check_numbers([abs(term.size) for term in task.terms], steps, equations)


def _work_out_sum(task: chain_sum.Sum, right: str, wrong: str) -> str:
    """Add the last digits alone where they tell the answers apart: to check a sum is less work than to find it."""
    if int(right) >= 0 and int(wrong) >= 0 and right[-1] != wrong[-1] and any(t.size > 9 for t in task.terms):
        return f"{', '.join(chain_sum.write_last_digits(task))}: ends in {right[-1]}, not {wrong[-1]}"
    return f"{', '.join(chain_sum.write_running(task.terms))}, not {wrong}"


def _work_out_product(task: products.Product, right: str, wrong: str) -> str:
    return f"{task.first} * {task.second} is {right}, not {wrong}"


def _check_numbers(given: Sequence[int], steps: str, equations: Sequence[Equation]) -> Iterator[str]:
    """Check that the question's numbers are used, whole or in parts, and that no others appear."""
    if not equations:
        return
    written = set(find_numbers(steps))
    yield from (f"{number} is not used" for number in given if number > MAX_FREE and not _is_used(number, written))
    known = {part for number in given for part in _parts(number)}
    for equation in equations:
        for operand in equation.operands:
            if operand > MAX_FREE and operand not in known:
                yield f"{operand} is neither given nor computed"
        known |= {part for value in equation.values for part in _parts(abs(value))}


def _is_used(number: int, written: set[int]) -> bool:
    """True where it stands there, or its digits at their places, or a multiple of ten and what it is off from that."""
    tens = [ten for ten in written if ten and ten % 10 == 0 and abs(number - ten) < 10]
    is_there = number in written or _places(number) - {0} <= written
    return is_there or any(abs(number - ten) in written for ten in tens)


def _parts(number: int) -> set[int]:
    """What a number may be split into or rounded to: 347 gives 347, 340, 350, 300, 40 and 7."""
    return {number, number // 10 * 10, (number + 5) // 10 * 10} | _places(number)


def _places(number: int) -> set[int]:
    digits = str(number)
    return {int(digit) * 10 ** (len(digits) - 1 - place) for place, digit in enumerate(digits)}


_CHECKS: Mapping[str, _Checks] = {
    "chain_sum": _Checks(chain_sum.read, FaultKind.NUMBERS, _check_sum, _work_out_sum),
    "leg_counting": _Checks(leg_counting.read, FaultKind.FACT, _check_legs, _work_out_legs),
    "letter_counting": _Checks(letter_counting.read, FaultKind.FACT, _check_letters, _work_out_letters),
    "products": _Checks(products.read, FaultKind.NUMBERS, _check_numbers, _work_out_product),
}
