"""MATH-500: the 500 test problems of MATH that «Let's verify step by step» held out (arXiv 2305.20050, 2103.03874)."""

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.benchmark import file_benchmark


def _read_item(record: Record) -> Item:
    return Item(
        id=record.text("id", "unique_id"),
        question=record.text("problem", "question"),
        ground_truth=record.text("answer"),
        data_source="math__math_500",
    )


MATH_500 = file_benchmark(
    DataFiles("HuggingFaceH4/MATH-500", ("test.jsonl",), revision="6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be"),
    _read_item,
    name="math-500",
    title="MATH-500",
    licence="MIT",
    num_items=500,
    scorer="maths: equal in value and kind",
)
