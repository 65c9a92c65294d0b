from pathlib import Path

import pytest

from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.arc_agi import ARC_AGI_1
from abruzzi.evaluation.gold_check import check_gold
from tests.evaluation.benchmarks.layouts import outcomes, write_lines

TRAIN = [{"input": [[1, 0]], "output": [[0, 1]]}]


def test_each_test_input_is_an_item(tmp_path: Path) -> None:
    tests = [{"input": [[2, 3]], "output": [[3, 2]]}, {"input": [[4], [5]], "output": [[4], [5]]}]
    path = write_lines(tmp_path / "data/evaluation/0a1b.json", {"train": TRAIN, "test": tests})
    items = ARC_AGI_1.load(path)
    assert ARC_AGI_1.load(tmp_path) == ARC_AGI_1.load(path.parent) == items
    ours = {
        "id": "arc_agi1_eval/0a1b",
        "question": {"train": TRAIN, "test_inputs": [[[2, 3]], [[4], [5]]]},
        "answer": [[[3, 2]], [[4], [5]]],
    }
    assert ARC_AGI_1.load(write_lines(tmp_path / "ours.jsonl", ours)) == items
    assert [item.id for item in items] == ["arc_agi1_eval/0a1b/1", "arc_agi1_eval/0a1b/2"]
    assert "Example 1\nInput:\n[[1, 0]]\nOutput:\n[[0, 1]]" in items[0].question
    assert items[1].question.count("[[4],\n [5]]") == 1
    assert outcomes(items[0], ["<answer>[[3, 2]]", "<answer>[[2, 3]]</answer>", "[[3, 2]]"]) == [
        "correct",
        "wrong",
        "unparsed",
    ]
    assert check_gold(items, workers=1).is_sound


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no tasks; give the folder data/evaluation of github:fchollet/ARC-AGI"):
        ARC_AGI_1.load(tmp_path)
    with pytest.raises(
        DataError, match=r"github:fchollet/ARC-AGI is on no hub: take data/evaluation at .* --data FILE"
    ):
        ARC_AGI_1.load(None)
