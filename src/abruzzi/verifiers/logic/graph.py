"""Verifies graph puzzles: the name of one node, compared without case, quotes or a closing full stop.

Ground truth: the name; a missing one (None) means that the answer is the word ``none``, as the set's own grader has it.
"""

import re

from abruzzi.nouns import Verdict
from abruzzi.verifiers.logic.tagged import NoAnswerError, normal_word, tagged_answer
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

_NAME = re.compile(r"[\w-]+")


def verify_graph(row: Row) -> Verdict:
    """Verify the one name that the reply gives."""
    truth = normal_word(row.ground_truth)
    if not truth:
        return broken("the ground truth is empty")
    try:
        answer = tagged_answer(row.response)
    except NoAnswerError as problem:
        return unparsed(str(problem))
    name = normal_word(answer.strip("[](){}\"' \n"))
    if not _NAME.fullmatch(name):
        return unparsed("the answer is not a single name", shown(answer))
    if name == truth:
        return correct(name, "the right node")
    return wrong(name, "another node")


def gold_reply_graph(row: Row) -> str:
    """Write the node's name inside answer tags."""
    return f"<answer> {row.ground_truth} </answer>"
