"""HumanEval: 164 Python functions to be written from their signature and description (arXiv 2107.03374).

The tests call ``check`` with the function. What stands before the function in the published prompt, imports and
helpers, is given to solution and tests alike, as in the authors' harness, where a reply continues the prompt.
"""

import json

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.asking import ask_function
from abruzzi.evaluation.benchmarks.benchmark import WITHOUT_STOP, file_benchmark


def _read_item(record: Record) -> Item:
    tests = record.table("tests") if record.has("tests") else record
    prompt, name = record.text("prompt", "question"), tests.text("entry_point")
    source = f"{tests.text('test').rstrip()}\n\n\ncheck({name})\n"
    return Item(
        id=record.text("task_id", "id"),
        question=ask_function("Write this Python function.", prompt),
        ground_truth=json.dumps({"functional": source}),
        data_source="codegen__humaneval",
        extra={
            "function_name": name,
            "prefix": prompt[: prompt.rindex(f"def {name}(")],
            "reference": prompt + str(record.get("canonical_solution", "answer")),
        },
    )


HUMANEVAL = file_benchmark(
    DataFiles(
        "openai/openai_humaneval",
        ("openai_humaneval/test-00000-of-00001.parquet",),
        revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    ),
    _read_item,
    name="humaneval",
    title="HumanEval",
    licence="MIT",
    num_items=164,
    scorer="code: all tests pass, in the sandbox",
    sampling=WITHOUT_STOP,
    notes=(
        "The authors sample completions of the prompt; here the function is asked for in words, in a fenced block.",
    ),
)
