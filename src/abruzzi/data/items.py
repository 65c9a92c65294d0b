"""An item: one question with its ground truth, and the JSON Lines file that people bring their own items in.

A row of such a file is ``{"id", "question", "answer", "data_source"?, …}``; every further key is handed to the verifier
as ``extra``. Without ``data_source`` the answer is taken for mathematics, which also compares words. What a ground
truth means is the verifier's business.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from abruzzi.errors import DataError
from abruzzi.records import WholeLines

DEFAULT_SOURCE = "math__own"
"""The ``data_source`` of a row that names none."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question with what its verifier needs."""

    id: str
    """Unique in its set."""
    question: str
    """The whole text that a model is asked."""
    ground_truth: Any
    """As the verifier of ``data_source`` wants it."""
    data_source: str
    """Routes to the verifier; see ``verifiers.router``."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further keys of the verifier."""


def read_items(path: Path) -> list[Item]:
    """Read items from JSON Lines.

    Raises:
        DataError: the file cannot be read, a row is unusable or an id occurs twice; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}") from error
    items = [_read_item(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not items:
        raise DataError(f"{path} holds no items; write one JSON object a line: id, question, answer")
    return check_ids(items, str(path))


def write_items(path: Path, items: Iterable[Item]) -> int:
    """Write items as JSON Lines that ``read_items`` reads, in whole or not at all.

    Returns:
        How many.

    Raises:
        RecordError: the file cannot be written.
    """
    with WholeLines(path, "the items") as lines:
        for item in items:
            asked = {"id": item.id, "question": item.question, "answer": item.ground_truth}
            lines.write({**item.extra, **asked, "data_source": item.data_source})
    return lines.num_rows


def check_ids(items: list[Item], source: str) -> list[Item]:
    """Return the items if no two share an id.

    Raises:
        DataError: two do.
    """
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise DataError(f"the id {item.id!r} occurs more than once in {source}; give each item its own")
        seen.add(item.id)
    return items


def hash_items(items: Iterable[Item]) -> str:
    """Return the sha256 (hex) of what is asked and expected, so that two sets are the same exactly when this is."""
    digest = sha256()
    for item in sorted(items, key=lambda item: item.id):
        content = [item.id, item.question, item.ground_truth, item.data_source, dict(item.extra)]
        digest.update(json.dumps(content, sort_keys=True, ensure_ascii=False, default=repr).encode() + b"\n")
    return digest.hexdigest()


def _read_item(line: str, place: str) -> Item:
    try:
        parsed: object = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place} is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise DataError(f"{place} is no JSON object: {line[:80]!r}")
    row = cast("dict[str, Any]", parsed)
    question = row.pop("question", None)
    if not isinstance(question, str) or not question.strip():
        raise DataError(f"{place} has no question: {line[:80]!r}")
    if "answer" not in row:
        raise DataError(f"{place} has no answer; its keys are {', '.join(row)}")
    return Item(
        id=str(row.pop("id", place.rpartition(" ")[2])),
        question=question,
        ground_truth=row.pop("answer"),
        data_source=str(row.pop("data_source", DEFAULT_SOURCE)),
        extra=row,
    )
