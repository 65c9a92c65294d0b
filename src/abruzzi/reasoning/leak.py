"""Keeps answers out of plans: takes out what states one, and detects one that slipped through.

A plan that holds the answer is no plan but a fourth candidate that the other three copy, and their agreement then says
nothing. Two nets:

1. ``redact`` works before any candidate sees the plan. It cannot know the answer, so it takes out what *states* one:
   boxes, answer tags, "the answer is …", and computed values ("17 + 25 = 42") that the question does not give.
2. ``holds_answer`` works afterwards, when the candidates have answered, and says whether the plan that they were shown
   held the answer they gave. It counts a leak; it cannot undo one.

Neither understands language: a hint in words ("a little over forty") passes both.
"""

import re

REDACTED = "[…]"

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_TAG = re.compile(r"<answer>.*?(?:</answer>|$)", re.DOTALL | re.IGNORECASE)
_STATED = re.compile(
    r"(?P<lead>\b(?:final\s+)?(?:answer|result|solution)\s*(?:is|=|:|equals|will\s+be|must\s+be|should\s+be)\s*)"
    r"(?P<value>(?!to\b|found\b|the\b|a\b|an\b|in\b|obtained\b|given\b)[^\s.,;][^\n;]*?)(?=[.;]?\s*(?:\n|$)|[.;,]\s)",
    re.IGNORECASE,
)
_NUMBER = r"[-−]?\$?\d[\d,]*(?:\.\d+)?(?:/\d+)?"
_COMPUTED = re.compile(rf"(?P<lead>[=≈]\s*)(?P<value>{_NUMBER})(?![\d.]*(?:\w|\s*[-+*/×·^(=]))")
_ANY_NUMBER = re.compile(_NUMBER)
_ORDINAL = re.compile(r"^\s*(?:[-*•]\s*)?(?:step\s*)?\d+\s*[.):\-]\s*", re.IGNORECASE | re.MULTILINE)
_STEP = re.compile(r"\b(?:steps?|parts?|lines?|points?)\s+\d+(?:\s*(?:and|to|–|-)\s*\d+)?\b", re.IGNORECASE)


def redact(plan: str, question: str) -> tuple[str, int]:
    """Take out of a plan whatever states an answer.

    Returns:
        The plan with each such statement replaced by ``[…]``, and how many there were.
    """
    given = _numbers(question)
    count = 0

    def drop(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return REDACTED

    def drop_value(match: re.Match[str]) -> str:
        nonlocal count
        if _numbers(match["value"]) <= given and match.re is _COMPUTED:
            return match[0]
        count += 1
        return match["lead"] + REDACTED

    for pattern, replace in ((_TAG, drop), (_BOX, drop), (_STATED, drop_value), (_COMPUTED, drop_value)):
        plan = pattern.sub(replace, plan)
    return plan, count


def holds_answer(plan: str, answer: str, question: str) -> bool:
    """Say whether a plan holds an answer that its question does not.

    A number counts as a number ("1,000" is "1000"), the numbering of steps does not count, and a single letter is a
    leak only where it is called the answer, an option or a choice.
    """
    plan = _STEP.sub(" ", _ORDINAL.sub("", plan))
    bare = _squeeze(answer)
    if not bare:
        return False
    values = _numbers(answer)
    if values and _ANY_NUMBER.fullmatch(bare.replace(" ", "")):
        return not values <= _numbers(question) and values <= _numbers(plan)
    if len(bare) == 1:
        pattern = rf"\b(?:answer|option|choice)\b\W*(?:is\W*)?\(?{re.escape(bare)}\b"
        return re.search(pattern, _squeeze(plan)) is not None
    whole = rf"(?<!\w){re.escape(bare)}(?!\w)"
    return re.search(whole, _squeeze(plan)) is not None and re.search(whole, _squeeze(question)) is None


def _numbers(text: str) -> set[str]:
    """Collect the numbers in a text, thousands separators, currency and trailing zeros taken away."""
    found: set[str] = set()
    for number in _ANY_NUMBER.findall(text):
        plain = number.replace(",", "").replace("$", "").replace("−", "-")
        if "." in plain and "/" not in plain:
            plain = plain.rstrip("0").rstrip(".")
        found.add(plain)
    return found


def _squeeze(text: str) -> str:
    return " ".join(text.lower().split())
