"""AIME 2024 and 2025: the 30 problems of both papers of a year; each answer is a whole number from 0 to 999."""

import re

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.benchmark import Benchmark, ReadItem, file_benchmark

_NUMBER = re.compile(r"\d{1,3}(?!\d)")
"""A degree sign may follow it."""
_NOTE = "Thirty problems: one more or less of them moves a score by 3.3 points."


def _reader(name: str) -> ReadItem:
    def read_item(record: Record) -> Item:
        """Read a problem and its number."""
        found = _NUMBER.match(record.text("answer").strip())
        if found is None:
            raise DataError(f"{record.place}: the answer is no number from 0 to 999: {record.get('answer')!r}")
        key = record.columns.get("id")
        return Item(
            id=key if isinstance(key, str) and "/" in key else f"{name}/{record.number if key is None else key}",
            question=record.text("problem", "question"),
            ground_truth=str(int(found[0])),
            data_source=f"math__{name.replace('-', '_')}",
        )

    return read_item


def _aime(year: int, files: DataFiles) -> Benchmark:
    name = f"aime-{year}"
    return file_benchmark(
        files,
        _reader(name),
        name=name,
        title=f"AIME {year}",
        licence="problems (c) MAA; the data card states none",
        num_items=30,
        scorer="maths: the number",
        notes=(_NOTE,),
    )


AIME_2024 = _aime(
    2024,
    DataFiles(
        "HuggingFaceH4/aime_2024",
        ("data/train-00000-of-00001.parquet",),
        revision="2fe88a2f1091d5048c0f36abc874fb997b3dd99a",
    ),
)
AIME_2025 = _aime(
    2025, DataFiles("math-ai/aime25", ("test.jsonl",), revision="563bb8404243c5f09de6ec262f2db674fe5bce9b")
)
