r"""The public maths graders: naive_dapo (the default), prime_math, math_llm_judge, math_dapo, MATH and GSM8K.

Rebuilt from the code of Reasoning360 as it ran, including: an unclosed or empty box grades the whole text; ``\pi`` on
either side switches the default's float comparison off (a misspelt keyword there raises and is swallowed); integers
beyond 1e308 are all equal; math_dapo scores −1 instead of 0. The judge's model is never called here:
``extra["judge_reply"]`` is what it answers, and an ``HTTP…`` reply raises as the original does.
"""

import json
import math
import re

from abruzzi.verifiers.published.hendrycks import is_equiv, last_boxed, unbox
from abruzzi.verifiers.published.maths_equal import grade, is_symbolically_close, math_equal
from abruzzi.verifiers.published.maths_strings import minerva
from abruzzi.verifiers.row import Row

_AFTER = ("answer:", "answer is", "answers are")
_BEFORE = ("is answer", "is the answer", "are answers", "are the answers")
_LAST_WORDS = ("be ", "is ", "are ", "=", ": ", "get ", "be\n", "is\n", "are\n", ":\n", "get\n")


def score_maths(row: Row) -> float:
    """Score a row as the public router and grader do.

    Raises:
        KeyError: math_llm_judge without a question.
        ValueError: the judge is needed and absent, or its endpoint failed.
    """
    source, metric = row.data_source, row.extra.get("reward_metric")
    if source.startswith("math"):
        if metric == "prime_math":
            return _score_prime(row.response, str(row.ground_truth))
        if metric == "math_llm_judge":
            return _score_judged(row)
        return _score_naive(row.response, str(row.ground_truth))
    if source == "openai/gsm8k":
        return _score_gsm8k(row)
    if source.startswith("aime"):
        return _score_dapo(row)
    if source.startswith("numina_"):
        return _score_prime(row.response, str(row.ground_truth))
    return _score_math(row)


def _score_naive(response: str, gold: str) -> float:
    answer = _boxed_or_all(response)
    if grade(answer, gold):
        return 1.0
    if "\\pi" in answer or "\\pi" in gold:
        return 0.0
    return float(_is_equal(answer, gold))


def _score_prime(response: str, gold: str) -> float:
    answer = _prose_answer(response)
    return float(grade(answer, gold) or _is_equal(answer, gold))


def _score_judged(row: Row) -> float:
    _ = row.extra["question"]
    gold = str(row.ground_truth)
    answer = _boxed_or_all(row.response)
    is_boxed = bool(_last_box(row.response.rpartition("</think>")[2]))
    if grade(answer, gold) or _is_equal(answer, gold, is_symbolic=True):
        return 1.0
    if not is_boxed:
        return 0.0
    reply = row.extra.get("judge_reply")
    if reply is None:
        raise ValueError("MATH_LLM_JUDGE_URL is not set")
    if re.fullmatch(r"HTTP\s?\d{3}", reply):
        raise json.JSONDecodeError("Expecting value", "", 0)
    return float("INCORRECT" not in reply and "CORRECT" in reply)


def _is_equal(answer: str, gold: str, *, is_symbolic: bool = False) -> bool:
    """Compare with either value of π where there is one; whatever is raised counts as unequal."""
    pis = (math.pi, 3.14) if "\\pi" in answer or "\\pi" in gold else (math.pi,)
    is_close = is_symbolically_close if is_symbolic else None
    try:
        results = [math_equal(answer, gold, pi=pi, is_close=is_close) for pi in pis]
    except (ValueError, OverflowError, IndexError, TypeError, RecursionError):
        return False
    return any(results)


def _boxed_or_all(response: str) -> str:
    """Give the last box after the thoughts; the whole text where it is missing, open or empty."""
    reply = response.rpartition("</think>")[2]
    return _last_box(reply) or reply


def _last_box(text: str) -> str | None:
    start = text.rfind("\\boxed")
    start = start if start >= 0 else text.rfind("\\fbox")
    if start < 0:
        return None
    depth, opened = 0, -1
    for brace in re.compile("[{}]").finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        opened = brace.start() if opened < 0 and brace[0] == "{" else opened
        if depth == 0 and brace[0] == "}":
            return text[opened + 1 : brace.start()].strip() if opened >= 0 else None
    return None


def _prose_answer(response: str) -> str:
    """Cut the answer out of prose, marker after marker."""
    for marker in _AFTER:
        place = response.lower().rfind(marker)
        response = response[place + len(marker) :].strip() if place >= 0 else response
    for marker in _BEFORE:
        place = response.lower().rfind(marker)
        response = response[:place].strip() if place >= 0 else response
    response = _last_box(response) or response
    place = response.lower().rfind(". ")
    response = response[:place].strip() if ". " in response and place >= 0 else response
    for marker in _LAST_WORDS:
        place = response.lower().rfind(marker)
        response = response[place + len(marker) :].strip() if place >= 0 else response
    return response


def _score_dapo(row: Row) -> float:
    """+1 or −1 for the last line ``Answer: …`` of the last 300 characters."""
    found = re.findall(r"(?i)Answer\s*:\s*([^\n]+)", row.response[-300:])
    return 1.0 if minerva(found[-1] if found else "[INVALID]") == minerva(row.ground_truth) else -1.0


def _score_gsm8k(row: Row) -> float:
    found = re.findall(r"#### (\-?[0-9\.\,]+)", row.response[-300:])
    return float(bool(found) and found[-1].replace(",", "") == row.ground_truth)


def _score_math(row: Row) -> float:
    boxed = last_boxed(row.response)
    if boxed is None:
        return 0.0
    try:
        return float(is_equiv(unbox(boxed), row.ground_truth))
    except (AssertionError, AttributeError):
        return 0.0
