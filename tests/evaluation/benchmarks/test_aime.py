from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.aime import AIME_2024, AIME_2025
from abruzzi.evaluation.benchmarks.benchmark import Benchmark
from tests.evaluation.benchmarks.layouts import outcomes, write_lines, write_parquet


@pytest.mark.parametrize(
    ("benchmark", "row", "key", "truth"),
    [
        (AIME_2024, {"id": 60, "problem": "P", "answer": "025", "year": "2024"}, "aime-2024/60", "25"),
        (AIME_2025, {"id": "3", "problem": "P", "answer": "336^\\circ"}, "aime-2025/3", "336"),
        (AIME_2025, {"problem": "P", "answer": 7}, "aime-2025/1", "7"),
        (AIME_2025, {"id": "aime2025_I/4", "question": "P", "answer": "116", "meta": {}}, "aime2025_I/4", "116"),
    ],
)
def test_a_row_gives_the_problem_and_its_number(
    tmp_path: Path, benchmark: Benchmark, row: dict[str, Any], key: str, truth: str
) -> None:
    (item,) = benchmark.load(write_lines(tmp_path / "t.jsonl", row))
    assert (item.id, item.question, item.ground_truth) == (key, "P", truth)


def test_parquet_gives_the_same(tmp_path: Path) -> None:
    row = {"id": 60, "problem": "P", "answer": "025"}
    path = write_lines(tmp_path / "t.jsonl", row)
    assert AIME_2024.load(write_parquet(tmp_path / "t.parquet", row)) == AIME_2024.load(path)


def test_replies_are_judged_as_numbers(tmp_path: Path) -> None:
    (item,) = AIME_2024.load(write_lines(tmp_path / "t.jsonl", {"id": 1, "problem": "P", "answer": "025"}))
    replies = ["<answer>25", "So it is \\boxed{025}.", "<answer>26</answer>", "<think>25"]
    assert outcomes(item, replies) == ["correct", "correct", "wrong", "unparsed"]


@pytest.mark.parametrize("answer", ["1000", "x", "-3"])
def test_an_answer_that_aime_cannot_have_is_refused(tmp_path: Path, answer: str) -> None:
    with pytest.raises(DataError, match="the answer is no number from 0 to 999"):
        AIME_2024.load(write_lines(tmp_path / "t.jsonl", {"problem": "P", "answer": answer}))
