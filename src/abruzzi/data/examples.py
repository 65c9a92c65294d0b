"""An example: what a model is taught to say, in the messages of a chat; and the JSON Lines file that holds many.

A row is ``{"id", "messages": [{"role", "content"}…], "completion", "family"?, "style"?}``: the messages end with the
user's turn, the completion is the assistant's whole reply, thoughts included. How it becomes tokens is the training's
business.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from abruzzi.errors import DataError
from abruzzi.nouns import Message
from abruzzi.records import WholeLines

_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation whose last reply is taught."""

    id: str
    messages: tuple[Message, ...]
    """All before the reply; the last one is the user's."""
    completion: str
    """The reply, e.g. ``<think>…</think>\\n<answer>…</answer>``; the end-of-turn token is not in it."""
    family: str = ""
    """Task or subset that it comes from, for shares and curves."""
    style: str = ""
    """Way of solving that the reply shows, where a program wrote it."""


def hash_prompt(messages: Iterable[Message]) -> str:
    """Return the sha256 (hex) of what is asked, blank space normalised: equal for two examples that ask the same."""
    text = "\x00".join(f"{message.role}\x01{' '.join(message.content.split())}" for message in messages)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write examples as JSON Lines, in whole or not at all.

    Returns:
        How many.

    Raises:
        RecordError: the file cannot be written.
    """
    with WholeLines(path) as lines:
        for example in examples:
            lines.write(asdict(example))
    return lines.num_rows


def read_examples(path: Path) -> Iterator[Example]:
    """Read examples one at a time.

    Raises:
        DataError: the file cannot be read or a row is unusable; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _read_example(line, f"{path}, line {number}", str(number))
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}") from error


def _read_example(line: str, place: str, default_id: str) -> Example:
    try:
        parsed: object = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place} is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise DataError(f"{place} is no JSON object: {line[:80]!r}")
    row = cast("dict[str, Any]", parsed)
    turns = row.get("messages")
    completion = row.get("completion")
    if not isinstance(turns, list) or not turns:
        raise DataError(f"{place} has no messages; write {{'messages': [{{'role', 'content'}}…], 'completion'}}")
    if not isinstance(completion, str) or not completion.strip():
        raise DataError(f"{place} has no completion to be taught")
    messages = tuple(_read_message(turn, place) for turn in cast("list[object]", turns))
    if messages[-1].role != "user":
        raise DataError(f"{place}: the last message is the {messages[-1].role}'s; it must be the user's")
    return Example(
        id=str(row.get("id", default_id)),
        messages=messages,
        completion=completion,
        family=str(row.get("family", "")),
        style=str(row.get("style", "")),
    )


def _read_message(turn: object, place: str) -> Message:
    row = cast("dict[str, Any]", turn) if isinstance(turn, dict) else {}
    role, content = row.get("role"), row.get("content")
    if role not in _ROLES or not isinstance(content, str):
        shown = str(cast("object", turn))[:80]
        raise DataError(f"{place}: a message needs a role of {', '.join(_ROLES)} and a content, got {shown!r}")
    return Message(role, content)
