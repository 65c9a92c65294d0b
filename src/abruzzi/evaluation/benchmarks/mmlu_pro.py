"""MMLU-Pro: 12,032 multiple-choice questions of 14 fields with up to ten options each (arXiv 2406.01574)."""

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.asking import ask_choice
from abruzzi.evaluation.benchmarks.benchmark import file_benchmark


def _read_item(record: Record) -> Item:
    options = record.texts("options", "choices")
    return Item(
        id=str(record.columns.get("id") or f"mmlu_pro/{record.text('question_id')}"),
        question=ask_choice(record.text("question"), options),
        ground_truth=record.text("answer").strip(),
        data_source="stem__gpqa__mmlu_pro",
        extra={"options": options},
    )


MMLU_PRO = file_benchmark(
    DataFiles(
        "TIGER-Lab/MMLU-Pro",
        ("data/test-00000-of-00001.parquet",),
        revision="b189ec765aa7ed75c8acfea42df31fdae71f97be",
    ),
    _read_item,
    name="mmlu-pro",
    title="MMLU-Pro",
    licence="MIT",
    num_items=12_032,
    scorer="choice: the one letter that the reply settles on",
    notes=(
        "The authors show five worked examples of the field and draw a letter where they find none; here neither.",
        "Guessing scores about 11 %.",
    ),
)
