"""Finds the code in a reply: its fenced blocks, as CommonMark has them, with what models get wrong allowed for.

Allowed: text before an opening fence on its line, spaces and attributes behind the tag, an indented block, a closing
fence glued to the last line of code, and a last block that is never closed. A fence inside a longer fence is text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

_OPENING = re.compile(r"^(?P<before>[^`~]*?)(?P<fence>`{3,}|~{3,})[ \t]*(?P<tag>[\w+#.-]*)(?P<rest>[^`]*)$")
_CLOSING = re.compile(r"^(?P<glued>.*?)(?P<fence>`{3,}|~{3,})[ \t]*$")
_PYTHON = frozenset({"python", "py", "python3", "py3"})


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    tag: str
    """The language it names, in lower case; empty for none."""
    text: str


def find_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a text, first to last."""
    lines: list[str] | None = None
    tag = fence = ""
    for line in text.replace("\r\n", "\n").split("\n"):
        if lines is None:
            opening = _OPENING.match(line)
            if opening and (not opening["rest"].strip() or not opening["before"].strip()):
                lines, tag, fence = [], opening["tag"].lower(), opening["fence"]
            continue
        closing = _CLOSING.match(line)
        if closing and closing["fence"].startswith(fence):
            if closing["glued"].strip():
                lines.append(closing["glued"])
            yield Block(tag, dedent("\n".join(lines)))
            lines = None
        else:
            lines.append(line)
    if lines is not None:
        yield Block(tag, dedent("\n".join(lines)))


def python_blocks(text: str) -> list[str]:
    """List the blocks that say they hold Python, or, where there are none, those that name no language."""
    blocks = [block for block in find_blocks(text) if block.text.strip()]
    tagged = [block.text for block in blocks if block.tag in _PYTHON]
    return tagged or [block.text for block in blocks if not block.tag]
