"""Reads Guru's training files (arXiv 2506.14965): 91,900 prompts of six domains, each with what its verifier needs.

A row holds ``data_source``, ``prompt`` (turns of a chat), ``reward_model.ground_truth``, ``extra_info`` and the pass
rates of two models. Read too is the variant for stock verl, where ``extra_info`` and ``ground_truth`` are compressed
JSON in base64, the former cut into ``part_1``, ``part_2``…; it lies in a repository of its own and is given by path.

Files come from the hub at a pinned commit into its cache, one after another, and are then read as streams: that of
LiveCodeBench alone has 3.3 GB for 440 prompts. Which verifier a row goes to is the verifiers' business.
"""

import base64
import binascii
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from abruzzi.config import suggest
from abruzzi.data.hub import DataFiles, Record, fetch_files
from abruzzi.data.items import Item
from abruzzi.data.rows import MalformedRow, find_files, make_printable, stream_rows
from abruzzi.errors import ConfigError, DataError

REPO = "LLM360/guru-RL-92k"
REVISION = "2e2790a962a3c099bfb5ea61389cbf98a5ea439b"
TRAIN_FILES: Mapping[str, str] = {
    "math": "math__combined_54.4k",
    "leetcode": "codegen__leetcode2k_1.3k",
    "livecodebench": "codegen__livecodebench_440",
    "primeintellect": "codegen__primeintellect_7.5k",
    "taco": "codegen__taco_8.8k",
    "web": "stem__web_3.6k",
    "arcagi1": "logic__arcagi1_111",
    "arcagi2": "logic__arcagi2_190",
    "barc": "logic__barc_1.6k",
    "graph": "logic__graph_logical_1.2k",
    "ordering": "logic__ordering_puzzle_1.9k",
    "zebra": "logic__zebra_puzzle_1.3k",
    "codeio": "simulation__codeio_3.7k",
    "hitab": "table__hitab_4.3k",
    "multihier": "table__multihier_1.5k",
}
"""Sub-set → file; the file's name begins with its domain and ends with its number of rows."""
PASS_RATES = ("qwen2.5_7b_pass_rate", "qwen3_30b_pass_rate")
"""Columns kept in an item's ``extra``: shares of 16 answers that passed, of a weak and a strong model."""

_COLUMNS = ("data_source", "prompt", "ground_truth", "reward_model", "extra", "extra_info", *PASS_RATES)
_MAX_UNPACKED_BYTES = 256 << 20
"""What a compressed field may grow to."""


def read_guru(
    path: Path | None = None,
    subsets: Sequence[str] = (),
    *,
    fetch: Callable[[DataFiles], Sequence[Path]] = fetch_files,
) -> Iterator[Item | MalformedRow]:
    """Read items in order, with ids ``FILE/ROW`` from 0.

    Args:
        path: a folder that holds the files, or its ``train`` folder, or one file; None fetches them.
        subsets: which ones of ``TRAIN_FILES``, in this order; empty for all. Not for one file.
        fetch: gets files from the hub.

    Raises:
        ConfigError: a sub-set is unknown.
        DataError: a file cannot be had or read.
    """
    for subset in subsets:
        if subset not in TRAIN_FILES:
            raise ConfigError(f"{REPO} has no training file {subset!r}{suggest(subset, TRAIN_FILES)}")
    for file in _list_files(path, [TRAIN_FILES[subset] for subset in subsets or TRAIN_FILES], fetch):
        for row in stream_rows(file, _COLUMNS):
            yield row if isinstance(row, MalformedRow) else read_guru_row(row, file)


def read_guru_row(row: Record, file: Path) -> Item | MalformedRow:
    """Read a row of any of Guru's files, those for evaluation included."""
    try:
        return Item(
            id=f"{_name(file)}/{row.number - 1}",
            question=_read_question(row),
            ground_truth=_read_truth(row),
            data_source=row.text("data_source"),
            extra=_read_extra(row),
        )
    except DataError as error:
        return MalformedRow(str(file), row.number, str(error))


def _list_files(
    path: Path | None, names: Sequence[str], fetch: Callable[[DataFiles], Sequence[Path]]
) -> Iterator[Path]:
    if path is None:
        for name in names:
            yield from fetch(DataFiles(REPO, (f"train/{name}.parquet",), REVISION))
    elif path.is_dir():
        yield from find_files(path, names)
    else:
        yield path


def _name(file: Path) -> str:
    """Take the suffixes away; the name itself may hold dots."""
    return file.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".parquet")


def _read_question(row: Record) -> str:
    """Join what the prompt says; released rows have one turn of the user."""
    prompt: object = row.get("prompt")
    shown = str(prompt)[:60]
    if isinstance(prompt, str):
        turns = [prompt]
    else:
        parts = cast("Sequence[object]", prompt) if isinstance(prompt, list | tuple) else ()
        turns = [str(_as_object(part).get("content") or "") for part in parts]
    question = "\n\n".join(turn for turn in turns if turn.strip())
    if not question:
        raise DataError(f"{row.place} asks nothing: {shown!r}")
    return make_printable(question)


def _read_truth(row: Record) -> Any:
    holder = row.columns if "ground_truth" in row.columns else _as_object(row.columns.get("reward_model"))
    if holder.get("ground_truth") is None:
        raise DataError(f"{row.place}: 'ground_truth' is missing")
    truth = holder["ground_truth"]
    is_packed = _as_object(truth).keys() == {"compressed"}
    return _unpack(truth["compressed"], "ground_truth", row) if is_packed else truth


def _read_extra(row: Record) -> dict[str, Any]:
    extra: object = row.columns.get("extra", row.columns.get("extra_info"))
    if "part_1" in (parts := _as_object(extra)):
        names = (f"part_{number}" for number in range(1, len(parts) + 1))
        packed = "".join(str(parts[name]) for name in names if parts.get(name) is not None)
        extra = _unpack(packed, "extra_info", row)
    if extra is not None and not isinstance(extra, dict):
        raise DataError(f"{row.place}: 'extra_info' is no object: {str(extra)[:60]!r}")
    rates = {name: row.columns[name] for name in PASS_RATES if _is_rate(row.columns.get(name))}
    return {**(cast("dict[str, Any] | None", extra) or {}), **rates}


def _is_rate(value: object) -> bool:
    """Tell a share from what stands for none: null, or NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _as_object(value: object) -> dict[str, Any]:
    """Give the value if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _unpack(packed: object, name: str, row: Record) -> Any:
    """Undo base64 and zlib or gzip around JSON."""
    try:
        if not isinstance(packed, str):
            raise TypeError(f"it is no text: {str(packed)[:60]!r}")
        inflate = zlib.decompressobj(wbits=47)  # recognises both headers
        unpacked = inflate.decompress(base64.b64decode(packed + "=" * (-len(packed) % 4)), _MAX_UNPACKED_BYTES)
        if not inflate.eof:
            raise ValueError("it is cut off, or unpacks to more than is sensible")
        return json.loads(unpacked)
    except (binascii.Error, zlib.error, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{row.place}: {name!r} cannot be unpacked: {error}") from error
