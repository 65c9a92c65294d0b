"""Prompts as text files beside the code, each identified by a hash of its words.

``$name`` marks what is filled in. A prompt's version is the hash of its file, so that no one can change its words and
forget to say so; records and scores carry it. Those in ``conversation/`` are shown only where a question ends a
conversation, on which no score depends; they are kept apart, so that a new one does not look like a change of protocol.
"""

import hashlib
from functools import cache
from importlib.resources import files
from string import Template
from typing import Literal

_SYSTEM_MARK = "\n---\n"
"""Splits a prompt file into the system message above and the user message below."""


@cache
def read_prompt(name: str) -> tuple[str, str]:
    """Read one prompt file.

    Args:
        name: of the file, without its ending; ``conversation/json`` for one in a folder.

    Returns:
        System text (empty when the file has none) and user text, placeholders still in them.
    """
    text = files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip()
    system, mark, user = text.partition(_SYSTEM_MARK)
    return (system.strip(), user.strip()) if mark else ("", text)


def fill(text: str, **values: str) -> str:
    """Put values in the place of ``$name`` marks; every mark must have its value."""
    return Template(text).substitute(values)


@cache
def prompt_versions(kind: Literal["", "conversation"] = "") -> dict[str, str]:
    """Name → first 12 hex digits of the sha256 of each prompt file.

    Args:
        kind: which folder's; the questions' own by default.
    """
    folder, prefix = files(__name__).joinpath(kind), f"{kind}/" if kind else ""
    return {
        prefix + path.name.removesuffix(".md"): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for path in sorted(folder.iterdir(), key=lambda p: p.name)
        if path.name.endswith(".md")
    }
