"""Verifies multiple choice: which one letter the reply settles on.

Ground truth: a letter. The reply's letter is the last one stated in a tag, a box, an ``"answer"`` field or a phrase
such as "the answer is (C)", or stands alone on the last line; upper or lower case, with or without brackets and the
option's text after it. Where ``extra`` lists the options (``options``, ``choices``, or lines such as ``(A) water`` in
``original_prompt``), the text of exactly one of them stands for its letter.

Two letters are no answer, and neither is none: both are ``unparsed``. No letter is ever drawn at random.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from abruzzi.nouns import Verdict
from abruzzi.verifiers.extract import extract_answer
from abruzzi.verifiers.latex import flatten
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.verdicts import broken, correct, shown, unparsed, wrong

_FIRST, _LAST = "A", "J"
"""The letters that the public sets use; more options than that extend them."""
_LABEL = r"(?:(?:option|choice|answer|letter)\b[\s:]*)?"
_ALONE = re.compile(_LABEL + r"[(\[{<]?\s?([A-Za-z])\s?[)\]}>]?\s?[.:,)]?", re.IGNORECASE)
_LEADING = re.compile(_LABEL + r"(?:[(\[]([A-Za-z])[)\]]|([A-Z])\s?[).:]|([A-Z])\s[-=]\s)\s*(?=\S)")
_ANOTHER = re.compile(r"[(\[]([A-Z])[)\]]|\b([A-Z])[).:](?=\s)|\b(?:or|and)\s+([A-Z])\b")
_OPTION_LINE = re.compile(r"^\s*[(\[]?([A-Z])[).:\]]\s*(\S.*?)\s*$", re.MULTILINE)


def verify_choice(row: Row) -> Verdict:
    """Verify the letter that the reply settles on."""
    truth = str(row.ground_truth).strip("()[]. ").upper()
    if not re.fullmatch("[A-Z]", truth):
        return broken(f"the ground truth is no letter: {shown(row.ground_truth)}")
    found = extract_answer(row.response)
    if found is None or not found.is_whole:
        return unparsed("the reply states no answer" if found is None else "the reply breaks off before its answer")
    options = read_options(row.extra)
    letter = read_letter(found.text, options, last=max(truth, _LAST))
    if letter is None:
        return unparsed("the answer is not one of the options", shown(found.text))
    if letter == truth:
        return correct(letter, "the right option")
    return wrong(letter, f"the right option is {truth}")


def gold_reply_choice(row: Row) -> str:
    """Write the right letter in a box."""
    return f"The answer is \\boxed{{{row.ground_truth}}}."


def read_letter(answer: str, options: Mapping[str, str], *, last: str = _LAST) -> str | None:
    """Read the one letter that an answer names; None where it names none or several.

    Args:
        answer: what the reply states, without the prose around it.
        options: the text of each letter's option; empty where unknown.
        last: the last letter that counts as an option.
    """
    text = flatten(answer).replace('"', " ").replace("**", "").strip()
    last = max([last, *options])
    alone = _ALONE.fullmatch(text)
    if alone and _FIRST <= alone[1].upper() <= last:
        return alone[1].upper()
    same = [letter for letter, option in options.items() if _normal(option) == _normal(text)]
    if len(same) == 1:
        return same[0]
    leading = _LEADING.match(text)
    if leading is None:
        return None
    letter = next(group for group in leading.groups() if group).upper()
    others = {next(group for group in other.groups() if group) for other in _ANOTHER.finditer(text, leading.end())}
    is_only = not any(_FIRST <= other <= last for other in others - {letter})
    return letter if _FIRST <= letter <= last and is_only else None


def read_options(extra: Mapping[str, Any]) -> dict[str, str]:
    """Read the options' texts by letter; empty where the row does not carry them."""
    listed = extra.get("options", extra.get("choices"))
    if isinstance(listed, Mapping):
        return {str(key).strip("(). ").upper(): str(text) for key, text in cast("Mapping[Any, Any]", listed).items()}
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        return {chr(ord(_FIRST) + i): str(text) for i, text in enumerate(cast("Sequence[Any]", listed)[:26])}
    lines = _OPTION_LINE.findall(str(extra.get("original_prompt", "")))
    return dict(lines) if [letter for letter, _ in lines] == [chr(ord(_FIRST) + i) for i in range(len(lines))] else {}


def _normal(text: str) -> str:
    return " ".join(flatten(text).replace('"', " ").casefold().split()).strip(" .")
