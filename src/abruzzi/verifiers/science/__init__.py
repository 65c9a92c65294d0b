"""Verifies science answers: option letters, and short free text with or without a grader.

Rows of ``stem__gpqa``, ``stem__supergpqa`` and any other whose truth is a single letter are multiple choice. The others
(``stem_web``, released under the name ``stem__web``) are short free text: equal as text or as mathematics is right
without asking anyone. What is left is for a grader, a plain callable that the caller passes in, because verifiers know
no model; it is asked about answers stated in a box, a tag or a phrase only. Without one the verdict is ``error``, which
says nothing about the response.
"""

import re

from abruzzi.nouns import Verdict
from abruzzi.verifiers.extract import How, extract_answer, split_thinking, tidy
from abruzzi.verifiers.maths import equal_maths
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.science.choice import gold_reply_choice, verify_choice
from abruzzi.verifiers.science.grading import Grade, ask_grader
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

MAX_ANSWER_CHARS = 2_000
"""References have at most 30 tokens; a longer answer is a lecture for the grader."""
_CHOICE = ("stem__gpqa", "stem__supergpqa")
_EXACT = ("ood__bbeh",)
"""Sets of short fixed answers: what is not equal is wrong, and no grader is asked."""
_LETTER = re.compile(r"[A-J]|\([A-Z]\)")


def verify_science(row: Row, grade: Grade | None = None) -> Verdict:
    """Verify an option letter or a short free text; ``grade`` decides where equality alone cannot."""
    if row.data_source.startswith(_CHOICE) or _LETTER.fullmatch(str(row.ground_truth).strip()):
        return verify_choice(row)
    reference = _reference(row)
    if not reference:
        return broken("the ground truth is empty")
    found = extract_answer(row.response)
    if found is None or not found.is_whole:
        return unparsed("the reply states no answer" if found is None else "the reply breaks off before its answer")
    if len(found.text) > MAX_ANSWER_CHARS:
        return unparsed(f"the answer has {len(found.text)} characters, more than {MAX_ANSWER_CHARS}")
    is_bare = found.how is How.LAST_LINE
    if is_bare and tidy(found.text) != tidy(split_thinking(row.response).text):
        return unparsed("the reply states no answer in a box, a tag or a phrase")
    if _normal(found.text) == _normal(reference) or equal_maths(reference, found.text):
        return correct(shown(found.text), "equals the reference")
    if is_bare:
        return unparsed("not equal to the reference, and not stated in a way that a grader would be asked about")
    if row.data_source.startswith(_EXACT):
        return wrong(shown(found.text), "not equal to the reference")
    return _ask(row, found.text, reference, grade)


def gold_reply_science(row: Row) -> str:
    """Write the row's own answer in a box, a free text in a tag."""
    if row.data_source.startswith(_CHOICE):
        return gold_reply_choice(row)
    return f"<answer>{_reference(row)}</answer>"


def _ask(row: Row, answer: str, reference: str, grade: Grade | None) -> Verdict:
    if grade is None:
        return broken("not equal as text or mathematics; a grader is needed to tell whether it means the same", answer)
    question = row.extra.get("question")
    if not question:
        return broken("the row's extra holds no question, which the grader needs", shown(answer))
    try:
        is_same = ask_grader(grade, str(question), reference, answer)
    except Exception as error:  # noqa: BLE001 - a grader is foreign code; whatever it raises is recorded here
        return broken(f"the grader failed: {type(error).__name__}: {error}", shown(answer))
    if is_same:
        return correct(shown(answer), "the grader says it means the same")
    return wrong(shown(answer), "the grader says it means something else")


def _reference(row: Row) -> str:
    return str(row.ground_truth).strip()


def _normal(text: str) -> str:
    return " ".join(text.casefold().replace("$", " ").split()).strip(" .")
