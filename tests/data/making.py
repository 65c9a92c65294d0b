"""Writes small files in the layouts of training data."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest


def write_lines(path: Path, *rows: dict[str, Any] | bytes) -> Path:
    """Write JSON Lines, gzipped where the name says so; bytes go in as they are."""
    lines = b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def write_parquet(path: Path, *rows: dict[str, Any]) -> Path:
    arrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(list(rows)), path)
    return path
