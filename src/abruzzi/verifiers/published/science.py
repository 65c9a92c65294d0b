r"""Scores science answers as the public graders do: SuperGPQA, GPQA and the model-judged web questions.

Kept from there: thoughts count; a lower-case letter is none; the first of A to J found anywhere in the box is the
answer; where there is no answer a letter is drawn at random (here by the row, so that a run can be repeated); the judge
is believed when its reply holds "Final Decision: Yes" anywhere, and asked about boxed answers only.
"""

import random
import re

from abruzzi.verifiers.row import Row
from abruzzi.verifiers.science.grading import Grade

_LETTERS = "ABCDEFGHIJ"
_FLAT = r"[^{}]*"
_ONE_DEEP = rf"(?:[^{{}}]|\{{{_FLAT}\}})*"
_TWO_DEEP = rf"(?:[^{{}}]|\{{{_ONE_DEEP}\}})*"
_BOX = re.compile(rf"\\boxed\{{({_TWO_DEEP})\}}")
_FINAL = re.compile(r"Final Answer:((?:[^<]|<[^<])*?)\n")
_ANSWER = re.compile(r"The answer is:((?:[^<]|<[^<])*?)\n")
_LABELLED = re.compile(r"Answer[ \t]*:[ \t]*\$?([A-D])\$?", re.IGNORECASE)
_STOPS = ("</s>", "<|im_end|>", "<|endoftext|>")
_QUESTION = """\
### Question: {question}

### Ground Truth Answer: {truth}

### Student Answer: {answer}

Does the student's answer mean the same as the ground truth answer? Compare them only, without solving the question.
Finish with "Final Decision: Yes" where they mean the same, and with "Final Decision: No" where they do not.
"""
"""The judge's task in our words, with the fields and the decision phrase of the public one."""


def score_science(row: Row, grade: Grade | None = None) -> float:
    """Score a letter or a judged free text; without a judge the latter is 0, as when its address is not set.

    Raises:
        KeyError: a judged row has no question.
        TypeError: a judged row has no ``extra`` at all.
        NotImplementedError: the public router knows no such source; ``stem__web`` is one of these.
    """
    if row.data_source.startswith("stem__gpqa") and "no_box" in row.data_source:
        return score_labelled(row)
    if row.data_source.startswith(("stem__gpqa", "stem__supergpqa")):
        return score_letter(row)
    if row.data_source.startswith("stem_web"):
        return score_judged(row, grade)
    raise NotImplementedError(f"Reward function is not implemented for data_source={row.data_source!r}")


def score_letter(row: Row) -> float:
    """Score the first letter of A to J in the last box, or after the last marker, or a random one."""
    text = row.response
    if "<|im_start|>user" in text:
        _, tag, reply = text.partition("<|im_start|>assistant")
        text = tag + reply if tag else text
    elif "Assistant:" in text:
        text = text.split("Assistant:")[-1].strip()
    for stop in _STOPS:
        text = text.split(stop)[0].strip() if stop in text else text
    found = next((matches[-1] for matches in _answers(text) if matches), "")
    letters = [letter for letter in _LETTERS if letter in found]
    letter = letters[0] if letters else random.Random(f"{row.id} {row.response}").choice(_LETTERS)
    return float(letter == row.ground_truth)


def score_labelled(row: Row) -> float:
    """Score the first ``Answer: X``; the letter counts as it is typed."""
    found = _LABELLED.search(row.response)
    return float(found is not None and found[1] == row.ground_truth)


def score_judged(row: Row, grade: Grade | None) -> float:
    """Score what the judge says of the last box.

    Raises:
        KeyError: the row has no question.
    """
    question = row.extra["question"]
    answer = _last_boxed(row.response)
    if not answer or grade is None:
        return 0.0
    prompt = _QUESTION.format(question=question, truth=row.ground_truth, answer=answer)
    try:
        return float("Final Decision: Yes" in grade(prompt))
    except Exception:  # noqa: BLE001 - the public function scores 0 whatever befalls its judge
        return 0.0


def _answers(text: str) -> list[list[str]]:
    boxes = [box for box in _BOX.findall(text)[-1:] if box]
    return [boxes, _FINAL.findall(text), _ANSWER.findall(text)]


def _last_boxed(text: str) -> str:
    start = max(text.rfind("\\boxed"), -1)
    start = text.rfind("\\fbox") if start < 0 else start
    if start < 0:
        return ""
    depth, opening = 0, None
    for brace in re.finditer("[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        opening = brace.end() if opening is None and brace[0] == "{" else opening
        if depth == 0 and brace[0] == "}":
            return text[start + opening : start + brace.start()].strip() if opening is not None else ""
    return ""
