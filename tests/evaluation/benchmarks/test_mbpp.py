from pathlib import Path
from typing import Any

from abruzzi.evaluation.benchmarks.mbpp import MBPP
from abruzzi.evaluation.gold_check import check_gold
from tests.evaluation.benchmarks.layouts import fence, outcomes, write_lines, write_parquet


def test_mbpp_shows_the_assertions_and_takes_the_test_split(tmp_path: Path) -> None:
    asserts = ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]
    row: dict[str, Any] = {
        "task_id": 11,
        "prompt": "Write a function to add two numbers.",
        "code": "def add(a, b):\n    return a + b",
        "test_imports": ["import math"],
        "test_list": asserts,
    }
    path = write_parquet(tmp_path / "t.parquet", row, {**row, "task_id": 511}, {**row, "task_id": 10})
    (item,) = MBPP.load(path)
    tests = {"type": "python_asserts", "imports": ["import math"], "asserts": asserts}
    ours = {"id": "mbpp/11", "question": row["prompt"], "answer": row["code"], "tests": tests}
    assert MBPP.load(write_lines(tmp_path / "t.jsonl", ours)) == [item]
    assert item.id == "mbpp/11"
    assert asserts[1] in item.question
    assert outcomes(item, [fence(row["code"]), fence("def add(a, b):\n    return 3")]) == ["correct", "wrong"]
    assert check_gold([item], workers=1).num_passed == 1
