"""Streams the question side of training files, in the layouts that people use.

A row's texts are what stands in the fields that hold a question: ``question``, ``problem``, ``prompt``, ``query``,
``instruction`` with ``input``, and the turns of a chat (``messages``, ``conversations``…) that are not the model's;
``choices`` or ``options`` follow the question. A row without any of these gives its plain text (``text``, ``content``,
``document``). Other fields are named by the caller, ``extra_info.question`` style; ``*`` is every string of the row,
the model's replies included.

How files are read is ``rows``'s business, and what the texts are compared with the reader's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from abruzzi.data.rows import MalformedRow, make_printable, read_numbered

QUESTION_FIELDS = (
    *("question", "problem", "prompt", "query", "instruction", "input"),
    *("messages", "conversations", "conversation", "dialog", "dialogue", "chat", "turns"),
)
ASKING_FIELDS = ("question", "problem", "prompt", "query")
OPTION_FIELDS = ("choices", "options")
TEXT_FIELDS = ("text", "content", "document", "body")
EVERYTHING = "*"
_BATCH_ROWS = 256
"""Rows are small here, and there are many: half the time that sixteen at a time take."""
MODEL_ROLES = frozenset({"assistant", "gpt", "model", "bot", "chatbot", "function", "tool"})


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """What a model is asked in one row of a training file."""

    file: str
    number: int
    """Line of a JSON Lines file, row of a parquet file; from 1."""
    texts: tuple[str, ...]
    """Each is a text of its own: a field, or a turn of a chat."""
    id: str | None = None


def read_training_rows(path: Path, fields: Sequence[str] = ()) -> Iterator[TrainingRow | MalformedRow]:
    """Read a training file in order.

    Args:
        path: JSON Lines, gzipped JSON Lines or parquet, recognised by the first bytes.
        fields: where the texts stand, dots going into objects; empty for the usual fields.

    Raises:
        DataError: the file cannot be read, is a JSON array or a broken archive.
        ConfigError: ``pyarrow`` is missing and the file is parquet.
    """
    file = str(path)
    for number, record in read_numbered(path, batch_rows=_BATCH_ROWS):
        if isinstance(record, str):
            yield MalformedRow(file, number, record)
            continue
        texts = tuple(dict.fromkeys(make_printable(text) for text in _find_texts(record, fields) if text.strip()))
        if not texts:
            wanted = ", ".join(fields) if fields else "any usual field"
            reason = f"row {number} has no text in {wanted}; its fields are {', '.join(list(record)[:12])}"
            yield MalformedRow(file, number, make_printable(reason))
            continue
        key = record.get("id")
        yield TrainingRow(file, number, texts, make_printable(str(key)) if isinstance(key, str | int) else None)


def _find_texts(record: dict[str, Any], fields: Sequence[str]) -> Iterator[str]:
    if fields:
        for field in fields:
            yield from _collect(record if field == EVERYTHING else _follow(record, field), everything=True)
        return
    found = {name: list(_collect(record[name])) for name in QUESTION_FIELDS if record.get(name)}
    if found.get("instruction") and found.get("input"):
        found["instruction"] = ["\n\n".join([*found["instruction"], *found.pop("input")])]
    if not any(found.values()):
        found = {name: list(_collect(record[name])) for name in TEXT_FIELDS if record.get(name)}
    options = [text for name in OPTION_FIELDS if record.get(name) for text in _collect(record[name])]
    for name, texts in found.items():
        if options and name in ASKING_FIELDS:
            yield "\n\n".join([*texts, *options])
        else:
            yield from texts


def _follow(record: dict[str, Any], field: str) -> object:
    """Return what stands under ``a.b``; a key that holds dots itself is found first."""
    if field in record:
        return record[field]
    value: object = record
    for key in field.split("."):
        value = cast("dict[str, object]", value).get(key) if isinstance(value, dict) else None
    return value


def _collect(value: object, *, everything: bool = False) -> Iterator[str]:
    """Yield the texts of a field: a string, a chat, or parts of either; the model's turns only when asked for all."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield from _collect(part, everything=everything)
    elif isinstance(value, dict):
        parts = cast("dict[str, object]", value)
        role = parts.get("role", parts.get("from"))
        if everything:
            yield from (text for part in parts.values() for text in _collect(part, everything=True))
        elif not (isinstance(role, str) and role.lower() in MODEL_ROLES):
            held = (parts.get(name) for name in ("content", "value", "text", *QUESTION_FIELDS))
            yield from (text for part in held for text in _collect(part))
