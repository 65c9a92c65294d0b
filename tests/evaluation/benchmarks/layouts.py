"""Writes small files in the layouts of published data sets, with rows made up for the tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.items import Item
from abruzzi.nouns import Outcome
from abruzzi.verifiers import verify


def write_lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, *rows: Any) -> Path:
    arrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(list(rows)), path)
    return path


def judge(item: Item, reply: str) -> Outcome:
    """Verify a reply as an evaluation does."""
    return verify(reply, item.ground_truth, data_source=item.data_source, extra=item.extra).outcome


def outcomes(item: Item, replies: Sequence[str]) -> list[str]:
    return [judge(item, reply).value for reply in replies]


def fence(*codes: str) -> str:
    """Write a reply whose answer is code."""
    return "Here it is:\n```python\n" + "\n\n".join(codes) + "\n```"
