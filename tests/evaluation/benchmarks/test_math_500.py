from pathlib import Path

from abruzzi.evaluation.benchmarks.math_500 import MATH_500
from tests.evaluation.benchmarks.layouts import outcomes, write_lines, write_parquet

ROW = {"unique_id": "test/a/1.json", "problem": "P", "answer": "(1, 2)", "level": 2}


def test_a_published_row_gives_the_problem_and_its_answer(tmp_path: Path) -> None:
    (item,) = MATH_500.load(write_parquet(tmp_path / "t.parquet", ROW))
    assert (item.id, item.question, item.ground_truth) == ("test/a/1.json", "P", "(1, 2)")
    assert MATH_500.load(write_lines(tmp_path / "t.jsonl", ROW)) == [item]
    replies = ["<answer>(1,2)", "It is \\boxed{(2, 1)}.", "<think>(1, 2)"]
    assert outcomes(item, replies) == ["correct", "wrong", "unparsed"]


def test_a_row_of_the_shared_layout_keeps_its_id(tmp_path: Path) -> None:
    row = {"id": "set/I/4", "benchmark": "B", "question": "P", "answer": "116", "solution": "so"}
    (item,) = MATH_500.load(write_lines(tmp_path / "t.jsonl", row))
    assert (item.id, item.question, item.ground_truth) == ("set/I/4", "P", "116")
