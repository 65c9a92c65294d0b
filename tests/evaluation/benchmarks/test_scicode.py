from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.hub import Record
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.scicode import SCICODE, SCICODE_MAIN, read_steps, read_whole
from abruzzi.evaluation.gold_check import check_gold
from tests.evaluation.benchmarks.layouts import fence, outcomes, write_lines

FIRST = "def twice(x):\n    return 2 * x"
SECOND = "def powers(x, n):\n    return [twice(x) ** k for k in range(1, n + 1)]"


def step(number: str, header: str, code: str, *cases: str) -> dict[str, Any]:
    return {
        "step_number": number,
        "step_description_prompt": f"Do step {number}.",
        "function_header": header,
        "ground_truth_code": code,
        "test_cases": list(cases),
    }


def problem(*, is_solved: bool = True) -> dict[str, Any]:
    first, second = (FIRST, SECOND) if is_solved else ("", "")
    return {
        "problem_id": "9",
        "problem_description_main": "Powers of the double.",
        "required_dependencies": "import math",
        "sub_steps": [
            step("9.1", "def twice(x):\n    '''Double.'''", first, "x = 3\nassert np.allclose(twice(x), target)"),
            step(
                "9.2",
                "def powers(x, n):",
                second,
                "n = 3\nassert np.allclose(powers(1, n), target, rtol=1e-3)",
                "from scicode.compare.cmp import cmp_tuple_or_list\n"
                "assert cmp_tuple_or_list(powers(0.5, n), target) and powers(2, n)[0] == target[0]",
            ),
        ],
    }


def record(row: dict[str, Any]) -> Record:
    return Record("problems.jsonl", 1, row)


def test_a_step_is_asked_with_those_before_it_and_judged_by_its_own_tests() -> None:
    one, two = read_steps(record(problem()), {})
    assert (one.id, two.id) == ("scicode/9/9.1", "scicode/9/9.2")
    assert "Do step 9.1." in one.question
    assert "Do step 9.2." not in one.question
    assert two.question.index("Do step 9.1.") < two.question.index("def powers(x, n):")
    wrong = SECOND.replace("n + 1", "n")
    assert outcomes(one, [fence(FIRST), fence(FIRST.replace("2", "3"))]) == ["correct", "wrong"]
    assert outcomes(two, [fence(FIRST, SECOND), fence(FIRST, wrong), fence(SECOND)]) == ["correct", "wrong", "wrong"]
    assert check_gold([one, two], workers=1).is_sound


def test_a_whole_problem_must_pass_all_tests_of_all_steps() -> None:
    (item,) = read_whole(record(problem()), {})
    assert item.id == "scicode/9"
    broken = "def twice(x):\n    return 2 * x if x < 3 else 7"
    assert outcomes(item, [fence(FIRST, SECOND), fence(broken, SECOND)]) == ["correct", "wrong"]


def test_targets_stand_in_for_a_solution_that_is_not_published() -> None:
    row = record(problem(is_solved=False))
    assert read_steps(row, {}) == []
    assert read_whole(row, {}) == []
    (one,) = read_steps(row, {"9.1": [6.0]})
    assert outcomes(one, [fence(FIRST), fence("def twice(x):\n    return 6.001")]) == ["correct", "wrong"]
    targets = {"9.1": [6], "9.2": [[2.001, 4, 8], [1, 1, 1]]}
    wrong_target = {"9.1": [6], "9.2": [[2.1, 4, 8], [1, 1, 1]]}
    assert outcomes(read_whole(row, targets)[0], [fence(FIRST, SECOND)]) == ["wrong"]  # 4 == target[0] does not hold
    assert outcomes(read_whole(row, wrong_target)[0], [fence(FIRST, SECOND)]) == ["wrong"]


def test_the_solution_does_not_see_the_targets() -> None:
    (one,) = read_steps(record(problem(is_solved=False)), {"9.1": [6.0]})
    spy = """
import sys

def twice(x):
    frame = sys._getframe(1)
    while frame:
        for value in [*frame.f_globals.values(), *frame.f_locals.values()]:
            if value == 6.0:
                return value
        frame = frame.f_back
    return 0
"""
    assert outcomes(one, [fence(spy)]) == ["wrong"]


def test_a_step_that_compares_in_a_way_of_its_own_is_left_out() -> None:
    row = problem()
    row["sub_steps"][0]["test_cases"] = ["a, b = target\nassert twice(1) == a"]
    assert [item.id for item in read_steps(record(row), {})] == ["scicode/9/9.2"]
    assert read_whole(record(row), {}) == []


def test_without_targets_the_way_to_get_them_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "problems_test.jsonl", problem(is_solved=False))
    for benchmark in (SCICODE, SCICODE_MAIN):
        with pytest.raises(DataError, match=r"the targets are missing; take test_data.h5 .* --data FOLDER"):
            benchmark.load(path)


def test_a_folder_with_targets_is_read(tmp_path: Path) -> None:
    h5py: Any = pytest.importorskip("h5py")
    write_lines(tmp_path / "problems_test.jsonl", problem(is_solved=False))
    with h5py.File(tmp_path / "test_data.h5", "w") as file:
        file["9.1/test1/var1"] = 6.0
    assert [item.id for item in SCICODE.load(tmp_path)] == ["scicode/9/9.1"]


def test_the_shared_layout_is_read(tmp_path: Path) -> None:
    row = problem()
    ours = {
        "id": "scicode/9",
        "question": row["problem_description_main"],
        "answer": FIRST,
        "tests": {"type": "scicode", "required_dependencies": row["required_dependencies"]},
        "meta": {"sub_steps": row["sub_steps"]},
    }
    assert SCICODE.load(write_lines(tmp_path / "t.jsonl", ours)) == read_steps(record(row), {})
