"""Numbers as they stand in a report: no more digits than they deserve, a real minus sign, intervals in brackets.

Pure text. A value that does not exist is a dash and never a zero.
"""

import math
from collections.abc import Sequence
from typing import TypeGuard, cast

from abruzzi.statistics.estimate import Estimate

MISSING = "–"
"""Stands for a value that does not exist."""
NARROW = 0.002
"""A 95 % interval narrower than this (0.2 points) earns a second decimal."""
_SPACE = "\N{NO-BREAK SPACE}"


def percent(value: Estimate | float | None) -> str:
    """Write a fraction in per cent without the sign: ``37.5 [34.1, 40.9]``, or ``37.5`` where it has no interval."""
    return _estimate(value, is_signed=False)


def points(value: Estimate | float | None) -> str:
    """Write a difference of fractions in percentage points: ``+2.5 [−0.3, +5.3]``."""
    return _estimate(value, is_signed=True)


def whole_percent(value: Estimate | float | None) -> str:
    """Write a fraction in whole per cent, for ratios whose intervals are wide: ``42 [−10, 95]``."""
    return _estimate(value, is_signed=False, decimals=0)


def count(value: float | None) -> str:
    """Write a number of things: ``12,345``; below 10 a mean keeps one decimal."""
    if not _exists(value):
        return MISSING
    return _number(value, 0 if abs(value) >= 10 or value == int(value) else 1)


def quantity(value: float | None) -> str:
    """Write seconds or money with three significant digits: ``0.0123``, ``1.23``, ``12.3``, ``1,234``."""
    if not _exists(value):
        return MISSING
    if value == 0:
        return "0"
    return _number(value, max(0, 2 - math.floor(math.log10(abs(value)))))


def p_value(value: float) -> str:
    """Write a p value: three decimals, ``< 0.001`` below that."""
    if not _exists(value):
        return MISSING
    return f"<{_SPACE}0.001" if value < 0.001 else _number(value, 3)


def setting(value: object) -> str:
    """Write a setting: ``not set``, ``yes``, ``0.28``, ``a, b``."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, cast("Sequence[object]", value))) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _estimate(value: Estimate | float | None, *, is_signed: bool, decimals: int | None = None) -> str:
    if not isinstance(value, Estimate):
        shown = 1 if decimals is None else decimals
        return _number(100 * value, shown, is_signed=is_signed) if _exists(value) else MISSING
    if not _exists(value.value):
        return MISSING
    if decimals is None:
        decimals = 2 if 0 < value.high - value.low < NARROW else 1
    middle, low, high = (
        _number(100 * number, decimals, is_signed=is_signed) if math.isfinite(number) else MISSING
        for number in (value.value, value.low, value.high)
    )
    return f"{middle} [{low},{_SPACE}{high}]"


def _exists(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _number(value: float, decimals: int, *, is_signed: bool = False) -> str:
    text = f"{value:{'+' if is_signed else ''},.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")
