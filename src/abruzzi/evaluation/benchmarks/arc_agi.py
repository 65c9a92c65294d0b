"""ARC-AGI-1, public evaluation: grids to be completed by a rule that a few examples show (arXiv 1911.01547).

A task with two test inputs becomes two items. Read are the authors' folder, a file a task, and JSON Lines of tasks with
``question`` and ``answer``, where the test outputs stand apart.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abruzzi.data.hub import DataFiles, Record, load_records, read_records
from abruzzi.data.items import Item, check_ids
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.benchmark import Benchmark

Grid = Sequence[Sequence[int]]
_FILES = DataFiles(
    "fchollet/ARC-AGI",
    ("data/evaluation",),
    revision="399030444e0ab0cc8b4e199870fb20b863846f34",
    host="github",
)


def read_tasks(record: Record) -> list[Item]:
    """Read a task as one item for each of its test inputs.

    Raises:
        DataError: the row lacks a part.
    """
    task = record.table("question") if record.has("question") else record
    examples: Sequence[dict[str, Any]] = task.get("train")
    if task is record:
        pairs = [(pair["input"], pair["output"]) for pair in record.get("test")]
    else:
        pairs = list(zip(task.get("test_inputs"), record.get("answer"), strict=True))
    key = str(record.columns.get("id") or f"arc_agi1_eval/{Path(record.source).stem}")
    return [
        Item(f"{key}/{number}", _ask(examples, given), output, "simulation__arcagi1")
        for number, (given, output) in enumerate(pairs, start=1)
    ]


def _ask(examples: Sequence[dict[str, Any]], given: Grid) -> str:
    shown = "\n\n".join(
        f"Example {number}\nInput:\n{_show(example['input'])}\nOutput:\n{_show(example['output'])}"
        for number, example in enumerate(examples, start=1)
    )
    return (
        "Each example shows a grid of colours, numbered 0 to 9, before and after a rule was applied. Find the rule, "
        f"and apply it to the last grid.\n\n{shown}\n\nThe last grid\nInput:\n{_show(given)}\n\n"
        "Answer with the output grid as a list of lists of numbers, such as [[0, 1], [2, 3]], inside <answer> "
        "</answer>."
    )


def _show(grid: Grid) -> str:
    return "[" + ",\n ".join(json.dumps(line) for line in grid) + "]"


def _load(path: Path | None) -> list[Item]:
    if path is not None and path.is_dir():
        files = sorted((path / _FILES.paths[0] if (path / _FILES.paths[0]).is_dir() else path).glob("*.json"))
        if not files:
            raise DataError(f"{path} holds no tasks; give the folder {_FILES.paths[0]} of {_FILES}")
        records = [record for file in files for record in read_records(file)]
    else:
        records = load_records(_FILES, path)
    return check_ids([item for record in records for item in read_tasks(record)], str(path or _FILES))


ARC_AGI_1 = Benchmark(
    name="arc-agi-1",
    title="ARC-AGI-1 (public evaluation)",
    source=str(_FILES),
    revision=str(_FILES.revision),
    licence="Apache-2.0",
    num_items=419,
    scorer="grids: every cell right, or nothing",
    load=_load,
    notes=(
        "An item is a test input; for the authors a task is solved when all its test inputs are, in up to three tries.",
    ),
)
