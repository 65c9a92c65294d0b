"""Streams the rows of large files as objects: JSON Lines, also gzipped, and parquet, told apart by what they hold.

Rows are read one at a time; a file may be larger than memory, though a page of a parquet file is held whole, and
writers put up to a thousand rows into one, whatever their size. A row that cannot be read is a ``MalformedRow`` in its
place and the reading goes on. What a row's columns mean is the business of each data set.
"""

import codecs
import gzip
import json
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

from abruzzi.config import missing_package
from abruzzi.data.hub import Record
from abruzzi.errors import DataError

MAX_LINE_BYTES = 128 << 20
"""A longer line is not read whole: it is one malformed row."""
SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")

_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_BATCH_ROWS = 16
"""Of parquet, made into objects at a time: few, since rows of tests reach megabytes."""
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that cannot be read."""

    file: str
    number: int
    reason: str


def stream_rows(path: Path, columns: Sequence[str] = ()) -> Iterator[Record | MalformedRow]:
    """Read the rows of a file in order.

    Args:
        path: JSON Lines, gzipped JSON Lines or parquet.
        columns: of a parquet file those to be read, where it has them; empty for all.

    Raises:
        DataError: the file cannot be read, is a JSON array or broken as a whole.
        ConfigError: ``pyarrow`` is missing and the file is parquet.
    """
    for number, row in read_numbered(path, columns):
        yield MalformedRow(str(path), number, row) if isinstance(row, str) else Record(path.name, number, row)


def find_files(folder: Path, names: Sequence[str]) -> list[Path]:
    """Find files by their names without suffix, in a folder or its ``train`` folder.

    Raises:
        DataError: one is not there; says what is.
    """
    return [_find_file(folder, name) for name in names]


def _find_file(folder: Path, name: str) -> Path:
    for path in (place / (name + suffix) for place in (folder, folder / "train") for suffix in SUFFIXES):
        if path.is_file():
            return path
    there = sorted(path.name for path in folder.iterdir())[:8] if folder.is_dir() else []
    raise DataError(
        f"{folder} holds no {name} ({' or '.join(SUFFIXES)}); it holds {', '.join(there) or 'nothing'}; "
        "give the folder of the data set, or one file of it"
    )


def read_numbered(
    path: Path, columns: Sequence[str] = (), *, batch_rows: int = _BATCH_ROWS
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield rows with their numbers, from 1; a string says why a row cannot be read.

    Args:
        path: see ``stream_rows``.
        columns: likewise.
        batch_rows: of parquet, made into objects at a time; more are faster where rows are small.

    Raises:
        DataError: see ``stream_rows``.
        ConfigError: likewise.
    """
    with _open(path) as stream:
        if stream is None:
            yield from _read_parquet(path, columns, batch_rows)
        else:
            yield from _read_json_lines(stream, path)


def count_rows(path: Path) -> int:
    """Count the rows of a file, for a progress bar; blank lines count too.

    Raises:
        DataError: as for ``stream_rows``.
        ConfigError: likewise.
    """
    with _open(path) as stream:
        if stream is None:
            with _open_parquet(path) as file:
                return int(file.metadata.num_rows)
        return sum(piece.count(b"\n") for piece in iter(lambda: stream.read(1 << 20), b""))


@contextmanager
def _open(path: Path) -> Generator[BinaryIO | None]:
    """Open a file as plain lines; None is a parquet file."""
    try:
        with path.open("rb") as stream:
            head = stream.peek(4)[:4]
            if head == _PARQUET:
                yield None
            elif head[:2] == _GZIP:
                with gzip.open(stream, "rb") as unzipped:
                    yield cast("BinaryIO", unzipped)
            else:
                yield stream
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"cannot read {str(path)!r}: {reason}") from error


def _read_json_lines(stream: BinaryIO, path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
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


def _read_parquet(path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[tuple[int, dict[str, Any] | str]]:
    number = 0
    with _open_parquet(path) as file:
        pyarrow = import_module("pyarrow")
        wanted = [name for name in file.schema_arrow.names if not columns or name in columns]
        try:
            for batch in file.iter_batches(batch_size=batch_rows, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except pyarrow.ArrowException as error:
            raise DataError(f"{str(path)!r} is a broken parquet file after row {number}: {error}") from error


def _open_parquet(path: Path) -> Any:
    if find_spec("pyarrow") is None:
        raise missing_package(f"reading {str(path)!r}", "pyarrow", extra="parquet")
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        # By path and buffered: from an open stream it would take a whole group of rows at once, perhaps the whole file.
        return parquet.ParquetFile(str(path), buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except pyarrow.ArrowException as error:
        raise DataError(f"{str(path)!r} is a broken parquet file: {error}") from error


def make_printable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can hold and no encoding takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
