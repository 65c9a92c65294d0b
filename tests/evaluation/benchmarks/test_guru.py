import json
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.guru import GURU
from abruzzi.evaluation.benchmarks.registry import find_benchmark
from abruzzi.evaluation.gold_check import check_gold
from tests.evaluation.benchmarks.layouts import judge, outcomes, write_lines, write_parquet


def row_of(index: int, question: str, truth: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "data_source": "math__aime",
        "prompt": [{"role": "user", "content": question}],
        "ability": "math",
        "apply_chat_template": True,
        "reward_model": {"style": "rule", "ground_truth": truth},
        "extra_info": {"split": "test", "index": index, "reference": ""},
    }
    return row | changes


def test_a_repeated_question_is_asked_once(tmp_path: Path) -> None:
    rows = [row_of(i, f"Q{i % 2}", str(i % 2)) for i in range(4)]
    items = find_benchmark("guru-aime").load(write_parquet(tmp_path / "t.parquet", *rows))
    assert [(item.id, item.question, item.ground_truth) for item in items] == [
        ("guru-aime/0", "Q0", "0"),
        ("guru-aime/1", "Q1", "1"),
    ]
    assert items[0].extra["split"] == "test"
    assert judge(items[1], "\\boxed{1}").value == "correct"


def test_code_rows_go_to_the_code_verifier(tmp_path: Path) -> None:
    truth = json.dumps({"inputs": ["1\n"], "outputs": ["2\n"]})
    row = row_of(0, "Add one.", truth, data_source="codegen__livecodebench")
    (item,) = find_benchmark("guru-livecodebench").load(write_parquet(tmp_path / "t.parquet", row))
    assert outcomes(item, ["```python\nprint(int(input()) + 1)\n```", "```python\nprint(1)\n```"]) == [
        "correct",
        "wrong",
    ]
    assert check_gold([item]).missing[0].reason.startswith("no gold: ")


def test_a_row_of_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    guru = find_benchmark("guru-math-500")
    path = write_lines(tmp_path / "t.jsonl", row_of(0, "Q", "1"), row_of(1, "Q2", "1", reward_model={}))
    with pytest.raises(DataError, match=r"line 2: 'ground_truth' is missing"):
        guru.load(path)
    with pytest.raises(DataError, match=r"t.jsonl, row 1 asks nothing"):
        guru.load(write_lines(tmp_path / "t.jsonl", row_of(0, " ", "1")))


def test_there_are_thirteen_sets_and_no_verified_commit() -> None:
    assert len(GURU) == 13
    assert {benchmark.revision for benchmark in GURU} == {"unpinned"}
    assert sum(benchmark.num_items for benchmark in GURU) == 2_556
