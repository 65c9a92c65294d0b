from pathlib import Path

from abruzzi.evaluation.benchmarks.humaneval import HUMANEVAL
from abruzzi.evaluation.gold_check import check_gold
from tests.evaluation.benchmarks.layouts import fence, outcomes, write_lines, write_parquet

START = (
    'import math\n\n\ndef half(n):\n    return n / 2\n\n\ndef rounded(n: float) -> int:\n    """Half of n, down."""\n'
)
TEST = "def check(candidate):\n    assert candidate(5) == 2\n    assert candidate(8) == 4\n"


def test_humaneval_gives_what_stands_before_the_function(tmp_path: Path) -> None:
    row = {
        "task_id": "HumanEval/0",
        "prompt": START,
        "canonical_solution": "    return math.floor(half(n))\n",
        "test": TEST,
        "entry_point": "rounded",
    }
    (item,) = HUMANEVAL.load(write_parquet(tmp_path / "t.parquet", row))
    tests = {"type": "python_check", "entry_point": "rounded", "test": TEST}
    ours = {"id": "HumanEval/0", "question": START, "answer": row["canonical_solution"], "tests": tests}
    assert HUMANEVAL.load(write_lines(tmp_path / "t.jsonl", ours)) == [item]
    assert START.strip() in item.question
    assert "one fenced block that begins with ```python" in item.question
    right, wrong = "def rounded(n):\n    return math.floor(half(n))", "def rounded(n):\n    return n"
    assert outcomes(item, [fence(right), fence(wrong), right]) == ["correct", "wrong", "unparsed"]
    assert check_gold([item], workers=1).is_sound
