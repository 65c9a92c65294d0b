r"""Judges a maths answer: extraction, our own exact comparison for what it can read, math-verify for the rest.

What counts as equal, and why:

- **Numbers** are compared as exact rationals and surds, integers of any length digit by digit. There is no relative
  tolerance: 1041 is not 1042, and 3.14 is not π. A decimal written with six places or more stands for the value that it
  approximates (0.333333 for 1/3), as math-verify has it; the answer's error must also stay below 1 in 10,000.
- **Form is free** unless the question is about form, which a verifier cannot know: 2/4 is 1/2, 1+2 is 3, 2^{10} is
  1024, 1.5·10³ is 1500, a ratio 1:2 is 1/2.
- **Percent**: 12% is 12 (asked "what percentage") and 0.12 (asked "what share"); 0.12 is never 12. A share below 1%
  needs its sign: 0.5% is not 0.5.
- **Units, currencies, bases, names** may be left out or added (42 cm, $42, 101_2, x = 42). Where both sides name one
  and the names differ the answer is wrong. Nothing is converted.
- **Several answers** (1, 2; 1 or 2; {1, 2}; 1 ± √2; x = 1, x = 2) are equal in any order, and all must be there: an
  answer that hedges with a second value is wrong. Several adjacent boxes are read as such a list.
- **Tuples and intervals** keep their order and brackets; where there are more than two entries the kind of bracket says
  nothing. A list without brackets may stand for a tuple in the same order, a column vector for a tuple.
- **Matrices** are equal entry by entry, whatever their delimiters.
- **Equations**: ``x = 5`` is 5; ``2x + z = 1`` is not 1. Chains count by their last member, approximations by what
  stands before the ≈. Functions, inequalities and expressions in variables go to math-verify, the gold first.
- **Choices**: B, (B), ``\textbf{(B)}``, B) 42. A gold 42 accepts "(B) 42"; a gold B never accepts 42.
- **Words** are compared without case, articles and final stop. A sentence with exactly one number in it stands for this
  number, unless it says more than, not, or the like.

An expression that would be likely to compute for too long is refused before sympy sees it: ``unparsed`` when the answer
holds it, ``error`` when the ground truth does. The filter cannot be complete: run in the pool, which kills.
"""

import re
from decimal import Decimal

from abruzzi.nouns import Verdict
from abruzzi.verifiers.exact import TooCostlyError
from abruzzi.verifiers.extract import extract_answer
from abruzzi.verifiers.latex import flatten
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.symbolic import symbolically_equal
from abruzzi.verifiers.values import Kind, Value, read_value
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

MIN_DECIMALS = 6
MAX_ROUNDING = Decimal("0.5e-6")
MAX_RELATIVE_ERROR = Decimal("1e-4")
MAX_CHARS = 20_000
"""A longer answer is compared as text only."""

_LONG_INTEGER = re.compile(r"[-+]?\d[\d,]*")
_SENTENCE_NUMBER = re.compile(
    r"[-+]?[$€£]?(?<![\w.,])(?:[1-9]\d{0,2}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?"
    r"(?!\d|[./]\d|(?:st|nd|rd|th)\b)\s?%?"
)
_GAP = re.compile(r"(?<![\d,.]) | (?!\d)")
_NO_LANGUAGE = re.compile(r"\\[A-Za-z]+|[\d_]+")
_WORD = re.compile(r"[A-Za-z']+")
_FUNCTION = re.compile(r"(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?|sqrt|log|ln|lg|exp|max|min|gcd|lcm")
_TAKEN_BACK = re.compile(
    r"\b(?:not|no|cannot|can't|unknown|except|between)\b|[<>^\\_]"
    r"|\b(?:than|least|most|over|under|above|below|up to)\s+(?:[A-Za-z]+\s+)?[$€£]?\d",
    re.IGNORECASE,
)
_CONCLUSION = re.compile(r"(?:=|\bis|\bare|\bequals)\s?([-+]?[$€£]?\d[\d,.]{0,40}%?)\W*$")


def verify_maths(row: Row) -> Verdict:
    """Judge the final answer of a reply against the row's ground truth."""
    gold = gold_answer(row)
    if not flatten(gold[:MAX_CHARS]):
        return broken("the row has no ground truth")
    found = extract_answer(row.response)
    if found is None:
        return unparsed("the reply states no answer")
    if not found.is_whole:
        return unparsed("the reply breaks off before its answer is complete", found.text)
    try:
        is_equal = compare(gold, found.text)
    except TooCostlyError as error:
        return _refused(gold, found.text, error)
    if is_equal:
        return correct(found.text, f"equals {shown(gold)}")
    return wrong(found.text, f"differs from {shown(gold)}")


def _refused(gold: str, answer: str, error: TooCostlyError) -> Verdict:
    """Blame the side that is too costly on its own, the answer where neither is."""
    try:
        compare(gold, "x")
    except TooCostlyError:
        return broken(f"the ground truth is too costly to work out: {error}", answer)
    return unparsed(f"the answer is too costly to work out: {error}", answer)


def gold_answer(row: Row) -> str:
    """Give the ground truth as one answer: the content of its box where it has one."""
    text = str(row.ground_truth).strip()
    if "\\boxed" in text or "\\fbox" in text:
        found = extract_answer(text)
        return found.text if found else text
    return text


def gold_reply_maths(row: Row) -> str:
    """Write a reply that gives the row's own ground truth."""
    gold = gold_answer(row)
    boxed = f"The answer is \\boxed{{{gold}}}."
    found = extract_answer(boxed)
    return boxed if found and found.text == gold else f"<answer>{gold}</answer>"


def equal_maths(gold: str, answer: str) -> bool:
    """Say whether an answer equals the gold one; what is too costly to decide is not equal."""
    try:
        return compare(gold, answer)
    except TooCostlyError:
        return False


def compare(gold: str, answer: str) -> bool:
    """Say whether an answer equals the gold one.

    Raises:
        TooCostlyError: this would be likely to take too long.
    """
    if gold.strip() == answer.strip():
        return bool(gold.strip())
    if len(gold) > MAX_CHARS or len(answer) > MAX_CHARS or is_long_integer(gold) or is_long_integer(answer):
        return bare_digits(gold) == bare_digits(answer)
    flat_gold, flat_answer = flatten(gold), flatten(answer)
    if not flat_gold or not flat_answer:
        return False
    if squeeze(flat_gold) == squeeze(flat_answer):
        return True
    gold_value, answer_value = read_value(flat_gold), read_value(flat_answer)
    if gold_value is None or answer_value is None:
        if is_prose(flat_gold) or Kind.WORDS in (gold_value and gold_value.kind, answer_value and answer_value.kind):
            return False
        if is_prose(flat_answer):
            return gold_value is not None and _says(flat_answer, gold_value)
        return symbolically_equal(flat_gold, flat_answer)
    return is_same(gold_value, answer_value)


def is_same(gold: Value, answer: Value) -> bool:
    """Say whether a value equals the gold one: equal keys, less contradictions, plus what a truth may tolerate."""
    if gold.unit and answer.unit and gold.unit != answer.unit:
        return False
    if gold.name and answer.name and gold.name != answer.name and max(len(gold.name), len(answer.name)) == 1:
        return False
    if gold.number is not None and answer.number is not None:
        return _is_same_number(gold, answer)
    if answer.kind is Kind.CHOICE and gold.kind is not Kind.CHOICE:
        return bool(answer.items) and is_same(gold, answer.items[0])
    if gold.kind is Kind.CHOICE and answer.kind is not Kind.CHOICE:
        return bool(gold.items) and is_same(gold.items[0], answer)
    kinds = (gold.kind, answer.kind)
    if kinds in ((Kind.TUPLE, Kind.SEVERAL), (Kind.SEVERAL, Kind.TUPLE)):
        return (gold.text or answer.text) in ("()", "[]") and _are_same_in_order(gold, answer)
    if gold.kind is not answer.kind:
        return False
    if gold.kind in (Kind.SEVERAL, Kind.UNION):
        return _are_same_in_any_order(gold, answer)
    return gold.text == answer.text and (gold.kind is Kind.CHOICE or _are_same_in_order(gold, answer))


def _is_same_number(gold: Value, answer: Value) -> bool:
    if gold.number == answer.number:
        return gold.is_percent == answer.is_percent or not gold.is_below_one
    if gold.is_percent != answer.is_percent and gold.as_share == answer.as_share:
        return True
    if max(gold.decimals, answer.decimals) < MIN_DECIMALS:
        return False
    expected, given = gold.as_share.approximate(), answer.as_share.approximate()
    if expected is None or given is None:
        return False
    error = abs(expected - given)
    return error <= MAX_ROUNDING and error <= MAX_RELATIVE_ERROR * abs(expected)


def _are_same_in_order(gold: Value, answer: Value) -> bool:
    if len(gold.items) != len(answer.items):
        return False
    if all(item.name for item in (*gold.items, *answer.items)):
        return all(map(is_same, gold.items_by_name, answer.items_by_name))
    return all(map(is_same, gold.items, answer.items))


def _are_same_in_any_order(gold: Value, answer: Value) -> bool:
    """Pair each gold item with an answer of its own."""
    if gold.key == answer.key:
        return True
    left = list(answer.items)
    for item in gold.items:
        match = next((i for i, other in enumerate(left) if is_same(item, other)), None)
        if match is None:
            return False
        del left[match]
    return not left


def _says(sentence: str, gold: Value) -> bool:
    """Say whether a sentence ends in "is gold", or holds one number, the gold one, and does not take it back."""
    conclusion = _CONCLUSION.search(sentence)
    numbers = [conclusion[1]] if conclusion else _SENTENCE_NUMBER.findall(sentence)
    if len(numbers) != 1 or (not conclusion and _TAKEN_BACK.search(sentence)):
        return False
    value = read_value(numbers[0].strip())
    return value is not None and is_same(gold, value)


def is_prose(flat: str) -> bool:
    """Say whether a text in flat notation is language, which math-verify would read as a product of letters.

    It is where two words of three letters that are no functions, or three of two, stand in a stretch without digits.
    """
    for stretch in _NO_LANGUAGE.split(flat):
        words = [word for word in _WORD.findall(stretch) if not _FUNCTION.fullmatch(word)]
        if sum(len(word) >= 3 for word in words) >= 2 or sum(len(word) >= 2 for word in words) >= 3:
            return True
    return False


def squeeze(flat: str) -> str:
    """Take quotes and spaces out of a text in flat notation, but for those that keep two numbers apart."""
    return _GAP.sub("", flat.replace('"', ""))


def is_long_integer(answer: str) -> bool:
    """Say whether an answer is an integer with too many digits to be read as a number."""
    return len(answer) > 2_000 and _LONG_INTEGER.fullmatch(answer.strip()) is not None


def bare_digits(answer: str) -> str:
    """Write an integer of any length in one way; another text as it is, without the white space."""
    text = "".join(answer.split())
    if not _LONG_INTEGER.fullmatch(text):
        return text
    sign = "-" if text.startswith("-") else ""
    return sign + (text.lstrip("+-").replace(",", "").lstrip("0") or "0")
