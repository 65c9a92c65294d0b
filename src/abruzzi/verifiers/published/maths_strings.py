r"""The string normalisers of the public maths graders, each under the name of its origin.

``hendrycks`` is the MATH release's with an unwrapping before it, ``prm800k`` comes from OpenAI's PRM800K grader,
``minerva`` from lm-evaluation-harness. What looks like a mistake here is one there: units deleted inside words, a cut
at ``\text{ ``, integers that pass through a float.
"""

import re

from abruzzi.verifiers.published.hendrycks import normalise
from abruzzi.verifiers.published.latex_text import NotConvertedError, latex_to_text

_TEXT = re.compile(r"^\\text\{(?P<text>.+?)\}$")
_UNITS = (
    *("degree", "cm", "centimeter", "meter", "mile", "second", "minute", "hour", "day", "week", "month", "year"),
    *("foot", "feet", "inch", "yard", "liter"),
)
_THOUSANDS = re.compile(r"(\d)(,)(\d\d\d)($|\D)")
_SPOKEN = {" or ": " , ", " and ": " , ", "million": "*10^6", "billion": "*10^9", "trillion": "*10^12"}
_TYPED = {"√": "sqrt", "π": "pi", "∞": "inf", "∪": "U", "·": "*", "×": "*"}


def hendrycks(answer: str) -> str:
    """Normalise as MATH does; an answer on which that raises comes back unwrapped only."""
    answer = answer.strip()
    wrapped = _TEXT.search(answer)
    if wrapped:
        answer = wrapped["text"].strip()
    try:
        return normalise(answer)
    except (ValueError, IndexError):
        return answer


def prm800k(answer: str) -> str:
    """Normalise as the PRM800K grader does, through text instead of LaTeX."""
    wrapped = _TEXT.search(answer)
    answer = wrapped["text"] if wrapped else answer
    answer = answer.replace("\\%", "%").replace("\\$", "$").replace("$", "").replace("%", "")
    for old, new in _SPOKEN.items():
        answer = answer.replace(old, new)
    for unit in _UNITS:
        answer = re.sub(rf"{unit}(es)?(s)? *(\^[0-9]+)?", "", answer)
    answer = re.sub(r"\^ *\\circ", "", answer)
    if answer and answer[0] == "{" and answer[-1] == "}":
        answer = answer[1:-1]
    answer = re.sub(r",\\! *", "", answer)
    number = _float(answer)
    if number is not None and _is_whole(number):
        answer = str(round(number))
    if "\\" in answer:
        answer = _typed(answer)
    answer = re.sub("- *", "-", answer)
    answer = re.sub("([0-9]) +([0-9])", r"\1+\2", answer).lower()
    return str(int(float(answer.replace(",", "")))) if is_whole_number(answer) else answer


def _typed(answer: str) -> str:
    answer = answer.replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac").replace("\\frac", " \\frac")
    try:
        text = latex_to_text(answer)
    except NotConvertedError:
        return answer
    for old, new in _TYPED.items():
        text = text.replace(old, new)
    return text.strip()


def is_whole_number(text: str) -> bool:
    """Say whether a text, thousands separators aside, is within 1e-7 of an integer."""
    number = _float(strip_thousands(text))
    return number is not None and _is_whole(number)


def strip_thousands(text: str) -> str:
    """Take commas away that stand before exactly three digits."""
    while True:
        stripped = _THOUSANDS.sub(r"\1\3\4", text)
        if stripped == text:
            return text
        text = stripped


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_whole(number: float) -> bool:
    try:
        return abs(number - round(number)) <= 1e-7
    except (OverflowError, ValueError):
        return False


_MINERVA_REPLACED = (
    *(("an ", ""), ("a ", ""), (".$", "$"), ("\\$", ""), (r"\ ", ""), (" ", ""), ("mbox", "text")),
    *((",\\text{and}", ","), ("\\text{and}", ","), ("\\text{m}", "\\text{}")),
)
_MINERVA_REMOVED = (
    *("square", "ways", "integers", "dollars", "mph", "inches", "hours", "km", "units", "\\ldots", "sue", "points"),
    *("feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges", "students"),
    *("childrentickets", "multiples", "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3"),
    *("\\text{\n}", "\\text{}", "\\mathrm{th}", "^\\circ", "^{\\circ}", "\\;", ",\\!", "{,}", '"', "\\dots"),
)


def minerva(answer: str) -> str:
    """Normalise as the Minerva rules do: the part behind the last ``=``, without spaces, units and commands."""
    answer = answer.rpartition("=")[2]
    for old, new in _MINERVA_REPLACED:
        answer = answer.replace(old, new)
    for old in _MINERVA_REMOVED:
        answer = answer.replace(old, "")
    answer = re.sub(r"(.*?)(\$)(.*?)(\$)(.*)", r"$\3$", answer)
    for command in ("text", "textbf", "overline"):
        answer = re.sub(rf"\\{command}\{{(.*?)\}}", r"\1", answer)
    answer = re.sub(r"\\boxed\{(.*)\}", r"\1", answer)
    answer = re.sub(r"(frac)([^{])(.)", r"frac{\2}{\3}", answer)
    answer = re.sub(r"(sqrt)([^{])", r"sqrt{\2}", answer)
    answer = answer.replace("$", "")
    if answer.replace(",", "").isdigit():
        answer = answer.replace(",", "")
    return answer.strip()
