import base64
import json
import pickle
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.hub import Record
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.livecodebench import FIRST_DAY, LAST_DAY, LIVECODEBENCH_V5, unpack_cases
from abruzzi.evaluation.gold_check import check_gold
from tests.evaluation.benchmarks.layouts import fence, outcomes, write_lines


def pack(cases: list[dict[str, str]]) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


def problem(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "question_id": "abc1_a",
        "question_content": "Double the number.",
        "contest_date": "2024-08-03T00:00:00",
        "starter_code": "",
        "public_test_cases": json.dumps([{"input": "4\n", "output": "8\n", "testtype": "stdin"}]),
        "private_test_cases": pack([{"input": "-1\n", "output": "-2\n", "testtype": "stdin"}]),
        "metadata": "{}",
    }
    return row | changes


def test_a_program_is_judged_by_public_and_hidden_tests(tmp_path: Path) -> None:
    (item,) = LIVECODEBENCH_V5.load(write_lines(tmp_path / "t.jsonl", problem()))
    assert item.id == "lcb_v5/abc1_a"
    assert json.loads(item.ground_truth) == {"inputs": ["4\n", "-1\n"], "outputs": ["8\n", "-2\n"]}
    assert "reads its input from standard input" in item.question
    replies = [fence("print(int(input()) * 2)"), fence("print(abs(int(input())) * 2)")]
    assert outcomes(item, replies) == ["correct", "wrong"]
    (without,) = check_gold([item], workers=1).missing
    assert without.reason == "no gold: row 'lcb_v5/abc1_a' holds no reference solution"


def test_a_method_is_called_with_an_argument_a_line(tmp_path: Path) -> None:
    row = problem(
        starter_code="class Solution:\n    def pick(self, a: List[int], k: int) -> List[int]:\n        ",
        public_test_cases=json.dumps([{"input": "[3, 1, 2]\n2", "output": "[1, 2]", "testtype": "functional"}]),
        private_test_cases=pack([{"input": "[]\n0", "output": "[]", "testtype": "functional"}]),
        metadata='{"func_name": "pick"}',
    )
    (item,) = LIVECODEBENCH_V5.load(write_lines(tmp_path / "t.jsonl", row))
    right = "class Solution:\n    def pick(self, a: List[int], k: int):\n        return tuple(sorted(a)[:k])"
    assert outcomes(item, [fence(right), fence(right.replace("[:k]", ""))]) == ["correct", "wrong"]


def test_the_copy_with_public_examples_alone_is_read(tmp_path: Path) -> None:
    start = "class Solution:\n    def shift(self, text: str, by: int) -> str:"
    row = {
        "id": "lcb_v5/7",
        "question": "Shift.",
        "answer": None,
        "tests": {
            "type": "functional_examples",
            "starter_code": start,
            "examples": [{"input": 'text = "a, b = [1]", by = 0', "output": '"a, b = [1]"'}],
        },
        "meta": {"contest_date": "2024-08-03T00:00:00"},
    }
    (item,) = LIVECODEBENCH_V5.load(write_lines(tmp_path / "t.jsonl", row))
    right = f"{start}\n        return text"
    assert outcomes(item, [fence(right), fence(right.replace("text\n", "by\n"))])[0] == "correct"
    assert outcomes(item, [fence(f"{start}\n        return ''")]) == ["wrong"]


def test_the_window_of_dates_is_closed_on_both_sides(tmp_path: Path) -> None:
    assert (date(2024, 8, 1), date(2025, 2, 1)) == (FIRST_DAY, LAST_DAY)
    days = ["2024-07-31T23:00:00", "2024-08-01T00:00:00", "2025-02-01T18:30:00", "2025-02-02T00:00:00"]
    rows = [problem(question_id=str(i), contest_date=day) for i, day in enumerate(days)]
    items = LIVECODEBENCH_V5.load(write_lines(tmp_path / "t.jsonl", *rows))
    assert [item.id for item in items] == ["lcb_v5/1", "lcb_v5/2"]


class Harmful:
    """What a forged file would have unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, ("1/0",)


def test_a_forged_pickle_runs_nothing() -> None:
    forged = base64.b64encode(zlib.compress(pickle.dumps(Harmful()))).decode()
    with pytest.raises(DataError, match=r"private_test_cases cannot be unpacked: it would import builtins.eval"):
        unpack_cases(Record("f", 1, {"private_test_cases": forged}), "private_test_cases")


@pytest.mark.parametrize("packed", ["no base64!", base64.b64encode(b"no zlib").decode(), 7])
def test_what_cannot_be_unpacked_is_named(packed: Any) -> None:
    with pytest.raises(DataError, match=r"f, row 1: private_test_cases cannot be unpacked"):
        unpack_cases(Record("f", 1, {"private_test_cases": packed}), "private_test_cases")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contest_date": "soon"}, "the contest date is none: 'soon'"),
        ({"public_test_cases": "", "private_test_cases": ""}, "has no tests"),
        ({"starter_code": "class", "metadata": ""}, "the starter code does not parse"),
        ({"starter_code": "class Solution:", "metadata": ""}, "the starter code has no method"),
        ({"starter_code": "class Solution:", "metadata": '{"func_name": "f"}'}, None),
    ],
)
def test_an_unusable_problem_is_named(tmp_path: Path, changes: dict[str, Any], message: str | None) -> None:
    path = write_lines(tmp_path / "t.jsonl", problem(**changes))
    if message is None:
        assert len(LIVECODEBENCH_V5.load(path)) == 1
    else:
        with pytest.raises(DataError, match=message):
            LIVECODEBENCH_V5.load(path)
