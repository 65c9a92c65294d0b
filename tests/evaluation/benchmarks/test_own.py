from pathlib import Path

import pytest

from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.own import own_benchmark
from tests.evaluation.benchmarks.layouts import outcomes, write_lines


def test_a_file_says_what_its_rows_are(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "question": "1+1?", "answer": "2"},
        {"id": "b", "question": "Which?", "answer": "B", "data_source": "stem__gpqa", "options": ["x", "y"]},
    ]
    path = write_lines(tmp_path / "My Set 2.jsonl", *rows)
    benchmark = own_benchmark(path)
    assert (benchmark.name, benchmark.title, benchmark.num_items) == ("my-set-2", "My Set 2", 2)
    assert (benchmark.source, benchmark.revision) == (str(path), "My Set 2.jsonl")
    first, second = benchmark.load(None)
    assert outcomes(first, ["<answer>2", "<answer>3"]) == ["correct", "wrong"]
    assert outcomes(second, ["<answer>y", "<answer>A"]) == ["correct", "wrong"]


def test_another_file_may_be_given(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "one.jsonl", {"question": "1+1?", "answer": "2"})
    other = write_lines(tmp_path / "two.jsonl", {"id": "o", "question": "1+2?", "answer": "3"})
    assert [item.id for item in own_benchmark(path).load(other)] == ["o"]


def test_what_is_wrong_with_a_file_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"own.jsonl, line 1 has no answer"):
        own_benchmark(write_lines(tmp_path / "own.jsonl", {"question": "1+1?"}))
