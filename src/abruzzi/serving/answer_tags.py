"""Takes the ``<answer>`` tags out of a growing text, which may be cut into pieces anywhere, inside a tag too.

The prompts ask for the tags so that answers can be compared; a client did not ask for them.
"""

import re

_TAG = re.compile(r"</?answer>", re.IGNORECASE)
_HALF = re.compile(r"<(?:/(?:a(?:n(?:s(?:w(?:e(?:r)?)?)?)?)?)?|a(?:n(?:s(?:w(?:e(?:r)?)?)?)?)?)?\Z", re.IGNORECASE)


class AnswerText:
    """A text without its tags; feed it pieces. Half a tag at its end is never handed out."""

    def __init__(self, *, keeps_tags: bool = False) -> None:
        self._keeps_tags = keeps_tags
        self._held = ""
        """What may be the beginning of a tag."""
        self._has_begun = False

    def feed(self, piece: str) -> str:
        """Take the next piece; return what can be shown by now. White space before the first word is not."""
        if self._keeps_tags:
            return piece
        text = self._held + piece
        half = _HALF.search(text)
        self._held = "" if half is None else half[0]
        shown = _TAG.sub("", text if half is None else text[: half.start()])
        if not self._has_begun:
            shown = shown.lstrip()
        self._has_begun = self._has_begun or bool(shown)
        return shown


def strip_answer_tags(text: str) -> str:
    """Take the tags out of a whole text, half a one at its end included."""
    return _TAG.sub("", _HALF.sub("", text)).strip()
