"""Humanity's Last Exam, the 2,158 questions without an image (arXiv 2501.14249).

The authors have a model say whether an answer means the same as theirs. Here no model is asked: an answer counts when
it is the right letter, or equal as text or as mathematics. That is a lower bound of their score.
"""

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.benchmark import file_benchmark

_CHOICE, _EXACT = "stem__gpqa__hle", "ood__bbeh__hle"
"""The verifier's names for letters, and for short answers of which what is not equal is wrong."""


def _read_item(record: Record) -> Item | None:
    if record.has("image"):
        return None
    is_choice = record.text("answer_type") == "multipleChoice"
    asked = "\n\nThe answer is the letter of the right option, and nothing else." if is_choice else ""
    return Item(
        id=f"hle/{record.text('id')}",
        question=record.text("question") + asked,
        ground_truth=record.text("answer"),
        data_source=_CHOICE if is_choice else _EXACT,
    )


HLE = file_benchmark(
    DataFiles("cais/hle", ("data/test-00000-of-00001.parquet",), revision="5a81a4c7271a2a2a312b9a690f0c2fde837e4c29"),
    _read_item,
    name="hle",
    title="HLE (text only)",
    licence="MIT, gated",
    num_items=2158,
    scorer="choice: the letter; otherwise equal as text or mathematics, no model is asked",
    notes=(
        "A lower bound: the authors' grader also accepts other words for the same answer.",
        "The set carries a canary and asks not to be trained on: do not publish the records of a run.",
    ),
)
