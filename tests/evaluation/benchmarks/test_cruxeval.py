from pathlib import Path

import pytest

from abruzzi.evaluation.benchmarks.benchmark import Benchmark
from abruzzi.evaluation.benchmarks.cruxeval import CRUXEVAL_I, CRUXEVAL_O
from abruzzi.evaluation.gold_check import check_gold
from tests.evaluation.benchmarks.layouts import fence, outcomes, write_lines

CODE = "def f(a, b):\n    return a + b"


@pytest.mark.parametrize(
    ("benchmark", "line", "replies"),
    [
        (CRUXEVAL_O, "assert f(1, b=2) == ??", ["assert f(1, b=2) == 3", "assert f(1, b=2) == 4", "assert True"]),
        (CRUXEVAL_I, "assert f(??) == 3", ["assert f(0, 3) == 3", "assert f(0, 4) == 3", "assert f(1, 1) == 2"]),
    ],
)
def test_cruxeval_asks_for_one_side_of_an_assertion(
    tmp_path: Path, benchmark: Benchmark, line: str, replies: list[str]
) -> None:
    row = {"id": "sample_0", "code": CODE, "input": "1, b=2", "output": "3"}
    (item,) = benchmark.load(write_lines(tmp_path / "t.jsonl", row))
    assert item.id == f"sample_0/{benchmark.name[-1]}"
    assert f"{CODE}\n\n{line}" in item.question
    assert outcomes(item, [fence(reply) for reply in replies])[:2] == ["correct", "wrong"]
    assert outcomes(item, [fence(replies[2])]) != ["correct"]
    assert check_gold([item], workers=1).is_sound
    ours = {"id": "sample_0", "question": CODE, "answer": "3", "tests": {"type": "cruxeval", **row}}
    assert benchmark.load(write_lines(tmp_path / "ours.jsonl", ours)) == [item]
