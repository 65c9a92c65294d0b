from pathlib import Path

import pytest

from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.mmlu_pro import MMLU_PRO
from tests.evaluation.benchmarks.layouts import outcomes, write_lines, write_parquet


def test_up_to_ten_options_are_shown(tmp_path: Path) -> None:
    options = [f"option {i}" for i in range(10)]
    row = {"question_id": 70, "question": "Which?", "options": options, "answer": "J", "answer_index": 9}
    (item,) = MMLU_PRO.load(write_parquet(tmp_path / "t.parquet", row))
    assert (item.id, item.ground_truth) == ("mmlu_pro/70", "J")
    assert "(J) option 9" in item.question
    assert outcomes(item, ["<answer>J", "<answer>A", "<answer>option 9"]) == ["correct", "wrong", "correct"]
    ours = {"id": "mmlu_pro/70", "question": "Which?", "choices": options, "answer": "J"}
    assert MMLU_PRO.load(write_lines(tmp_path / "t.jsonl", ours)) == [item]


def test_options_that_are_no_list_are_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "t.jsonl", {"question_id": 1, "question": "Q", "options": "A", "answer": "A"})
    with pytest.raises(DataError, match="'options' or 'choices' is no list of texts: 'A'"):
        MMLU_PRO.load(path)
