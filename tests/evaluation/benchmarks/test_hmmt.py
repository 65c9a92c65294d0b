from pathlib import Path

from abruzzi.evaluation.benchmarks.hmmt import HMMT_FEB_2025
from tests.evaluation.benchmarks.layouts import outcomes, write_lines, write_parquet

ROW = {"problem_idx": 2, "problem": "P", "answer": "\\sqrt{3}", "problem_type": ["Algebra"]}


def test_a_published_row_gives_the_problem_and_its_answer(tmp_path: Path) -> None:
    (item,) = HMMT_FEB_2025.load(write_parquet(tmp_path / "t.parquet", ROW))
    assert (item.id, item.question, item.ground_truth) == ("hmmt_feb_2025/2", "P", "\\sqrt{3}")
    assert HMMT_FEB_2025.load(write_lines(tmp_path / "t.jsonl", ROW)) == [item]
    replies = ["<answer>3^{1/2}", "It is \\boxed{\\sqrt{2}}.", "<think>\\sqrt{3}"]
    assert outcomes(item, replies) == ["correct", "wrong", "unparsed"]


def test_a_row_of_the_shared_layout_keeps_its_id(tmp_path: Path) -> None:
    row = {"id": "set/I/4", "benchmark": "B", "question": "P", "answer": "116", "solution": "so"}
    (item,) = HMMT_FEB_2025.load(write_lines(tmp_path / "t.jsonl", row))
    assert (item.id, item.question, item.ground_truth) == ("set/I/4", "P", "116")
