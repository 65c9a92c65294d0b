"""Verifies ordering puzzles: the names of all objects, in the right order.

Ground truth: a list of names. The answer is a list in brackets, quoted or not, or the bare names separated by commas or
line breaks. Case, spacing and quotes do not count; hyphens and apostrophes belong to a name.
"""

import json
import re
from collections.abc import Sequence
from typing import cast

from abruzzi.nouns import Verdict
from abruzzi.verifiers.literals import LiteralError, find_literals, read_literal
from abruzzi.verifiers.logic.tagged import NoAnswerError, normal_word, tagged_answer
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_ENUMERATOR = re.compile(r"^\s*(?:\d{1,3}[.):]|[-*•])\s+")


def verify_ordering(row: Row) -> Verdict:
    """Verify that the reply lists the names in the right order."""
    truth = _read_truth(row.ground_truth)
    if truth is None:
        return broken(f"the ground truth is no list of names: {shown(row.ground_truth)}")
    try:
        answer = tagged_answer(row.response)
        names = _read_names(answer)
    except NoAnswerError as problem:
        return unparsed(str(problem))
    expected = [normal_word(name) for name in truth]
    if names == expected:
        return correct(shown(answer), f"all {len(expected)} names are in order")
    if sorted(names) == sorted(expected):
        return wrong(shown(answer), "the right names in the wrong order")
    return wrong(shown(answer), "not the names that were to be ordered")


def gold_reply_ordering(row: Row) -> str:
    """Write the right order inside answer tags."""
    return f"<answer> {json.dumps(_read_truth(row.ground_truth), ensure_ascii=False)} </answer>"


def _read_truth(value: object) -> list[str] | None:
    if isinstance(value, str):
        try:
            value = read_literal(value)
        except LiteralError:
            return None
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    names = cast("Sequence[object]", value)
    return [str(name) for name in names] if all(isinstance(name, str | int) for name in names) else None


def _read_names(answer: str) -> list[str]:
    lists = [value for value, _ in find_literals(answer, "[")]
    if any(value != lists[-1] for value in lists):
        raise NoAnswerError("the answer holds more than one list")
    if lists:
        return [normal_word(name) for name in lists[-1]]
    brackets = _BRACKETS.findall(answer)
    if len(set(brackets)) > 1:
        raise NoAnswerError("the answer holds more than one list")
    text = brackets[-1] if brackets else answer
    pieces = text.split(",") if "," in text else text.split("\n")
    names = [normal_word(_ENUMERATOR.sub("", piece)) for piece in pieces]
    return [name for name in names if name]
