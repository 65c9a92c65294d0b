from pathlib import Path
from typing import Any

from abruzzi.evaluation.benchmarks.hle import HLE
from tests.evaluation.benchmarks.layouts import outcomes, write_lines, write_parquet


def row_of(**changes: Any) -> dict[str, Any]:
    row = {"id": "66e8", "question": "Name the metal.", "image": "", "answer": "Gold", "answer_type": "exactMatch"}
    return row | changes


def test_what_shows_an_image_is_left_out(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "t.parquet", row_of(), row_of(id="77", image="data:image/png;base64,AA"))
    assert [item.id for item in HLE.load(path)] == ["hle/66e8"]


def test_an_answer_that_is_not_equal_is_wrong(tmp_path: Path) -> None:
    (item,) = HLE.load(write_lines(tmp_path / "t.jsonl", row_of()))
    assert item.question == "Name the metal."
    assert outcomes(item, ["<answer>gold", "<answer>Au</answer>"]) == ["correct", "wrong"]


def test_a_letter_is_asked_for_where_there_are_options(tmp_path: Path) -> None:
    question = "Which?\n\nAnswer Choices:\nA. gold\nB. tin"
    (item,) = HLE.load(
        write_lines(tmp_path / "t.jsonl", row_of(question=question, answer="B", answer_type="multipleChoice"))
    )
    assert item.question.startswith(question)
    assert item.question.endswith("The answer is the letter of the right option, and nothing else.")
    assert outcomes(item, ["<answer>B</answer>", "<answer>A</answer>"]) == ["correct", "wrong"]
