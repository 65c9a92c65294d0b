"""Holds the maths verifier, math-verify alone and the published grader against labelled public data, in one run.

    .venv/bin/python scripts/measure_maths.py ../shared/data [--numeric] [--show] [SET …]

Each row is judged by the three in turn, in one process, so that a busy machine slows all alike; a rate is verdicts per
second of CPU time. ``--numeric`` keeps the rows where truth and answer are single numbers and puts the answer in a box,
so that only the comparison is timed. ``--show`` prints each row on which one of the three contradicts the label.

math-verify is used as its README says: ``verify(parse(gold), parse(reply))`` with its own time limits, the gold in
dollar signs. Sets of answer pairs become replies that hold the answer in a box; the library's own regression pairs,
which are replies, stay as they are.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import math_verify

from abruzzi.nouns import Outcome
from abruzzi.verifiers.exact import TooCostlyError
from abruzzi.verifiers.extract import extract_answer
from abruzzi.verifiers.latex import flatten
from abruzzi.verifiers.maths import verify_maths
from abruzzi.verifiers.published.maths import score_maths
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.symbolic import prepare
from abruzzi.verifiers.values import Kind, read_value

SETS = (
    *("equiv_real_answers", "equiv_math_verify", "resp_math_qwen_n8", "resp_zeroeval_math_l5", "resp_zeroeval_gsm8k"),
    *(
        "resp_gsm8k_openai",
        "resp_gsm8k_tora_tool",
        "resp_prm_multi_solutions",
        "resp_mathcoder",
        "resp_verify_cot_human",
    ),
)
ARITHMETIC = ("gsm8k", "MATH", "addsub", "singleeq", "multiarith")
"""Categories of the chain-of-thought set that have a maths answer (the others are choices, dates and letters)."""


def judge_ours(row: Row) -> bool:
    """Judge with the fixed verifier."""
    return verify_maths(row).outcome is Outcome.CORRECT


def judge_library(row: Row) -> bool:
    """Judge with math-verify alone."""
    gold = row.ground_truth if "$" in row.ground_truth or "\\boxed" in row.ground_truth else f"${row.ground_truth}$"
    library: Any = math_verify
    return bool(library.verify(library.parse(gold), library.parse(row.response)))


def judge_published(row: Row) -> bool:
    """Judge with the published default grader."""
    return score_maths(row) > 0


JUDGES: dict[str, Callable[[Row], bool]] = {
    "ours": judge_ours,
    "math-verify": judge_library,
    "published": judge_published,
}


@dataclass(slots=True)
class Tally:
    """What was counted of one set."""

    num_rows: int = 0
    num_right: Counter[str] = field(default_factory=Counter[str])
    num_false_positives: Counter[str] = field(default_factory=Counter[str])
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(JUDGES, 0.0))
    num_lost: int = 0
    """Rows that math-verify has right and ours wrong."""


def read_rows(path: Path) -> Iterator[tuple[Row, bool]]:
    """Yield each row of a set with its label."""
    for line in path.read_text("utf-8").splitlines():
        record: dict[str, Any] = json.loads(line)
        if record.get("correct") is None:
            continue
        if path.stem == "resp_verify_cot_human" and record["category"] not in ARITHMETIC:
            continue
        response = str(record["response"])
        if path.stem == "equiv_real_answers":
            response = f"\\boxed{{{response}}}"
        yield Row(record["id"], "math__measured", response, str(record["answer"])), bool(record["correct"])


def to_numeric(row: Row) -> Row | None:
    """Put the row's answer in a box where truth and answer are single numbers; else None."""
    found = extract_answer(row.response)
    if found is None:
        return None
    try:
        values = [read_value(flatten(text)) for text in (row.ground_truth, found.text)]
    except TooCostlyError:
        return None
    if any(value is None or value.kind is not Kind.NUMBER for value in values):
        return None
    return Row(row.id, row.data_source, f"\\boxed{{{found.text}}}", row.ground_truth)


def measure(rows: list[tuple[Row, bool]], *, show: bool) -> Tally:
    """Judge every row with every judge."""
    tally = Tally()
    for row, label in rows:
        tally.num_rows += 1
        said: dict[str, bool] = {}
        for name, judge in JUDGES.items():
            started = time.process_time()
            said[name] = judge(row)
            tally.seconds[name] += time.process_time() - started
            tally.num_right[name] += said[name] == label
            tally.num_false_positives[name] += said[name] and not label
        tally.num_lost += said["ours"] != label == said["math-verify"]
        if show and set(said.values()) != {label}:
            write({"id": row.id, "label": label, **said, "gold": row.ground_truth, "end": row.response[-120:]})
    return tally


def write(found: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Measure the sets named, or all."""
    names = [argument for argument in arguments if not argument.startswith("--")]
    folder, names = Path(names[0]), names[1:] or list(SETS)
    prepare()
    judge_library(Row("warm", "math", "\\boxed{x}", "x"))
    judge_published(Row("warm", "math__", "\\boxed{x+1}", "1+x"))
    for name in names:
        rows = list(read_rows(folder / f"{name}.jsonl"))
        if "--numeric" in arguments:
            numeric = [(to_numeric(row), label) for row, label in rows]
            rows = [(row, label) for row, label in numeric if row is not None]
        tally = measure(rows, show="--show" in arguments)
        found: dict[str, Any] = {"set": name, "rows": tally.num_rows, "lost": tally.num_lost}
        for judge in JUDGES:
            found[judge] = {
                "right": tally.num_right[judge],
                "false_positives": tally.num_false_positives[judge],
                "per_second": round(tally.num_rows / tally.seconds[judge]),
            }
        write(found)


if __name__ == "__main__":
    main(sys.argv[1:])
