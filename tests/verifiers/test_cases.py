"""The public case file: what the public reward functions gave for real inputs; skipped where it is not at hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from abruzzi.verifiers import Mode, Outcome, Row, Verdict, verify_many

CASES = Path(__file__).parents[3] / "shared" / "reference" / "verifier_cases.jsonl"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="the case file is not part of the repository")

SLOW_S = 5.0
"""Endless loops: the public sandbox waits half a minute for them, and so do we in published mode."""
STRICTER = {"v0458", "v0520"}
"""The public graders evaluate 10-3 in a table as Python, and prefer an earlier statement to the last one."""


def read_cases() -> list[dict[str, Any]]:
    with CASES.open() as file:
        return [json.loads(line) for line in file]


def verify_cases(cases: list[dict[str, Any]], mode: Mode) -> list[Verdict]:
    rows = (
        Row(case["id"], case["data_source"], case["response"], case["ground_truth"], case["extra"] or {})
        for case in cases
    )
    return list(verify_many(rows, mode=mode, workers=2))


def is_certain(case: dict[str, Any]) -> bool:
    """Say whether the case has one outcome: no letter drawn at random, no model asked."""
    return case["expected_score"] is not None and "judge_reply" not in (case["extra"] or {})


def disagreements(cases: list[dict[str, Any]], mode: Mode) -> dict[str, tuple[float, Verdict]]:
    """Find the cases whose score is another one; a reward below 0 is 0 in fixed mode."""
    wanted = [max(case["expected_score"], 0.0 if mode == "fixed" else -1.0) for case in cases]
    verdicts = verify_cases(cases, mode)
    return {
        case["id"]: (score, verdict)
        for case, score, verdict in zip(cases, wanted, verdicts, strict=True)
        if abs(verdict.score - score) > 1e-9
    }


def test_published_mode_agrees_with_the_public_functions() -> None:
    cases = [case for case in read_cases() if is_certain(case) and case["elapsed_s"] < SLOW_S]
    assert len(cases) > 280
    assert disagreements(cases, "published") == {}


def test_published_mode_raises_where_the_public_functions_raise() -> None:
    cases = [case for case in read_cases() if case.get("raises") and is_certain(case)]
    verdicts = verify_cases(cases, "published")
    assert [verdict.reason.split(":")[0] for verdict in verdicts] == [case["raises"].split(":")[0] for case in cases]


def test_fixed_mode_differs_only_where_it_sees_that_an_answer_is_right() -> None:
    """Each of these has its reason in its domain's own test."""
    cases = [case for case in read_cases() if is_certain(case) and not case["quirk"] and case["elapsed_s"] < SLOW_S]
    assert len(cases) > 250
    differing = disagreements(cases, "fixed")
    assert len(differing) < 0.25 * len(cases)
    assert {key for key, (_, verdict) in differing.items() if verdict.outcome is not Outcome.CORRECT} == STRICTER


def test_no_exploit_passes_in_fixed_mode() -> None:
    """What the public functions wrongly accept."""
    exploits = [case for case in read_cases() if "EXPLOIT" in case["note"]]
    assert exploits
    assert Outcome.CORRECT not in {verdict.outcome for verdict in verify_cases(exploits, "fixed")}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fixed", "published"])
def test_both_modes_agree_on_what_takes_long(mode: Mode) -> None:
    cases = [case for case in read_cases() if is_certain(case) and case["elapsed_s"] >= SLOW_S]
    assert cases
    assert disagreements(cases, mode) == {}
