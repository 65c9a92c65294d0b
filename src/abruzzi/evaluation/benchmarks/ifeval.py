"""IFEval: 541 requests with instructions that a program can check (arXiv 2311.07911), strict and by prompt."""

from typing import Any, cast

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.benchmark import WITHOUT_STOP, file_benchmark


def _read_item(record: Record) -> Item:
    tests = record.table("tests") if record.has("tests") else record
    prompt = record.text("prompt", "question")
    settings = cast("list[dict[str, Any]]", tests.get("kwargs"))
    return Item(
        id=str(record.columns.get("id") or f"ifeval/{record.text('key')}"),
        question=prompt,
        ground_truth=[{key: value for key, value in given.items() if value is not None} for given in settings],
        data_source="ood__ifeval",
        extra={"instruction_id_list": tests.texts("instruction_id_list"), "prompt": prompt},
    )


IFEVAL = file_benchmark(
    DataFiles("google/IFEval", ("ifeval_input_data.jsonl",), revision="966cd89545d6b6acfd7638bc708b98261ca58e84"),
    _read_item,
    name="ifeval",
    title="IFEval (strict, prompt level)",
    licence="Apache-2.0",
    num_items=541,
    scorer="instructions: correct when all are followed; the score is the share that is",
    sampling=WITHOUT_STOP,
    notes=(
        "The whole text after the thoughts is judged, so a solver prompt that asks for <answer> tags costs those "
        "instructions that say how a reply begins or ends.",
        "A score is a share of instructions; the authors' prompt-level accuracy is the share of correct samples.",
    ),
)
