"""Streams the question side of training files: JSON Lines, also gzipped, and parquet, in the layouts that people use.

A row's texts are what stands in the fields that hold a question: ``question``, ``problem``, ``prompt``, ``query``,
``instruction`` with ``input``, and the turns of a chat (``messages``, ``conversations``…) that are not the model's;
``choices`` or ``options`` follow the question. A row without any of these gives its plain text (``text``, ``content``,
``document``). Other fields are named by the caller, ``extra_info.question`` style; ``*`` is every string of the row,
the model's replies included.

Rows are read one at a time; a file may be larger than memory. A row that cannot be read is a ``MalformedRow`` in its
place and the reading goes on. What the texts are compared with is the reader's business.
"""

import codecs
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

from abruzzi.errors import DataError

QUESTION_FIELDS = (
    *("question", "problem", "prompt", "query", "instruction", "input"),
    *("messages", "conversations", "conversation", "dialog", "dialogue", "chat", "turns"),
)
ASKING_FIELDS = ("question", "problem", "prompt", "query")
OPTION_FIELDS = ("choices", "options")
TEXT_FIELDS = ("text", "content", "document", "body")
EVERYTHING = "*"
MODEL_ROLES = frozenset({"assistant", "gpt", "model", "bot", "chatbot", "function", "tool"})
MAX_LINE_BYTES = 128 << 20
"""A longer line is not read whole: it is one malformed row."""

_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_BATCH_ROWS = 256


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """What a model is asked in one row of a training file."""

    file: str
    number: int
    """Line of a JSON Lines file, row of a parquet file; from 1."""
    texts: tuple[str, ...]
    """Each is a text of its own: a field, or a turn of a chat."""
    id: str | None = None


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that cannot be read."""

    file: str
    number: int
    reason: str


def read_training_rows(path: Path, fields: Sequence[str] = ()) -> Iterator[TrainingRow | MalformedRow]:
    """Read a training file in order.

    Args:
        path: JSON Lines, gzipped JSON Lines or parquet, recognised by the first bytes.
        fields: where the texts stand, dots going into objects; empty for the usual fields.

    Raises:
        DataError: the file cannot be read, is a JSON array or a broken archive, or pyarrow is missing.
    """
    file = str(path)
    for number, record in _read_records(path):
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


def count_training_rows(path: Path) -> int:
    """Count the rows of a file, for a progress bar; blank lines count too.

    Raises:
        DataError: as for ``read_training_rows``.
    """
    try:
        with path.open("rb") as stream:
            if stream.peek(4)[:4] == _PARQUET:
                return int(_open_parquet(stream, path).metadata.num_rows)
            if stream.peek(2)[:2] == _GZIP:
                with gzip.open(stream, "rb") as unzipped:
                    return _count_lines(cast("BinaryIO", unzipped))
            return _count_lines(stream)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {str(path)!r}: {_explain(error)}") from error


def _count_lines(stream: BinaryIO) -> int:
    return sum(piece.count(b"\n") for piece in iter(lambda: stream.read(1 << 20), b""))


def _read_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield rows with their numbers; a string says why a row cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.peek(4)[:4]
            if head == _PARQUET:
                yield from _read_parquet(stream, path)
            elif head[:2] == _GZIP:
                with gzip.open(stream, "rb") as unzipped:
                    yield from read_json_lines(cast("BinaryIO", unzipped), path)
            else:
                yield from read_json_lines(stream, path)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {str(path)!r}: {_explain(error)}") from error


def read_json_lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield the objects of JSON Lines with their line numbers, from 1; a string says why a line cannot be read.

    Raises:
        DataError: the file is a JSON array.
    """
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, f"line {number} is longer than {MAX_LINE_BYTES} bytes"
            continue
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
            if line.lstrip().startswith(b"["):
                raise DataError(f"{str(path)!r} is a JSON array; write it as JSON Lines, one object a line")
        if line.strip():
            yield number, _parse(line, number)


def _parse(line: bytes, number: int) -> dict[str, Any] | str:
    try:
        record: object = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return f"line {number} is not UTF-8: byte {error.start} is {line[error.start]:#04x}"
    except json.JSONDecodeError as error:
        return f"line {number} is not JSON: {error.msg} at character {error.pos}"
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of too many digits
        return f"line {number} is not JSON that can be used: {error}"
    return cast("dict[str, Any]", record) if isinstance(record, dict) else f"line {number} is not an object"


def _read_parquet(stream: BinaryIO, path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    file = _open_parquet(stream, path)
    pyarrow = import_module("pyarrow")
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for record in batch.to_pylist():
                number += 1
                yield number, record
    except pyarrow.ArrowException as error:
        raise DataError(f"{str(path)!r} is a broken parquet file after row {number}: {error}") from error


def _open_parquet(stream: BinaryIO, path: Path) -> Any:
    if find_spec("pyarrow") is None:
        raise DataError(f"reading {str(path)!r} needs the package pyarrow; pip install 'abruzzi[parquet]'")
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        return parquet.ParquetFile(stream)
    except pyarrow.ArrowException as error:
        raise DataError(f"{str(path)!r} is a broken parquet file: {error}") from error


def make_printable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can hold and no encoding takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _explain(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


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
