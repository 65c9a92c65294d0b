"""The public functions' own verdicts on logic, simulation, tables, science and instructions, where they are at hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abruzzi.nouns import Verdict
from abruzzi.verifiers.instructions import verify_instructions
from abruzzi.verifiers.logic import verify_logic
from abruzzi.verifiers.published.instructions import score_instructions
from abruzzi.verifiers.published.logic import score_logic
from abruzzi.verifiers.published.science import score_science
from abruzzi.verifiers.published.simulation import score_simulation
from abruzzi.verifiers.published.tables import score_tables
from abruzzi.verifiers.row import Row
from abruzzi.verifiers.science import verify_science
from abruzzi.verifiers.simulation import verify_simulation
from abruzzi.verifiers.tables import verify_tables

CASES = Path(__file__).parents[3] / "shared" / "reference" / "verifier_cases.jsonl"
DOMAINS: dict[str, tuple[Callable[[Row], Verdict], Callable[[Row], float]]] = {
    "logic": (verify_logic, score_logic),
    "simulation__arcagi": (verify_logic, score_logic),
    "simulation__barc": (verify_logic, score_logic),
    "simulation__codeio": (verify_simulation, score_simulation),
    "table": (verify_tables, score_tables),
    "stem": (verify_science, score_science),
    "ood__ifeval": (verify_instructions, score_instructions),
}
OURS_IS_RIGHT = {
    "a writing with one reading inside the answer tags counts": "v0374 v0382 v0416 v0425 v0443",
    "a name may hold a hyphen or an apostrophe": "v0429 v0430",
    "rows are told apart by their first column": "v0406",
    "the case, the spacing and the quotes of a cell say nothing": "v0407 v0408 v0409",
    "a JSON or Python literal has one reading, with or without its fence, braces or wrapping key": (
        "v0332 v0333 v0336 v0337 v0338"
    ),
    "a - b is how tables write a range, which is no difference": "v0458",
    "twelve million is 12000000": "v0478",
    "the last statement of an answer is the answer": "v0520",
    "the letter counts in brackets and in a box": "v0536 v0540",
    "equal as text: no judge is needed": "v0547 v0550",
}
"""Rows without a quirk on which the fixed verdict differs from the public score, and why ours is right."""


def read_cases() -> list[dict[str, Any]]:
    if not CASES.exists():
        return []
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    return [case for case in cases if case["data_source"].startswith(tuple(DOMAINS))]


ALL = read_cases()
pytestmark = pytest.mark.skipif(not ALL, reason="../shared/reference/verifier_cases.jsonl is not here")


def functions_for(case: dict[str, Any]) -> tuple[Callable[[Row], Verdict], Callable[[Row], float]]:
    return next(pair for prefix, pair in DOMAINS.items() if case["data_source"].startswith(prefix))


def row_for(case: dict[str, Any]) -> Row:
    return Row(case["id"], case["data_source"], case["response"], case["ground_truth"], case["extra"] or {})


def publish(case: dict[str, Any]) -> float | str:
    def judge(_prompt: str) -> str:
        if case["extra"]["judge_reply"] == "HTTP500":
            raise ConnectionError("500")
        return case["extra"]["judge_reply"]

    row = row_for(case)
    try:
        return score_science(row, judge) if row.data_source.startswith("stem") else functions_for(case)[1](row)
    except (NotImplementedError, KeyError) as error:
        return type(error).__name__


def test_published_mode_gives_what_the_public_functions_gave() -> None:
    certain = [case for case in ALL if "nondeterministic" not in case]
    differing = {
        case["id"]: (expected, publish(case))
        for case in certain
        for expected in [case["raises"].partition(":")[0] if "raises" in case else case["expected_score"]]
        if publish(case) != expected
    }
    assert len(certain) >= 130
    assert differing == {}


def test_published_mode_draws_a_letter_where_the_public_function_does() -> None:
    drawn = [case for case in ALL if "nondeterministic" in case]
    rates = [
        sum(score_science(Row(str(i), case["data_source"], case["response"], "A")) for i in range(1000)) / 1000
        for case in drawn
    ]
    assert len(drawn) >= 5
    assert all(0.06 < rate < 0.14 for rate in rates)


def test_fixed_mode_differs_only_where_ours_is_right() -> None:
    plain = [case for case in ALL if not case["quirk"] and case["expected_score"] is not None]
    differing = {
        case["id"]
        for case in plain
        if functions_for(case)[0](row_for(case)).score != pytest.approx(case["expected_score"])
    }
    assert differing == {name for names in OURS_IS_RIGHT.values() for name in names.split()}


def test_no_exploit_of_the_public_functions_passes_in_fixed_mode() -> None:
    """Every quirk that the public functions score 1 is refused or judged by its meaning."""
    right_in_meaning = {"v0450", "v0501", "v0515", "v0518"}
    passing = {
        case["id"]
        for case in ALL
        if case["quirk"] and case["expected_score"] == 1 and functions_for(case)[0](row_for(case)).score == 1
    }
    assert passing <= right_in_meaning
