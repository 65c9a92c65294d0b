r"""The string equality of the MATH release (Hendrycks et al. 2021), as the public graders carry it.

Both sides are brought to one spelling and compared as text; nothing is computed. Its oddities are kept: a unit after
``\text{ `` is cut off, a left side of up to two characters goes with its equals sign, ``0.5`` alone is one half.
"""

import re

_DROPPED = ("\n", "\\!")
_SPELLINGS = (("\\\\", "\\"), ("tfrac", "frac"), ("dfrac", "frac"), ("\\left", ""), ("\\right", ""))
_MARKS = (("^{\\circ}", ""), ("^\\circ", ""), ("\\$", ""))


def is_equiv(answer: str, truth: str) -> bool:
    """Compare two answers as normalised text, or as they are where one cannot be normalised."""
    try:
        return normalise(answer) == normalise(truth)
    except (ValueError, IndexError):
        return answer == truth


def last_boxed(text: str) -> str | None:
    r"""Find the last ``\boxed`` or ``\fbox`` with its braces; None where it never closes.

    With ``\boxed`` and a space anywhere, what follows the last of these counts, up to a dollar sign.
    """
    if "\\boxed " in text:
        return "\\boxed " + text.rsplit("\\boxed ", maxsplit=1)[-1].split("$", maxsplit=1)[0]
    start = text.rfind("\\boxed")
    if start < 0:
        start = text.rfind("\\fbox")
    if start < 0:
        return None
    depth = 0
    for brace in re.finditer("[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0 and brace[0] == "}":
            return text[start : start + brace.end()]
    return None


def unbox(boxed: str) -> str:
    r"""Take what is inside the box.

    Raises:
        AssertionError: it is an ``\fbox``, or a space stands before the brace elsewhere; the public code asserts.
    """
    if "\\boxed " in boxed:
        return boxed[len("\\boxed ") :]
    if not (boxed.startswith("\\boxed{") and boxed.endswith("}")):
        raise AssertionError(f"not a box: {boxed[:80]!r}")
    return boxed[len("\\boxed{") : -1]


def normalise(text: str) -> str:
    """Bring an answer to the one spelling.

    Raises:
        ValueError: more than one unit.
        IndexError: a root or fraction ends the text.
    """
    for mark in _DROPPED:
        text = text.replace(mark, "")
    for old, new in (*_SPELLINGS, *_MARKS):
        text = text.replace(old, new)
    text = _without_unit(text).replace("\\%", "")
    text = text.replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    text = "0" + text if text[0] == "." else text
    sides = text.split("=")
    if len(sides) == 2 and len(sides[0]) <= 2:
        text = sides[1]
    text = _with_braced_fractions(_with_braced_roots(text).replace(" ", ""))
    return _with_fraction("\\frac{1}{2}" if text == "0.5" else text)


def _without_unit(text: str) -> str:
    if "\\text{ " not in text:
        return text
    value, _unit = text.split("\\text{ ")
    return value


def _with_braced_roots(text: str) -> str:
    first, *rest = text.split("\\sqrt")
    return first + "".join("\\sqrt" + (part if part[0] == "{" else f"{{{part[0]}}}{part[1:]}") for part in rest)


def _with_braced_fractions(text: str) -> str:
    r"""Brace the digits of ``\frac12``; where one digit is all there is, leave the whole as it is."""
    first, *rest = text.split("\\frac")
    parts: list[str] = []
    for part in rest:
        if part[0] == "{":
            parts.append(part)
        elif len(part) < 2:
            return text
        elif part[1] == "{":
            parts.append(f"{{{part[0]}}}{part[1:]}")
        else:
            parts.append(f"{{{part[0]}}}{{{part[1]}}}{part[2:]}")
    return first + "".join("\\frac" + part for part in parts)


def _with_fraction(text: str) -> str:
    fraction = re.fullmatch(r"(-?\d+)/(-?\d+)", text)
    if fraction is None or any(str(int(part)) != part for part in fraction.groups()):
        return text
    return f"\\frac{{{fraction[1]}}}{{{fraction[2]}}}"
