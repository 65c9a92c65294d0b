"""MBPP, sanitized: short Python tasks with three assertions each (arXiv 2108.07732), the 257 of the test split.

The assertions are shown with the task, as the authors do, for a task's words alone do not name the function.
"""

import json

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.asking import ask_function
from abruzzi.evaluation.benchmarks.benchmark import WITHOUT_STOP, file_benchmark

_FIRST_TEST, _LAST_TEST = 11, 510
"""Task numbers of the authors' test split; the others are for prompts and training."""


def _read_item(record: Record) -> Item | None:
    number = int(record.text("task_id", "id").rpartition("/")[2])
    if not _FIRST_TEST <= number <= _LAST_TEST:
        return None
    tests = record.table("tests") if record.has("tests") else record
    asserts = tests.texts("test_list", "asserts")
    code = "\n".join([*tests.texts("test_imports", "imports"), *asserts])
    task = record.text("prompt", "question")
    return Item(
        id=f"mbpp/{number}",
        question=ask_function(f"{task}\n\nThese assertions must hold:\n```python\n{chr(10).join(asserts)}\n```"),
        ground_truth=json.dumps({"functional": code}),
        data_source="codegen__mbpp",
        extra={"reference": record.text("code", "answer")},
    )


MBPP = file_benchmark(
    DataFiles(
        "google-research-datasets/mbpp",
        ("sanitized/test-00000-of-00001.parquet",),
        revision="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
    ),
    _read_item,
    name="mbpp",
    title="MBPP sanitized",
    licence="CC BY 4.0",
    num_items=257,
    scorer="code: all assertions hold, in the sandbox",
    sampling=WITHOUT_STOP,
    notes=(
        "The reply sees the assertions that it is judged by, as in the authors' prompt.",
        "The authors show three examples; here none.",
    ),
)
