"""Verifies answers to questions on tables (HiTab, MultiHierTT, FinQA): numbers, text, or several of both.

Ground truth: a number or a text; several answers are a list, or one text with ``|`` between them. The answer is taken
from a tag, a box, an ``"answer"`` field or a phrase like "the answer is", or is the whole reply; numbers are not dug
out of prose. Nothing is evaluated as Python.

Numbers
    1. Two whole numbers must be equal; otherwise a relative 1e-3 is allowed, so that a year or a count is never
       right by nearness and a quotient need not be written out.
    2. ``12%`` is 0.12, and also the 12 of a column that is in percent. Without the sign, 12 is right for 0.12, because
       a truth below 1 may be a ratio that was asked for in percent; 0.12 is never right for 12.
    3. Currency signs, thousands commas and a unit after the number do not count; two different units do.
       ``thousand``, ``million``, ``billion``, ``trillion`` multiply.
    4. ``(42)`` is 42, and also the −42 of accounts. ``1:2``, ``1/2`` and LaTeX fractions and roots are numbers.

Text is compared without case, spacing, quotes and LaTeX styling. Dates and ranges are text: ``2001-2005`` is no
difference. Several answers are compared as a multiset, each answer of the reply with one of the truth's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from abruzzi.nouns import Verdict
from abruzzi.verifiers.constants import read_exact
from abruzzi.verifiers.exact import NotConstantError, TooCostlyError
from abruzzi.verifiers.extract import How, extract_answer, split_thinking, tidy
from abruzzi.verifiers.latex import flatten
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

RELATIVE_TOLERANCE = Fraction(1, 1000)
MAX_ANSWER_CHARS = 2_000
"""Longer is an essay; the longest real answer of the public sets has 300."""
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_CURRENCY = re.compile(r"[$€£¥]|\b(?:usd|eur|gbp|us)\b(?=\s*[$\d-])")
_PERCENT = re.compile(r"\s*(?:%|\bper ?cent\b|\bpercentage points?\b|\bpercent points?\b)$")
_PLAIN = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d{1,400})?(?:\.\d{1,400})?(?:e[-+]?\d{1,3})?")
_UNIT = re.compile(r"(?<=[\d)])\s+([a-z][a-z.']*(?: [a-z][a-z.']*){0,2})$")
_NOT_UNITS = frozenset(
    ("and", "or", "to", "more", "less", "fewer", "than", "above", "below", "over", "under", "up", "not")
)
_RANGE = re.compile(r"[\d)]\s*-\s*[\d(]|\d\s*/\s*\d+\s*/\s*\d")
_RATIO = re.compile(r"(\d{1,100}(?:\.\d{1,100})?)\s*:\s*(\d{1,100}(?:\.\d{1,100})?)")
_TO = re.compile(r"(?<=\d)\s*(?:-|\bto\b)\s*(?=\d)")
_SEPARATORS = tuple(map(re.compile, (r"\|", r"\n", r";", r",\s+(?:and\s+)?", r",\s+(?:and\s+)?|\s+and\s+")))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as an answer writes it."""

    value: Fraction
    """Its scale word multiplied in, its percent sign not."""
    is_percent: bool = False
    is_bracketed: bool = False
    unit: str = ""


def verify_tables(row: Row) -> Verdict:
    """Verify the one answer or the several answers of the reply."""
    truths = _read_truths(row.ground_truth)
    if not truths or not all(truths):
        return broken(f"the ground truth holds an empty answer: {shown(row.ground_truth)}")
    answer = _find_answer(row.response)
    if answer is None:
        return unparsed("the reply states no answer in a box, a tag or a phrase")
    if len(answer) > MAX_ANSWER_CHARS:
        return unparsed(f"the answer has {len(answer)} characters, more than {MAX_ANSWER_CHARS}", shown(answer))
    if len(truths) == 1:
        if is_same_cell(answer, truths[0]):
            return correct(shown(answer), "equals the right answer")
        return wrong(shown(answer), f"not {shown(truths[0])!r}")
    readings = [_split(separator, answer) for separator in _SEPARATORS]
    if any(len(pieces) == len(truths) and is_same_multiset(pieces, truths) for pieces in readings):
        return correct(shown(answer), f"holds all {len(truths)} answers")
    return wrong(shown(answer), f"not the {len(truths)} answers {shown(' | '.join(truths))!r}")


def gold_reply_tables(row: Row) -> str:
    """Write the row's own answers in a box, with a bar between several."""
    return f"The answer is \\boxed{{{' | '.join(_read_truths(row.ground_truth))}}}."


def is_same_multiset(ours: Sequence[str], truths: Sequence[str]) -> bool:
    """Say whether the answers can be paired one to one with equal truths.

    Equality within a tolerance is not transitive, so sorting cannot decide this; augmenting paths do.
    """
    fits = [[j for j, truth in enumerate(truths) if is_same_cell(answer, truth)] for answer in ours]
    taken_by: dict[int, int] = {}

    def place(i: int, seen: set[int]) -> bool:
        for j in fits[i]:
            if j not in seen:
                seen.add(j)
                if j not in taken_by or place(taken_by[j], seen):
                    taken_by[j] = i
                    return True
        return False

    return len(ours) == len(truths) and all(place(i, set()) for i in range(len(ours)))


def is_same_cell(ours: str, truth: str) -> bool:
    """Say whether an answer equals the content of a cell, as text or as a number."""
    if _normal_text(ours) == _normal_text(truth):
        return True
    a, b = read_quantity(ours), read_quantity(truth)
    if a is None or b is None or (a.unit and b.unit and a.unit.rstrip("s") != b.unit.rstrip("s")):
        return False
    values = {a.value, -a.value} if a.is_bracketed else {a.value}
    wanted = {b.value}
    if a.is_percent and not b.is_percent:
        values |= {value / 100 for value in values}
    if b.is_percent and not a.is_percent:
        wanted |= {b.value / 100}
    if not a.is_percent and not b.is_percent and abs(b.value) < 1:
        values |= {value / 100 for value in values}
    return any(_is_close(value, want) for value in values for want in wanted)


def read_quantity(text: str) -> Quantity | None:
    """Read a number with its sign, scale, percent sign and unit; None for what is text, a date or a range."""
    flat = " ".join(_CURRENCY.sub("", flatten(text).replace('"', " ").casefold()).split())
    core, num_signs = _PERCENT.subn("", flat)
    unit = ""
    found = _UNIT.search(core)
    if found and not num_signs:
        unit = found[1]
        if _NOT_UNITS & set(unit.split()):
            return None
        core = core[: found.start()]
    scale = 1
    first, _, rest = unit.partition(" ")
    if first in _SCALES:
        scale, unit = _SCALES[first], rest
    is_bracketed = core.startswith("(") and core.endswith(")")
    value = _read_number(core[1:-1].strip() if is_bracketed else core)
    return None if value is None else Quantity(value * scale, bool(num_signs), is_bracketed, unit)


def _read_number(core: str) -> Fraction | None:
    core = re.sub(r"^([-+])\s+", r"\1", core)
    if not re.search(r"\d", core) or len(core) > 500:
        return None
    if _PLAIN.fullmatch(core):
        return Fraction(core.replace(",", ""))
    ratio = _RATIO.fullmatch(core)
    if ratio and Fraction(ratio[2]):
        return Fraction(ratio[1]) / Fraction(ratio[2])
    if _RANGE.search(core):
        return None
    try:
        exact = read_exact(core)
    except (NotConstantError, TooCostlyError):
        return None
    if exact.rational is not None:
        return exact.rational
    approximate = exact.approximate()
    return None if approximate is None else Fraction(approximate)


def _is_close(ours: Fraction, truth: Fraction) -> bool:
    if ours.denominator == truth.denominator == 1:
        return ours == truth
    return abs(ours - truth) <= RELATIVE_TOLERANCE * abs(truth)


def _normal_text(text: str) -> str:
    words = flatten(text).replace('"', " ").replace("'", " ").casefold()
    return _TO.sub("-", " ".join(words.split())).strip(" .,;:")


def _read_truths(value: Any) -> list[str]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(part).strip() for part in cast("Sequence[Any]", value)]
    return [part.strip() for part in str(value).split("|")]


def _find_answer(response: str) -> str | None:
    found = extract_answer(response)
    if found is None or not found.is_whole:
        return None
    if found.how is How.LAST_LINE and tidy(found.text) != tidy(split_thinking(response).text):
        return None
    return found.text


def _split(separator: re.Pattern[str], answer: str) -> list[str]:
    return [piece.strip() for piece in separator.split(answer.strip().strip("[]"))]
