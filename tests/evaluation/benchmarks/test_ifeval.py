from pathlib import Path
from typing import Any

from abruzzi.evaluation.benchmarks.ifeval import IFEVAL
from tests.evaluation.benchmarks.layouts import outcomes, write_lines


def test_the_instructions_are_handed_to_the_checkers(tmp_path: Path) -> None:
    names = ["punctuation:no_comma", "length_constraints:number_words"]
    settings: list[dict[str, Any]] = [{}, {"relation": "at least", "num_words": 3, "keyword": None}]
    row = {"key": 1000, "prompt": "Say three words.", "instruction_id_list": names, "kwargs": settings}
    (item,) = IFEVAL.load(write_lines(tmp_path / "t.jsonl", row))
    assert item.id == "ifeval/1000"
    assert item.ground_truth == [{}, {"relation": "at least", "num_words": 3}]
    assert outcomes(item, ["one two three", "one, two three", "one two"]) == ["correct", "wrong", "wrong"]
    tests = {"type": "ifeval", "instruction_id_list": names, "kwargs": settings}
    ours = {"id": "ifeval/1000", "question": "Say three words.", "answer": None, "tests": tests}
    assert IFEVAL.load(write_lines(tmp_path / "ours.jsonl", ours)) == [item]
