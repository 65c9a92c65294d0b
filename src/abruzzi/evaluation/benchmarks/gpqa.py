"""GPQA-Diamond: 198 questions of graduate level that experts answer and others do not find (arXiv 2311.12022).

The four options come in an order drawn for each question from its own id, so that it is the same in every run and the
place says nothing. The authors ask that the questions be shown nowhere in plain text: the set is gated, no row of it is
kept here, and whoever runs it should keep its records to themselves.
"""

import random

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.asking import ask_choice, to_letter
from abruzzi.evaluation.benchmarks.benchmark import file_benchmark

_SEED = "gpqa-diamond"


def _read_item(record: Record) -> Item:
    key = record.text("Record ID")
    right = record.text("Correct Answer").strip()
    options = [right, *(record.text(f"Incorrect Answer {number}").strip() for number in (1, 2, 3))]
    random.Random(f"{_SEED}/{key}").shuffle(options)
    return Item(
        id=f"gpqa/{key}",
        question=ask_choice(record.text("Question"), options),
        ground_truth=to_letter(options.index(right)),
        data_source="stem__gpqa_diamond",
        extra={"options": options},
    )


GPQA_DIAMOND = file_benchmark(
    DataFiles("Idavidrein/gpqa", ("gpqa_diamond.csv",), revision="633f5ee89ab8ad4522a9f850766b73f62147ffdd"),
    _read_item,
    name="gpqa-diamond",
    title="GPQA-Diamond",
    licence="CC BY 4.0, gated",
    num_items=198,
    scorer="choice: the one letter that the reply settles on",
    notes=(
        "Guessing scores 25 %.",
        "The authors ask that no question be shown in plain text: do not publish the records of a run.",
    ),
)
