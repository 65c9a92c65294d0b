"""Reads SciCode's targets, ``test_data.h5``, into plain data that JSON can hold.

The file has a group for each step, in it one for each test, and in that the value: a dataset, several of them for a
tuple, or a group that spells out a list, a table or a sparse matrix. ``h5py`` reads it; the package is no extra of
Abruzzi's, because only this file needs it.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from abruzzi.errors import ConfigError, DataError

FILE = "test_data.h5"
MAX_NUMBERS = 1_000_000
"""A step whose targets hold more is left out: its tests would not fit into a verification."""


def read_targets(path: Path, steps: Mapping[str, int]) -> dict[str, list[Any]]:
    """Read the targets of steps.

    Args:
        path: the file.
        steps: step number → number of its tests.

    Returns:
        Step number → the target of each test; without the steps that the file does not have, or whose targets are too
        large or of a kind that is not known.

    Raises:
        ConfigError: ``h5py`` is missing.
        DataError: the file cannot be read.
    """
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise ConfigError(f"reading {path} needs the package h5py; run pip install h5py") from error
    found: dict[str, list[Any]] = {}
    try:
        with h5py.File(path, "r") as file:
            for step, count in steps.items():
                groups = [file.get(f"{step}/test{number}") for number in range(1, count + 1)]
                if all(group is not None for group in groups):
                    values = [_read_test(group) for group in groups]
                    if not any(value is _UNKNOWN for value in values) and _count(values) <= MAX_NUMBERS:
                        found[step] = values
    except OSError as error:
        raise DataError(f"cannot read {path} as HDF5: {error}") from error
    return found


_UNKNOWN: Any = object()


def _read_test(group: Any) -> Any:
    if not _is_group(group):
        return _plain(group[()])
    values = [_read_value(group[key]) for key in group]
    if any(value is _UNKNOWN for value in values):
        return _UNKNOWN
    return values[0] if len(values) == 1 else values


def _read_value(node: Any) -> Any:
    if not _is_group(node):
        return _plain(node[()])
    keys = list(node)
    if keys == ["list"]:
        return _read_list(node["list"])
    if keys == ["sparse_matrix"]:
        return _read_sparse(node["sparse_matrix"])
    values = {str(key): _read_value(node[key]) for key in keys}
    return _UNKNOWN if any(value is _UNKNOWN for value in values.values()) else values


def _read_list(node: Any) -> Any:
    values = [_read_value(node[key]) for key in node]
    return _UNKNOWN if any(value is _UNKNOWN for value in values) else values


def _read_sparse(node: Any) -> Any:
    """Write a sparse matrix out; by coordinates, or by compressed rows."""
    height, width = (int(size) for size in node["shape"][()])
    if height * width > MAX_NUMBERS or "data" not in node:
        return _UNKNOWN
    values = node["data"][()].tolist()
    if "row" in node and "col" in node:
        places = zip(node["row"][()].tolist(), node["col"][()].tolist(), strict=True)
    elif "indptr" in node and "indices" in node and "blocksize" not in node:
        starts, columns = node["indptr"][()].tolist(), node["indices"][()].tolist()
        places = ((row, columns[i]) for row in range(height) for i in range(starts[row], starts[row + 1]))
    else:
        return _UNKNOWN
    dense = [[0.0] * width for _ in range(height)]
    for (row, column), value in zip(places, values, strict=True):
        dense[row][column] += value
    return dense


def _is_group(node: Any) -> bool:
    return hasattr(node, "keys")


def _plain(value: Any) -> Any:
    """Write an array or a number as lists; a complex number as ``{"complex": [real, imaginary]}``."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    match value:
        case bytes():
            return value.decode("utf-8", "replace")
        case list():
            return [_plain(part) for part in cast("list[Any]", value)]
        case complex():
            return {"complex": [value.real, value.imag]}
        case bool() | int() | float() | str() | None:
            return value
        case _:
            return _UNKNOWN


def _count(value: Any) -> int:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return sum(_count(part) for part in cast("Sequence[Any]", value))
    return sum(map(_count, cast("Mapping[str, Any]", value).values())) if isinstance(value, Mapping) else 1
