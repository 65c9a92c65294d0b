"""Takes what a puzzle's reply holds inside its last ``<answer>`` tag, and brings words to one form."""

import re
import unicodedata

from abruzzi.verifiers.extract import How, extract_answer

MAX_ANSWER_CHARS = 100_000
"""A 30x30 grid takes 3,000; anything near this limit is no answer."""

_FENCE = re.compile(r"\A```\w*\s*|\s*```\Z")


class NoAnswerError(ValueError):
    """The reply holds no answer inside its tags; the message says why, in a sentence."""


def tagged_answer(response: str) -> str:
    """Give the text inside the last answer tag that follows the thoughts, without a fence around it.

    Raises:
        NoAnswerError: there is no such tag, or the reply breaks off before it is whole.
    """
    found = extract_answer(response)
    if found is None or found.how is not How.ANSWER_TAG:
        raise NoAnswerError("the reply holds no <answer> tag after its thoughts")
    if not found.is_whole:
        raise NoAnswerError("the reply breaks off before its answer is whole")
    if len(found.text) > MAX_ANSWER_CHARS:
        raise NoAnswerError(f"the answer has {len(found.text)} characters, more than {MAX_ANSWER_CHARS}")
    return _FENCE.sub("", found.text.strip()).strip()


def normal_word(value: object) -> str:
    """Bring a cell or a name to the form in which equal ones are equal text: no case, single spaces, no quotes."""
    text = unicodedata.normalize("NFKC", str(value)).casefold().replace("_", " ").replace("’", "'")
    return " ".join(text.split()).strip("\"'`*. ")
