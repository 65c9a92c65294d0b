"""Reads rows to verify: JSON Lines from a file or stdin, and Guru's released parquet files unchanged.

Both spellings are understood, ours (``ground_truth``, ``extra``) and Guru's (``reward_model.ground_truth``,
``extra_info``), and so is Guru's variant for stock verl, where both are compressed JSON in base64: ``extra_info`` cut
into ``part_1``, ``part_2``… and ``ground_truth`` under ``compressed``. A row that cannot be used is a ``Malformed``
value in its place, and the reading goes on. Rows are read one at a time; a file may be larger than memory.

Guru's rows hold no responses, save where a ``response`` column was added: ``join_responses`` puts them together with a
file of responses.
"""

import base64
import binascii
import codecs
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from abruzzi.errors import DataError
from abruzzi.verifiers.row import Row

MAX_LINE_BYTES = 128 << 20
"""A longer line is not read whole: it is one malformed row."""
_MAX_UNPACKED_BYTES = 256 << 20
"""What a compressed field may grow to."""
_STDIN = Path("-")
_PARQUET = b"PAR1"
_COLUMNS = ("id", "data_source", "response", "ground_truth", "reward_model", "extra", "extra_info")


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that cannot be verified because it cannot be read."""

    id: str
    """The row's own id if that could be read, else ``line 17`` or ``row 17``, counted from 1."""
    reason: str


def read_rows(path: Path, *, needs_response: bool = True) -> Iterator[Row | Malformed]:
    """Read rows in order.

    Args:
        path: JSON Lines, parquet (recognised by its first bytes), or ``-`` for JSON Lines from stdin.
        needs_response: without it a row may lack a response, as for a self-check; it is then empty.

    Raises:
        DataError: the file cannot be opened or is no parquet file although it begins like one, or pyarrow is missing.
    """
    for place, record in _read_records(path):
        yield record if isinstance(record, Malformed) else _to_row(record, place, needs_response)


def count_rows(path: Path) -> int | None:
    """Count the rows of a file, for a progress bar; None where only reading would tell."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        if stream.peek(4)[:4] == _PARQUET:
            return None
        pieces = iter(lambda: stream.read(1 << 20), b"")
        return sum(piece.count(b"\n") for piece in pieces)


def join_responses(path: Path, responses: Path) -> Iterator[Row | Malformed]:
    """Read responses, each with the row that it answers; a row may have several responses, or none.

    Args:
        path: the rows, held in memory; ids must be unique.
        responses: JSON Lines of objects ``{id, response}``, or ``-`` for stdin; their order is kept.

    Raises:
        DataError: as for ``read_rows``.
    """
    rows: dict[str, Row | Malformed] = {}
    for row in read_rows(path, needs_response=False):
        is_new = row.id not in rows
        rows[row.id] = row if is_new else Malformed(row.id, f"the id {row.id!r} occurs more than once in {path}")
    for place, record in _read_records(responses):
        if isinstance(record, Malformed):
            yield record
            continue
        try:
            key = _get_id(record, {}, place)
            row = rows.get(key) or Malformed(key, f"no row in {path} has the id {key!r}")
            yield row if isinstance(row, Malformed) else replace(row, response=_get_response(record))
        except DataError as error:
            yield Malformed(place, f"{place}: {error}")


def _read_records(path: Path) -> Iterator[tuple[str, dict[str, Any] | Malformed]]:
    """Read objects with their places in the file."""
    try:
        # Stdin is opened anew: a thread that still waits on sys.stdin when the interpreter exits would crash it.
        stream = open(0, "rb", closefd=False) if path == _STDIN else path.open("rb")  # noqa: SIM115
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}") from error
    with stream:
        if path != _STDIN and stream.peek(4)[:4] == _PARQUET:
            yield from _read_parquet(stream, path)
        else:
            yield from _read_lines(stream)


def _read_lines(stream: BinaryIO) -> Iterator[tuple[str, dict[str, Any] | Malformed]]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        place = f"line {number}"
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield place, Malformed(place, f"{place} is longer than {MAX_LINE_BYTES} bytes")
            continue
        line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if line.strip():
            yield place, _parse(line, place)


def _parse(line: bytes, place: str) -> dict[str, Any] | Malformed:
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return Malformed(place, f"{place} is not UTF-8: byte {error.start} is {line[error.start]:#04x}")
    except json.JSONDecodeError as error:
        return Malformed(place, f"{place} is not JSON: {error.msg} at character {error.pos}")
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of too many digits, NaN
        return Malformed(place, f"{place} is not JSON that can be used: {error}")
    return _as_object(record) or Malformed(place, f"{place} is not an object, or an empty one")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _read_parquet(stream: BinaryIO, path: Path) -> Iterator[tuple[str, dict[str, Any] | Malformed]]:
    if find_spec("pyarrow") is None:
        raise DataError(f"reading {str(path)!r} needs pyarrow: pip install 'abruzzi[parquet]'")
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(stream)
        columns = [column for column in file.schema_arrow.names if column in _COLUMNS]
        number = 0
        for batch in file.iter_batches(batch_size=64, columns=columns):
            for record in batch.to_pylist():
                number += 1
                yield f"row {number}", record
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{str(path)!r} is a broken parquet file: {error}") from error


def _to_row(record: dict[str, Any], place: str, needs_response: bool) -> Row | Malformed:
    key = place
    try:
        extra = _get_extra(record)
        key = _get_id(record, extra, place)
        return Row(
            id=key,
            data_source=_get_text(record, "data_source"),
            response=_get_response(record) if needs_response else str(record.get("response") or ""),
            ground_truth=_get_ground_truth(record),
            extra=extra,
        )
    except DataError as error:
        return Malformed(key, f"{place}: {error}")


def _get_id(record: Mapping[str, Any], extra: Mapping[str, Any], place: str) -> str:
    keys = (record.get("id"), extra.get("id"), extra.get("index"), extra.get("idx"))
    key = next((key for key in keys if key is not None), place)
    if not isinstance(key, str | int) or isinstance(key, bool):
        raise DataError(f"id must be text or a whole number, got {_show(key)}")
    return str(key)


def _get_text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise DataError(f"{key!r} must be text, got {_show(value)}" if key in record else f"{key!r} is missing")
    return value


def _get_response(record: Mapping[str, Any]) -> str:
    return _get_text(record, "response")


def _get_ground_truth(record: Mapping[str, Any]) -> Any:
    holder = record if "ground_truth" in record else _as_object(record.get("reward_model"))
    if "ground_truth" not in holder:
        raise DataError("'ground_truth' is missing")
    truth = holder["ground_truth"]
    is_packed = _as_object(truth).keys() == {"compressed"}
    return _unpack(truth["compressed"], "ground_truth") if is_packed else truth


def _get_extra(record: Mapping[str, Any]) -> dict[str, Any]:
    extra = record.get("extra", record.get("extra_info"))
    if "part_1" in (parts := _as_object(extra)):
        names = (f"part_{number}" for number in range(1, len(parts) + 1))
        extra = _unpack("".join(str(parts[name]) for name in names if parts.get(name) is not None), "extra_info")
    if extra is not None and not isinstance(extra, dict):
        raise DataError(f"'extra' must be an object, got {_show(extra)}")
    return cast("dict[str, Any] | None", extra) or {}


def _as_object(value: object) -> dict[str, Any]:
    """Give the value if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _unpack(packed: object, name: str) -> Any:
    """Undo base64 and zlib or gzip around JSON."""
    try:
        if not isinstance(packed, str):
            raise TypeError(f"got {_show(packed)}")
        inflate = zlib.decompressobj(wbits=47)  # recognises both headers
        unpacked = inflate.decompress(base64.b64decode(packed + "=" * (-len(packed) % 4)), _MAX_UNPACKED_BYTES)
        if not inflate.eof:
            raise ValueError("it is cut off, or unpacks to more than is sensible")
        return json.loads(unpacked)
    except (binascii.Error, zlib.error, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{name!r} cannot be unpacked: {error}") from error


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
