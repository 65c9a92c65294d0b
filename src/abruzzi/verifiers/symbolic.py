r"""Asks math-verify (sympy) whether two answers in flat notation are equal: what ``values`` cannot read comes here.

math-verify is not symmetric (its gold comes first), has no limit of its own outside of a main thread, and can be made
to compute for hours. So ``refuse_costly`` turns away, before sympy sees it, what is known to explode: towers and large
powers, large factorials, expansions, unevaluated sums and integrals, deep nesting, long texts. It cannot catch all (no
filter can); a caller who must not hang runs this in a process that can be killed.

Departures from math-verify's own defaults, each because of a wrong verdict that we reproduced: the text is always taken
as one LaTeX expression (its search for a number in the text reads ``6*sqrt(2)`` as 6), and its fallback to strings is
off (ours is in ``maths``); two expressions are compared by their values at a few points, which neither takes minutes
as simplifying can nor confuses two small numbers. Equations, inequalities, sets and matrices are left to it.
"""

import logging
import re
from functools import cache, lru_cache
from typing import Any

from abruzzi.verifiers.exact import TooCostlyError

MAX_CHARS = 1_000
MAX_DEPTH = 16
MAX_GROUPS = 40
MAX_POWER = 9_999
MAX_ALGEBRA_POWER = 99
"""Largest exponent where values do not decide: simplifying factorises."""
MAX_ROUNDING = 0.5e-6
MAX_RELATIVE_ERROR = 1e-4
"""How far a decimal may be from a constant without a short decimal form: as in ``maths``."""
MAX_RESULT_DIGITS = 50_000
MAX_EXPANSION = 16
"""Largest power of a sum of variables; beyond it, simplifying would expand it to thousands of terms."""

_EXPONENT = re.compile(r"(?:\^|\*\*)\s?")
_FACTORIAL_BASE = re.compile(r"(\d+|[)}\]])\s?!(?!=)")
_BINOMIAL = re.compile(r"\\binom|choose")
_SCIENTIFIC = re.compile(r"\d[eE][-+]?\d{4}")
_LARGE = re.compile(r"\d{4}")
_UNEVALUATED = re.compile(r"\\(?:i*int|oint|sum|prod|lim|bigcup|bigcap)(?![A-Za-z])")
_ARROW = {"<=": "\\leq ", ">=": "\\geq ", "!=": "\\neq ", "*": "\\cdot "}


def symbolically_equal(gold: str, answer: str) -> bool:
    """Decide with math-verify whether an answer equals the gold; False also where it cannot read one of them.

    Raises:
        TooCostlyError: one of them would be likely to compute for too long.
    """
    for text in (gold, answer):
        refuse_costly(text)
        if "..." in text:  # what the dots stand for is anybody's guess, math-verify's included
            return False
    golds, answers = parse_expression(gold), parse_expression(answer)
    if not golds or not answers:
        return False
    is_same = _compare_values(golds[0], answers[0])
    if is_same is not None:
        return is_same
    for text in (gold, answer):
        if any(_largest(_group_after(text, power.end())) > MAX_ALGEBRA_POWER for power in _EXPONENT.finditer(text)):
            raise TooCostlyError("a large power in what has to be solved or simplified")
    return bool(_math_verify().verify(list(golds), list(answers), timeout_seconds=None))


def _compare_values(gold: Any, answer: Any) -> bool | None:
    """Decide whether two expressions have the same values at two positive points; else None.

    Only where an absolute value occurs (the root of a square is one) does a negative point count, too: roots and
    logarithms of negative numbers are not what an answer in variables means.
    """
    sympy = _sympy()
    unsure = (sympy.Integral, sympy.Sum, sympy.Derivative, sympy.floor, sympy.ceiling)
    try:
        if not isinstance(gold, sympy.Expr) or not isinstance(answer, sympy.Expr) or (gold + answer).has(*unsure):
            return None
        gold, answer = (
            side.subs({call: sympy.Symbol(str(call)) for call in side.atoms(sympy.core.function.AppliedUndef)})
            for side in (gold, answer)
        )
        names = sorted({symbol.name for symbol in gold.free_symbols | answer.free_symbols} - {"i"})
        has_sign = (gold.doit() + answer.doit()).has(sympy.Abs)
        for k, sign in enumerate((1, 1, -1) if names and has_sign else (1, 1) if names else (1,)):
            point = {name: sympy.Rational(sign * (97 + 31 * i + 13 * k * (i + 1)), 73) for i, name in enumerate(names)}
            is_same = _compare_at(gold, answer, {**point, "i": sympy.I}, only_real=sign < 0)
            if is_same is False or (is_same is None and sign > 0):
                return is_same
    except Exception:  # noqa: BLE001 - sympy raises anything; math-verify then has its own way of failing
        return None
    return True


def _compare_at(gold: Any, answer: Any, point: dict[str, Any], *, only_real: bool) -> bool | None:
    """Compare two values by 30 significant digits of their difference; None where they have none.

    math-verify would compare to 15 digits after the point, for which all small numbers are equal, or simplify.
    """
    sides = [side.subs({symbol: point[symbol.name] for symbol in side.free_symbols}) for side in (gold, answer)]
    if only_real and not all(side.evalf().is_real for side in sides):
        return None
    difference = (sides[0] - sides[1]).evalf(30)
    parts = [part for part in difference.as_real_imag() if not _is_nothing(part)]
    if not all(part.is_Float or part.is_Rational for part in parts):
        return None
    if parts and any(side.has(_sympy().Float) for side in (gold, answer)):
        size, error = float(abs(sides[0].evalf())), float(abs(difference))
        return error <= MAX_ROUNDING and error <= MAX_RELATIVE_ERROR * size
    return not parts


def _is_nothing(part: Any) -> bool:
    """Say whether a number is 0, or not one of its digits is certain after 100 were worked out."""
    return part == 0 or (part.is_Float and part._prec == 1)


def refuse_costly(flat: str) -> None:
    """Turn away a text that sympy would be likely to compute on for too long.

    Raises:
        TooCostlyError: says why.
    """
    if len(flat) > MAX_CHARS:
        raise TooCostlyError(f"{len(flat):,} characters")
    depth, deepest = 0, 0
    for char in flat:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH or sum(map(flat.count, "([{")) > MAX_GROUPS:
        raise TooCostlyError(f"nested {deepest} deep, {sum(map(flat.count, '([{'))} groups")
    if _UNEVALUATED.search(flat):
        raise TooCostlyError("an unevaluated sum, product, limit or integral")
    for match in _FACTORIAL_BASE.finditer(flat):
        inner = match[1] if match[1].isdigit() else _group_before(flat, match.start(1))
        is_raised = flat[: match.end(1) - len(inner)].rstrip().endswith(("^", "**"))
        if is_raised or "^" in inner or "!" in inner or any(len(number) > 3 for number in re.findall(r"\d+", inner)):
            raise TooCostlyError(f"factorial of {inner[:40]}")
    if _SCIENTIFIC.search(flat):
        raise TooCostlyError("a number with an exponent of four digits")
    if _BINOMIAL.search(flat) and _LARGE.search(flat):
        raise TooCostlyError("a binomial beside a number of four digits")
    for match in _EXPONENT.finditer(flat):
        _refuse_costly_power(flat, match)


def _refuse_costly_power(flat: str, match: re.Match[str]) -> None:
    exponent = _group_after(flat, match.end())
    after = match.end() + len(exponent)
    shown = exponent[:40]
    if _EXPONENT.match(flat, after):
        raise TooCostlyError(f"tower of exponents over {shown}")
    size = _largest(exponent)
    has_letters = re.search(r"[A-Za-z]", exponent.replace("\\cdot", "")) is not None
    if not has_letters and (_EXPONENT.search(exponent) or len(re.findall(r"\d+", exponent)) > 2 or size > MAX_POWER):
        raise TooCostlyError(f"power with exponent {shown}")
    base = _base_before(flat, match.start())
    if re.search(r"[A-Za-z].*[-+]|[-+].*[A-Za-z]", base) and size > MAX_EXPANSION:
        raise TooCostlyError(f"a sum to the power {shown}")
    for inner in _EXPONENT.finditer(base):
        size *= max(1, _largest(_group_after(base, inner.end())))
    digits = max(map(len, re.findall(r"\d+", base)), default=1)
    if size * digits > MAX_RESULT_DIGITS:
        raise TooCostlyError(f"power with some {size * digits:,} digits")


def _largest(exponent: str) -> int:
    """Give the largest number in an exponent."""
    return max((int(digits[:9]) for digits in re.findall(r"\d+", exponent)), default=1)


def _base_before(flat: str, end: int) -> str:
    """Give what is raised: the group or the number that ends before ``end``."""
    if flat[:end].endswith((")", "}", "]")):
        return _group_before(flat, end - 1)
    number = re.search(r"\d*$", flat[:end])
    return number[0] if number else ""


def _group_after(flat: str, start: int) -> str:
    """Give the group or token that begins at ``start``."""
    if flat[start : start + 1] not in ("(", "[", "{"):
        token = re.compile(r"-?\s?(?:\d+|\\?[A-Za-z]+|.?)").match(flat, start)
        return token[0] if token else ""
    depth = 0
    for i in range(start, len(flat)):
        depth += (flat[i] in "([{") - (flat[i] in ")]}")
        if depth == 0:
            return flat[start : i + 1]
    return flat[start:]


def _group_before(flat: str, end: int) -> str:
    """Give the group whose closing bracket stands at ``end``."""
    depth = 0
    for i in range(end, -1, -1):
        depth += (flat[i] in ")]}") - (flat[i] in "([{")
        if depth == 0:
            return flat[i : end + 1]
    return flat[: end + 1]


def prepare() -> None:
    """Import math-verify and build its parser, which takes about a second the first time."""
    symbolically_equal("x+y", "y+x")


@cache
def _sympy() -> Any:
    """Import sympy on first use."""
    import sympy

    return sympy


@cache
def _math_verify() -> Any:
    """Import math-verify on first use: sympy takes most of a second."""
    import math_verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns once that it has no time limit: we know
    return math_verify


@lru_cache(maxsize=512)
def parse_expression(flat: str) -> tuple[Any, ...]:
    """Parse an answer to sympy objects; empty where math-verify cannot. Cached, as one gold meets many answers."""
    latex = re.sub(r'"([^"]*)"', r"\\text{\1}", flat)
    latex = re.sub(r"<=|>=|!=|\*(?!\*)", lambda m: _ARROW[m[0]], latex).replace("**", "^")
    library = _math_verify()
    config = [library.LatexExtractionConfig(boxed_match_priority=0)]
    found = library.parse(
        f"\\boxed{{{latex}}}",
        config,
        fallback_mode="no_fallback",
        extraction_mode="first_match",  # all of it or nothing: not a fraction out of the middle
        parsing_timeout=None,
    )
    return tuple(found)
