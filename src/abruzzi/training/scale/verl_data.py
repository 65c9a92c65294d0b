"""Items as rows of verl's parquet files, and back again where their rewards are computed.

A row has verl's columns: ``data_source`` routes to the verifier, ``prompt`` is the chat that verl renders with the
model's own template, ``reward_model.ground_truth`` and ``extra_info.extra`` are JSON text. They are text because a
column of a parquet file has one type, and ground truths of six domains have as many: numbers, grids, tables, tests.
Guru's published files (arXiv 2506.14965) write some as JSON and others not; read them as items and write them anew.

Nothing is filtered here: verl leaves out prompts above its limit, and says how many.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, cast

from abruzzi.config import missing_package
from abruzzi.data.items import Item
from abruzzi.errors import DataError, RecordError
from abruzzi.nouns import Message

_ROWS_PER_GROUP = 1000


@dataclass(frozen=True, slots=True)
class Truth:
    """What a verifier needs of a row."""

    id: str
    data_source: str
    ground_truth: Any
    extra: Mapping[str, Any]


def to_verl_row(item: Item, messages: Sequence[Message], *, index: int, split: str, family: str = "") -> dict[str, Any]:
    """Write one item as a row.

    Args:
        item: the question with its ground truth.
        messages: how it is asked; the last one is the user's.
        index: place in the file, from 0.
        split: ``train`` or ``test``; verl shows it, and does nothing by it.
        family: domain or task, for curves; empty: what stands before ``__`` in the data source.

    Raises:
        DataError: nothing is asked, or the ground truth cannot be written as JSON.
    """
    if not messages or messages[-1].role != "user":
        raise DataError(f"item {item.id!r} asks nothing: its last message must be the user's")
    return {
        "data_source": item.data_source,
        "prompt": [{"role": message.role, "content": message.content} for message in messages],
        "ability": family or item.data_source.partition("__")[0],
        "reward_model": {"style": "rule", "ground_truth": _to_json(item.ground_truth, item.id)},
        "extra_info": {"index": index, "split": split, "id": item.id, "extra": _to_json(dict(item.extra), item.id)},
    }


def read_truth(data_source: str, ground_truth: object, extra_info: Mapping[str, Any]) -> Truth:
    """Read back what a verifier needs; other keys of ``extra_info``, which verl adds, are left alone.

    Raises:
        DataError: the row was not written by ``to_verl_row``.
    """
    key, extra = extra_info.get("id"), extra_info.get("extra")
    if not isinstance(ground_truth, str) or not isinstance(key, str) or not isinstance(extra, str):
        raise DataError(
            f"a row of {data_source!r} with the extra_info {sorted(extra_info)} is none of ours; "
            "write the file with abruzzi.training.scale.verl_data"
        )
    try:
        parsed: object = json.loads(extra)
        truth = json.loads(ground_truth)
    except ValueError as error:
        raise DataError(f"row {key!r} of {data_source!r} holds no JSON: {error}; write the file anew") from error
    if not isinstance(parsed, dict):
        raise DataError(f"row {key!r} of {data_source!r}: extra must be an object, got {extra[:80]!r}")
    return Truth(key, data_source, truth, cast("dict[str, Any]", parsed))


def write_verl_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as parquet, in whole or not at all; they are taken as they come.

    Returns:
        How many.

    Raises:
        DataError: there are none.
        ConfigError: pyarrow is missing.
        RecordError: the file cannot be written.
    """
    if find_spec("pyarrow") is None:
        raise missing_package("writing rows for verl", "pyarrow", extra="parquet")
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = _schema(arrow)
        with parquet.ParquetWriter(part, schema) as writer:
            for group in _groups(rows):
                writer.write_table(arrow.Table.from_pylist(group, schema=schema))
                count += len(group)
        if not count:
            raise DataError(f"there is no row to write to {path}")
        part.replace(path)
    except OSError as error:
        raise RecordError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return count


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    remaining = iter(rows)
    while group := list(islice(remaining, _ROWS_PER_GROUP)):
        yield group


def _schema(arrow: Any) -> Any:
    text = arrow.string()
    return arrow.schema(
        {
            "data_source": text,
            "prompt": arrow.list_(arrow.struct({"role": text, "content": text})),
            "ability": text,
            "reward_model": arrow.struct({"style": text, "ground_truth": arrow.large_string()}),
            "extra_info": arrow.struct(
                {"index": arrow.int64(), "split": text, "id": text, "extra": arrow.large_string()}
            ),
        }
    )


def _to_json(value: object, key: str) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"item {key!r} holds what JSON cannot: {error}; write it as text or numbers") from error
