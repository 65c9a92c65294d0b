"""Writes the verdicts that every verifier gives, so that each outcome has one shape.

A score comes only with ``correct`` and ``wrong``; ``unparsed`` and ``error`` say nothing about how good the answer is.
"""

from abruzzi.nouns import Outcome, Verdict

MAX_SHOWN_CHARS = 200
"""How much of an answer a reason quotes."""


def correct(extracted: str, reason: str) -> Verdict:
    """Say that the answer is right."""
    return Verdict(Outcome.CORRECT, 1.0, extracted, reason)


def wrong(extracted: str, reason: str, *, score: float = 0.0) -> Verdict:
    """Say that the answer is wrong, with the share that is right where partial credit exists."""
    return Verdict(Outcome.WRONG, score, extracted, reason)


def unparsed(reason: str, extracted: str | None = None) -> Verdict:
    """Say that no answer was found, or that what was found has no single meaning."""
    return Verdict(Outcome.UNPARSED, 0.0, extracted, reason)


def broken(reason: str, extracted: str | None = None) -> Verdict:
    """Say that the row or the verifier is at fault; says nothing about the response."""
    return Verdict(Outcome.ERROR, 0.0, extracted, reason)


def shown(value: object) -> str:
    """Quote a value for a reason, shortened."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS] + "…"
