"""Streams the rows of large files as objects: JSON Lines, also gzipped, and parquet, told apart by what they hold.

Rows are read one at a time; a file may be larger than memory, though a page of a parquet file is held whole, and
writers put up to a thousand rows into one, whatever their size. A row that cannot be read is a ``MalformedRow`` in its
place and the reading goes on. What a row's columns mean is the business of each data set.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

from abruzzi.config import missing_package
from abruzzi.data.hub import Record
from abruzzi.data.training_rows import MalformedRow, read_json_lines
from abruzzi.errors import DataError

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")

_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_BATCH_ROWS = 16
"""Small, since rows of tests reach megabytes."""
_BUFFER_BYTES = 1 << 20


def stream_rows(path: Path, columns: Sequence[str] = ()) -> Iterator[Record | MalformedRow]:
    """Read the rows of a file in order.

    Args:
        path: JSON Lines, gzipped JSON Lines or parquet.
        columns: of a parquet file those to be read, where it has them; empty for all.

    Raises:
        DataError: the file cannot be read, is a JSON array or broken as a whole.
        ConfigError: ``pyarrow`` is missing and the file is parquet.
    """
    for number, row in _read(path, columns):
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


def _read(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield rows with their numbers, from 1; a string says why a row cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.peek(4)[:4]
            if head == _PARQUET:
                yield from _read_parquet(path, columns)
            elif head[:2] == _GZIP:
                with gzip.open(stream, "rb") as unzipped:
                    yield from read_json_lines(cast("BinaryIO", unzipped), path)
            else:
                yield from read_json_lines(stream, path)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"cannot read {str(path)!r}: {reason}") from error


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    if find_spec("pyarrow") is None:
        raise missing_package(f"reading {str(path)!r}", "pyarrow", extra="parquet")
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    number = 0
    try:
        # By path and buffered: from an open stream it would take a whole group of rows at once, perhaps the whole file.
        with parquet.ParquetFile(str(path), buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            wanted = [name for name in file.schema_arrow.names if not columns or name in columns]
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pyarrow.ArrowException as error:
        raise DataError(f"{str(path)!r} is a broken parquet file after row {number}: {error}") from error
