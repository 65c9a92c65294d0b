from pathlib import Path

from abruzzi.evaluation.benchmarks.gsm8k import GSM8K
from tests.evaluation.benchmarks.layouts import outcomes, write_lines, write_parquet

ROW = {"question": "P", "answer": "6*7=<<6*7=42>>42\n#### 1,042"}


def test_a_published_row_gives_the_problem_and_its_answer(tmp_path: Path) -> None:
    (item,) = GSM8K.load(write_parquet(tmp_path / "t.parquet", ROW))
    assert (item.id, item.question, item.ground_truth) == ("gsm8k/test/1", "P", "1042")
    assert GSM8K.load(write_lines(tmp_path / "t.jsonl", ROW)) == [item]
    replies = ["<answer>1,042", "It is \\boxed{1041}.", "<think>1042"]
    assert outcomes(item, replies) == ["correct", "wrong", "unparsed"]


def test_a_row_of_the_shared_layout_keeps_its_id(tmp_path: Path) -> None:
    row = {"id": "set/I/4", "benchmark": "B", "question": "P", "answer": "116", "solution": "so"}
    (item,) = GSM8K.load(write_lines(tmp_path / "t.jsonl", row))
    assert (item.id, item.question, item.ground_truth) == ("set/I/4", "P", "116")
