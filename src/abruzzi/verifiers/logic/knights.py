"""Verifies knights-and-knaves puzzles: who tells the truth and who lies, everyone named once and rightly.

Ground truth: lines such as ``(1) Michael is a knight``, or a mapping from name to role. The answer says the same of
each name in any order; one who is called both, or left out, makes it wrong.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from abruzzi.nouns import Verdict
from abruzzi.verifiers.logic.tagged import NoAnswerError, normal_word, tagged_answer
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

_CLAIM = re.compile(r"\b([A-Z][\w'-]*)\W{0,4}(?:\bis\b|:|=)\W{0,4}(?:an?\W{1,4})?(knight|knave)\b", re.IGNORECASE)


def verify_knights(row: Row) -> Verdict:
    """Verify the role that the reply gives to each name."""
    truth = _read_roles(row.ground_truth)
    if not truth:
        return broken(f"the ground truth names no knight and no knave: {shown(row.ground_truth)}")
    try:
        answer = tagged_answer(row.response)
    except NoAnswerError as problem:
        return unparsed(str(problem))
    claims = _read_roles(answer)
    if not claims:
        return unparsed("the answer calls nobody a knight or a knave", shown(answer))
    if claims == truth:
        return correct(shown(answer), f"all {len(truth)} roles are right")
    num_right = len(claims & truth)
    return wrong(shown(answer), f"{num_right} of {len(truth)} roles are right, or someone is named twice")


def gold_reply_knights(row: Row) -> str:
    """Write who is what inside answer tags."""
    lines = (f"({i}) {name} is a {role}" for i, (name, role) in enumerate(sorted(_read_roles(row.ground_truth)), 1))
    return "<answer>\n" + "\n".join(lines) + "\n</answer>"


def _read_roles(value: Any) -> set[tuple[str, str]]:
    if isinstance(value, Mapping):
        return {(normal_word(name), normal_word(role)) for name, role in cast("Mapping[Any, Any]", value).items()}
    return {(normal_word(name), role.casefold()) for name, role in _CLAIM.findall(str(value))}
