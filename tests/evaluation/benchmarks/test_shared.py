"""The gold answers of the public sets that lie beside the checkout, each against its own verifier."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.hub import Record, read_records
from abruzzi.data.items import Item
from abruzzi.data.procedural import UNREPEATABLE, generate_items, list_tasks
from abruzzi.evaluation.benchmarks.asking import ask_program
from abruzzi.evaluation.benchmarks.registry import find_benchmark
from abruzzi.evaluation.gold_check import GoldReport, check_gold
from abruzzi.nouns import Outcome
from abruzzi.verifiers import Row, verify_many

DATA = Path("/work/shared/data")
CONTRADICTORY = ["ifeval/436", "ifeval/453", "ifeval/455", "ifeval/523"]
"""Each asks for the request to be repeated word for word, and forbids something that the request itself has."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")]


def path_of(name: str) -> Path:
    path = DATA / f"{name}.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return path


def summary(report: GoldReport) -> tuple[int, int, int]:
    return report.num_items, report.num_passed, len(report.missing)


@pytest.mark.parametrize(
    ("name", "file", "numbers"),
    [
        ("aime-2024", "aime_2024", (15, 15, 0)),
        ("aime-2025", "aime_2025", (15, 15, 0)),
        ("hmmt-feb-2024", "hmmt_feb_2024", (15, 15, 0)),
        ("hmmt-feb-2025", "hmmt_feb_2025", (15, 15, 0)),
        ("omni-math", "omni_math_rule", (1411, 1411, 0)),
        ("omni-math-hard", "omni_math_rule", (55, 55, 0)),
        ("math-500", "math_500", (250, 250, 0)),
        ("gsm8k", "gsm8k_test", (660, 660, 0)),
        ("livecodebench-v5", "livecodebench_v5", (140, 0, 140)),
        ("humaneval", "humaneval", (82, 82, 0)),
        ("mbpp", "mbpp_sanitized", (133, 133, 0)),
        ("cruxeval-i", "cruxeval", (400, 400, 0)),
        ("cruxeval-o", "cruxeval", (400, 400, 0)),
        ("mmlu-pro", "mmlu_pro_sample", (420, 420, 0)),
        ("arc-agi-1", "arc_agi1_evaluation", (208, 208, 0)),
        ("ifeval", "ifeval", (271, 267, 0)),
    ],
)
def test_a_benchmark_passes_its_own_verifier(name: str, file: str, numbers: tuple[int, int, int]) -> None:
    report = check_gold(find_benchmark(name).load(path_of(file)))
    assert summary(report) == numbers, report.faults
    assert [fault.item for fault in report.faults] == (CONTRADICTORY if name == "ifeval" else [])


def read_hitab(record: Record) -> Item:
    return Item(record.text("id"), record.text("question"), record.get("answer"), "table__hitab")


def read_knights(record: Record) -> Item:
    return Item(record.text("id"), record.text("question"), record.text("answer"), "logic__knights_knaves")


def read_zebra(record: Record) -> Item:
    extra: dict[str, Any] = {"task": "zebra_puzzles", "metadata": {}}
    return Item(record.text("id"), record.text("question"), record.text("answer"), "reasoning_gym", extra)


def read_leetcode(record: Record) -> Item:
    names = ("typing", "collections", "itertools", "functools", "math", "heapq", "bisect", "string", "operator")
    prelude = "".join(f"from {name} import *\n" for name in names) + "import math, random\n"
    truth = json.dumps({"functional": record.table("tests").text("code")})
    extra = {"prefix": prelude, "reference": record.text("answer")}
    return Item(record.text("id"), record.text("question"), truth, "codegen__leetcode", extra)


def read_codeforces(record: Record) -> Item:
    cases: Sequence[dict[str, str]] = record.table("tests").get("cases")
    truth = {"inputs": [case["input"] for case in cases], "outputs": [case["output"] for case in cases]}
    return Item(record.text("id"), ask_program(record.text("question")), json.dumps(truth), "codegen__codeforces")


@pytest.mark.parametrize(
    ("file", "read", "numbers"),
    [
        ("hitab_test", read_hitab, (250, 250, 0)),
        ("knights_knaves", read_knights, (250, 250, 0)),
        ("zebra_reasoning_gym", read_zebra, (120, 120, 0)),
        ("leetcode_deepcoder_test", read_leetcode, (100, 100, 0)),
        ("codeforces_deepcoder_test", read_codeforces, (150, 0, 150)),
    ],
)
def test_a_further_set_passes_its_verifier(
    file: str, read: Callable[[Record], Item], numbers: tuple[int, int, int]
) -> None:
    report = check_gold([read(record) for record in read_records(path_of(file))])
    assert summary(report) == numbers, report.faults


def test_scicode_leaves_out_what_cannot_be_judged() -> None:
    assert len(find_benchmark("scicode").load(path_of("scicode"))) == 32
    assert len(find_benchmark("scicode-main").load(path_of("scicode"))) == 8


@pytest.mark.parametrize(("file", "ending"), [("math_500", ""), ("gsm8k_test", "\n#### {answer}")])
def test_the_authors_own_worked_solutions_pass(file: str, ending: str) -> None:
    """A harder test than the bare answer: another text, in which the answer has to be found."""
    rows: list[Row] = []
    for record in read_records(path_of(file)):
        answer = record.text("answer")
        reply = record.text("solution") + ending.format(answer=answer)
        rows.append(Row(record.text("id"), f"math__{file}", reply, answer))
    verdicts = list(verify_many(rows))
    assert [row.id for row, verdict in zip(rows, verdicts, strict=True) if verdict.outcome is not Outcome.CORRECT] == []


def test_every_generated_task_passes_its_own_scorer() -> None:
    items = [item for task in list_tasks() if task not in UNREPEATABLE for item in generate_items(task, 5, 7, {})]
    report = check_gold(items)
    assert report.faults == ()
    assert {fault.item.partition("/")[0] for fault in report.missing} == {"boxnet", "propositional_logic", "rush_hour"}
