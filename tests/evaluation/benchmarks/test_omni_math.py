from pathlib import Path

import pytest

from abruzzi.data.hub import Record
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.omni_math import OMNI_MATH, OMNI_MATH_HARD, pick_hardest
from tests.evaluation.benchmarks.layouts import outcomes, write_lines


def test_a_published_row_gives_the_problem_and_its_answer(tmp_path: Path) -> None:
    row = {"problem": "P", "answer": "3^n", "difficulty": 9.0, "domain": ["Algebra"], "solution": "so"}
    (item,) = OMNI_MATH.load(write_lines(tmp_path / "t.jsonl", row))
    assert (item.id, item.question, item.ground_truth) == ("omni_math/0", "P", "3^n")
    assert outcomes(item, ["<answer>$3^{n}$", "<answer>n^3</answer>"]) == ["correct", "wrong"]


def records(*levels: float) -> list[Record]:
    return [Record("f", number, {"difficulty": level}) for number, level in enumerate(levels, start=1)]


def test_the_hardest_are_taken_first_in_file_first_among_equals() -> None:
    # 77 rows are 77/4428 of the set: its share of 173 is 3.008, so 3.
    levels = [5.0] * 70 + [9.0, 8.0, 1.0, 8.0, 8.0, 2.0, 3.0]
    assert [record.number for record in pick_hardest(records(*levels))] == [71, 72, 74]


def test_the_whole_set_gives_173_and_a_tiny_one_at_least_one() -> None:
    assert len(pick_hardest(records(*[float(i % 10) for i in range(4_428)]))) == 173
    assert len(pick_hardest(records(1.0, 2.0))) == 1


def test_the_hard_set_names_the_whole_one_and_says_what_is_not_known(tmp_path: Path) -> None:
    rows = [{"problem": f"P{i}", "answer": str(i), "difficulty": float(i)} for i in range(1, 5)]
    (item,) = OMNI_MATH_HARD.load(write_lines(tmp_path / "rows.jsonl", *rows))
    assert (item.id, item.question) == ("omni_math/3", "P4")
    assert OMNI_MATH_HARD.notes[0].startswith("Not known to be the 173 problems of K2-Think")
    with pytest.raises(DataError, match="the difficulty is no number: 'hard'"):
        OMNI_MATH_HARD.load(write_lines(tmp_path / "bad.jsonl", {**rows[0], "difficulty": "hard"}))
