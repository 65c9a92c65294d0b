"""Scores reasoning-gym tasks as the public wrapper does: the library's own score, unthresholded.

Kept from there: the last answer tag, else what follows the thoughts without what stands in angle brackets, else the
whole reply; ``game_of_life_halting`` compares the whole reply; ``puzzle24`` gives its consolation for bare arithmetic
only; a scorer that raises gives 0.

Not kept: no reply is evaluated. Lists that four scorers evaluate are read as literals, and what is no plain arithmetic
gets the score for a wrong answer from those that hand it to sympy.
"""

import re

from abruzzi.errors import DataError
from abruzzi.verifiers.procedural import (
    LISTED,
    ScreenedError,
    is_same_list,
    is_same_text,
    read_entry,
    score_by_library,
    screen,
)
from abruzzi.verifiers.row import Row

_TAG = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL | re.IGNORECASE)
_ARITHMETIC = re.compile(r"[0-9+\-*/.() ]*[+\-*/][0-9+\-*/.() ]*")
_CONSOLATION = 0.01


def score_procedural(row: Row) -> float:
    """Score the answer by its task's own scorer.

    Raises:
        ValueError: the row names no task.
    """
    try:
        task, entry = read_entry(row)
    except DataError as error:
        raise ValueError("task must be provided in extra_info, item, or ground_truth dict.") from error
    if task == "game_of_life_halting":
        return float(row.response.strip().lower() == str(row.ground_truth).strip().lower())
    answer = _find_answer(row.response)
    if task in LISTED:
        partial = 0.5 if task == "n_queens" else 0.1
        return 1.0 if is_same_text(answer, entry) else partial * is_same_list(answer, entry, LISTED[task])
    try:
        score = score_by_library(task, screen(task, answer, entry), entry)
    except ScreenedError:
        score = _CONSOLATION if task in {"puzzle24", "countdown"} else 0.0
    if task == "puzzle24" and score == _CONSOLATION:
        return score if _ARITHMETIC.fullmatch(row.response.strip()) else 0.0
    return score


def _find_answer(response: str) -> str:
    tagged = _TAG.findall(response)
    if tagged:
        return tagged[-1].strip()
    _, tag, after = response.partition("</think>")
    plain = re.sub(r"<[^>]+>", "", after.strip()).strip()
    return plain if tag and plain else response.strip()
