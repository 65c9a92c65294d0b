r"""The two equality tests of the public maths graders, after normalisation.

``grade`` is PRM800K's: equal strings, or elements whose difference sympy simplifies to 0. ``math_equal`` is the float
comparison with a relative tolerance of 1e-4, an allowance for percent both ways, and brackets stripped.

Departures that change no result: sympy is given only what a fixed alphabet can spell, with no builtins and a list of
names in reach, because its parser evaluates Python; the text with π is worked out without ``eval``; what sympy would
compute on until the original's alarm counts as unequal at once.
"""

import math
import re
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from abruzzi.verifiers.published.arithmetic import evaluate
from abruzzi.verifiers.published.maths_strings import hendrycks, is_whole_number, prm800k, strip_thousands
from abruzzi.verifiers.symbolic import parse_expression, refuse_costly

Plain = str | float
Closeness = Callable[[str, str], bool]
_BRACKETS = "()[]"
_FRACTION = re.compile(r"^-?[0-9]+.?/0*[1-9][0-9]*.?$")
_SPELLABLE = re.compile(r"(?:(?!__|\.[^\W\d]|[^\W\d]\.)[\w\s.+\-*/^!(),])*")
_BAD = re.compile(r"\^\{|\^\(|\^[0-9]+\^|\^[0-9][0-9]+")
_NAMES = (
    *(
        "Integer",
        "Float",
        "Number",
        "Rational",
        "Symbol",
        "Function",
        "sqrt",
        "frac",
        "pi",
        "oo",
        "nan",
        "ln",
        "re",
        "im",
        "li",
    ),
    *("ff", "rf", "factorial", "factorial2"),
)
_FUNCTIONS = (
    "sin",
    "cos",
    "tan",
    "log",
    "exp",
    "E",
    "I",
    "binomial",
    "Abs",
    "atan",
    "asin",
    "acos",
    "cbrt",
    "root",
    "Point",
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORDS = re.compile(r"[A-Za-z]{3,}|[#$]")
_INTERVALS = {"Interval": "[]", "Interval.Ropen": "[)", "Interval.Lopen": "(]", "Interval.open": "()"}


def grade(answer: str, gold: str) -> bool:
    """Compare as the PRM800K grader does."""
    if hendrycks(gold) == hendrycks(answer):
        return True
    gold, answer = prm800k(gold), prm800k(answer)
    if gold == answer:
        return True
    if not answer:
        return False
    golds, answers = _elements(gold), _elements(answer)
    if len(golds) > 1 and (gold[0] != answer[0] or gold[-1] != answer[-1]):
        return False
    return len(golds) == len(answers) > 0 and all(map(_is_same_element, golds, answers))


def _elements(text: str) -> list[str]:
    text = strip_thousands(text)
    if not text:
        return []
    is_tuple = len(text) > 2 and text[0] in _BRACKETS and text[-1] in _BRACKETS
    if is_tuple and not any(bracket in text[1:-1] for bracket in _BRACKETS):
        return [element.strip() for element in text[1:-1].split(",")]
    return [text]


def _is_same_element(gold: str, answer: str) -> bool:
    if _FRACTION.search(gold) and _FRACTION.search(answer):
        return gold == answer
    if is_whole_number(gold) != is_whole_number(answer):
        return False
    return _is_zero(f"({gold})-({answer})")


def _is_zero(expression: str) -> bool:
    """Say whether sympy simplifies an expression to 0, within the original's bounds on what it tries."""
    letters = {c for c in expression.replace("sqrt", "").replace("frac", "") if c.isalpha()}
    if len(letters) > 2 or _BAD.search(expression) or not _SPELLABLE.fullmatch(expression):
        return False
    try:
        refuse_costly(expression)
        return bool(_sympy().simplify(_read(expression.replace("^", "**"), _NAMES, implicit=True)) == 0)
    except Exception:  # noqa: BLE001 - sympy raises anything on such text, and the original swallows it all
        return False


@cache
def _sympy() -> Any:
    """Import sympy on first use: it takes most of a second."""
    import sympy

    return sympy


def _read(expression: str, names: tuple[str, ...], *, implicit: bool) -> Any:
    from sympy.parsing import sympy_parser

    transformations = sympy_parser.standard_transformations
    if implicit:
        transformations += (sympy_parser.implicit_multiplication_application,)
    reach: dict[str, Any] = {name: getattr(_sympy(), name) for name in names}
    reach["__builtins__"] = {}
    with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
        return sympy_parser.parse_expr(expression, global_dict=reach, transformations=transformations)


def math_equal(answer: Plain, gold: Plain, *, pi: float = math.pi, is_close: Closeness | None = None) -> bool:
    """Compare as floats, else as strings without brackets, else element by element.

    Args:
        answer: what the model said.
        gold: the truth.
        pi: what π counts as.
        is_close: the last resort; None where the original's is broken.

    Raises:
        ValueError: a subscript that is no number base.
    """
    answer, gold = _plain(answer, pi), _plain(gold, pi)
    answer = answer[:1000] if isinstance(answer, str) else answer
    if isinstance(answer, str) and isinstance(gold, str) and _is_same_text(answer, gold):
        return True
    numbers = _digits(answer), _digits(gold)
    if numbers[0] is not None and numbers[1] is not None:
        return any(math.isclose(gold, numbers[0], rel_tol=1e-4) for gold in _percents(numbers[1]))
    if not answer and answer != 0:
        return False
    answer, gold = _interval(str(answer).strip()), str(gold).strip()
    if _without_brackets(answer, gold):
        return True
    if _has_equal_parts(answer, gold, is_close):
        return True
    if "," in answer and "," in gold:
        parts = [part.strip() for part in answer.split(",")], [part.strip() for part in gold.split(",")]
        if len(parts[0]) == len(parts[1]):
            return _all_equal(*parts, is_close)
    return is_close is not None and is_close(answer, gold)


def _is_same_text(answer: str, gold: str) -> bool:
    return answer.strip().lower() == gold.strip().lower() or answer.replace(" ", "") == gold.replace(" ", "")


def _all_equal(answers: list[str], golds: list[str], is_close: Closeness | None) -> bool:
    results = [math_equal(answer, gold, is_close=is_close) for answer, gold in zip(answers, golds, strict=True)]
    return all(results)


def _has_equal_parts(answer: str, gold: str, is_close: Closeness | None) -> bool:
    """Compare the parts of two intervals or tuples with the same brackets."""
    if not answer or not gold or answer[0] not in "([" or answer[-1] not in ")]":
        return False
    if answer[0] != gold[0] or answer[-1] != gold[-1]:
        return False
    parts = answer[1:-1].split(","), gold[1:-1].split(",")
    return len(parts[0]) == len(parts[1]) and _all_equal(*parts, is_close)


def _without_brackets(answer: str, gold: str) -> bool:
    is_square = answer.startswith("[") and answer.endswith("]") and not gold.startswith("(")
    is_round = answer.startswith("(") and answer.endswith(")") and not gold.startswith("[")
    if is_square or is_round:
        answer, gold = answer.strip(_BRACKETS), gold.strip(_BRACKETS)
    for bracket in "{}()":
        answer, gold = answer.replace(bracket, ""), gold.replace(bracket, "")
    return answer == gold


def _percents(gold: float) -> tuple[float, ...]:
    return gold / 100, gold, gold * 100


def _digits(value: Plain) -> float | None:
    text = str(value)
    try:
        return float(text.replace("{,}", "") if "{,}" in text else text.replace(",", ""))
    except ValueError:
        return None


def _plain(value: Plain, pi: float) -> Plain:
    """Take a currency or percent sign away, the number before a base, and work out an expression with π."""
    if not isinstance(value, str):
        return value
    if re.match(r"\$\d+(\.\d+)?", value):
        return value[1:]
    if re.match(r"^\d+(\.\d+)?\\?%$", value):
        return value.replace("\\%", "").replace("%", "")
    if "_" in value:
        return int(float(value.split("_")[0]))
    if "\\pi" not in value:
        return value
    text = re.sub(r"(?<=\d)\\pi", f"*{pi}", value)
    text = text.replace("\\pi", f"1*{pi}")
    try:
        return evaluate(text)
    except Exception:  # noqa: BLE001 - whatever Python raises on such text, the original keeps the text
        return text


def _interval(answer: str) -> str:
    """Write sympy's intervals with brackets."""
    for name, brackets in _INTERVALS.items():
        match = re.match(rf"^{re.escape(name)}\((.*)\)$", answer)
        if match:
            return brackets[0] + match[1] + brackets[1]
    return answer


def is_symbolically_close(answer: str, gold: str) -> bool:
    """Compare as the judge's grader does last: simplified difference 0, or numerically within 1e-4."""
    try:
        first, second = _expression(answer), _expression(gold)
        if bool(_sympy().simplify(first - second) == 0):
            return True
        return math.isclose(_sympy().N(first), _sympy().N(second), rel_tol=1e-4)
    except Exception:  # noqa: BLE001 - sympy raises anything on such text, and the original swallows it all
        return False


def _expression(text: str) -> Any:
    """Read Python syntax, else LaTeX without words (those the original's parser multiplies letter by letter)."""
    refuse_costly(text)
    python = _read_python(text)
    if python is not None:
        return python
    parsed = () if _WORDS.search(_COMMAND.sub(" ", text)) or "\\text" in text else parse_expression(text)
    if not parsed:
        raise ValueError(f"no expression: {text[:80]!r}")
    return parsed[0]


def _read_python(text: str) -> Any:
    """Read Python syntax; None where it is none."""
    if not _SPELLABLE.fullmatch(text.lower()) or "^" in text:
        return None
    try:
        return _read(text, (*_NAMES, *_FUNCTIONS), implicit=False)
    except Exception:  # noqa: BLE001 - sympy raises anything on what is not Python
        return None
