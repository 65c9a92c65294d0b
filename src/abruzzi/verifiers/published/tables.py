"""Scores answers on tables as the public grader does.

Kept from there: everything is lower-cased; an answer is worked out as a Python expression (here by ``arithmetic``, not
by ``eval``), so that a range is a difference; a relative 1e-3 is allowed against the truth, its hundredth and its
hundredfold; several answers are sorted as text before they are compared in pairs.
"""

import math
import re
from typing import Any

from abruzzi.verifiers.published.arithmetic import TooLargeError, evaluate
from abruzzi.verifiers.published.hendrycks import is_equiv, last_boxed, unbox
from abruzzi.verifiers.row import Row

RELATIVE_TOLERANCE = 1e-3
_REPLACEMENTS = ((",", ""), ("%", " / 100"), ("$", ""), (":", "/"), ("\\", ""))
_EVALUATION_ERRORS = (ArithmeticError, LookupError, MemoryError, NameError, RecursionError, SyntaxError, TypeError)


def score_tables(row: Row) -> float:
    r"""Score the answer or answers of the reply: 1 for right, else 0.

    Raises:
        AssertionError: the box is an ``\fbox``, as there.
    """
    text, truth = row.response.lower().split("</think>")[-1], str(row.ground_truth).lower()
    boxed = last_boxed(text)
    answer = text if boxed is None else _drop_double_backslashes(unbox(boxed))
    try:
        if "|" not in truth:
            return float(_is_same(answer, truth))
        truths = sorted(part.strip() for part in truth.split("|"))
        answers = sorted(part.strip() for part in answer.split("|"))
        return float(len(truths) == len(answers) and all(map(_is_same, answers, truths)))
    except TooLargeError:
        # The public grader hangs here until its caller gives up, which scores 0.
        return 0.0


def _drop_double_backslashes(answer: str) -> str:
    return re.sub(r"\\\\text\{([^}]*)\}", r"\1", answer).replace("\\\\", "")


def _is_same(answer: str, truth: str) -> bool:
    expression = answer
    for old, new in _REPLACEMENTS:
        expression = expression.replace(old, new)
    try:
        return _is_close(float(evaluate(expression)), truth)
    except TooLargeError:
        raise
    except (*_EVALUATION_ERRORS, ValueError):
        return is_equiv(answer, truth)


def _is_close(value: float, truth: str) -> bool:
    """Compare with the truth as a number where it is one, else as text without brackets."""
    reference = _read_reference(truth)
    number = _read_number(reference)
    if number is None:
        plain = str(reference).strip().translate(str.maketrans("", "", "{}()"))
        return plain == str(value)
    return any(math.isclose(item, value, rel_tol=RELATIVE_TOLERANCE) for item in (number / 100, number, number * 100))


def _read_reference(truth: str) -> Any:
    r"""Drop a currency or percent sign, a base, and work out a multiple of ``\pi``.

    Raises:
        ValueError: what stands before an underscore is no number.
    """
    if re.match(r"\$\d+(\.\d+)?", truth):
        return truth[1:]
    if re.fullmatch(r"\d+(\.\d+)?\\?%", truth):
        return truth.replace("\\%", "").replace("%", "")
    if "_" in truth:
        return int(float(truth.split("_", maxsplit=1)[0]))
    if "\\pi" in truth:
        expression = re.sub(r"(?<=\d)\\pi", f"*{math.pi}", truth).replace("\\pi", f"1*{math.pi}")
        try:
            return evaluate(expression)
        except _EVALUATION_ERRORS:
            return expression
    return truth


def _read_number(reference: Any) -> float | None:
    text = str(reference)
    try:
        return float(text.replace("{,}", "") if "{,}" in text else text.replace(",", ""))
    except ValueError:
        return None
