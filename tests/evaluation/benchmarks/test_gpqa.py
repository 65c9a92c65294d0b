from pathlib import Path

from abruzzi.data.items import Item
from abruzzi.evaluation.benchmarks.gpqa import GPQA_DIAMOND
from tests.evaluation.benchmarks.layouts import outcomes

HEADER = "Record ID,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3\n"


def load(tmp_path: Path, count: int) -> list[Item]:
    lines = [f'rec{i},"Which {i}?",right {i},"wrong\n{i}a",wrong {i}b,wrong {i}c\n' for i in range(count)]
    path = tmp_path / "gpqa_diamond.csv"
    path.write_text(HEADER + "".join(lines))
    return GPQA_DIAMOND.load(path)


def test_the_right_option_is_put_anywhere_and_always_there(tmp_path: Path) -> None:
    items = load(tmp_path, 80)
    assert items == load(tmp_path, 80)
    for item in items:
        place = "ABCD".index(item.ground_truth)
        number = item.id.removeprefix("gpqa/rec")
        assert item.extra["options"][place] == f"right {number}"
        assert f"({item.ground_truth}) right {number}\n" in item.question
    counts = [sum(item.ground_truth == letter for item in items) for letter in "ABCD"]
    assert min(counts) >= 10  # of 20 expected; the draws are fixed, so this is no chance


def test_a_letter_or_the_option_itself_is_read(tmp_path: Path) -> None:
    (item,) = load(tmp_path, 1)
    other = next(letter for letter in "ABCD" if letter != item.ground_truth)
    replies = [f"<answer>{item.ground_truth}", "<answer>right 0</answer>", f"<answer>({other})</answer>", "No idea."]
    assert outcomes(item, replies) == ["correct", "correct", "wrong", "unparsed"]
