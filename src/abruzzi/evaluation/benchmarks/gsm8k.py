"""GSM8K: 1,319 word problems of primary school (arXiv 2110.14168).

The published answer is a worked solution whose last line is ``#### 42``; the ground truth is what follows the mark.
"""

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.benchmark import file_benchmark

_MARK = "####"


def _read_item(record: Record) -> Item:
    answer = record.text("answer").rpartition(_MARK)[2].strip()
    return Item(
        id=str(record.columns.get("id") or f"gsm8k/test/{record.number}"),
        question=record.text("question"),
        ground_truth=answer.replace(",", ""),
        data_source="math__gsm8k",
    )


GSM8K = file_benchmark(
    DataFiles(
        "openai/gsm8k",
        ("main/test-00000-of-00001.parquet",),
        revision="740312add88f781978c0658806c59bc2815b9866",
    ),
    _read_item,
    name="gsm8k",
    title="GSM8K",
    licence="MIT",
    num_items=1319,
    scorer="maths: the number",
    notes=("The authors sampled few-shot with a calculator; here it is zero-shot, as everything in this table.",),
)
