"""Tables of provenance."""

from typing import Any

from abruzzi.evaluation.protocol import ModelIdentity
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.evaluation.report.settings_tables import settings_tables
from abruzzi.pages.table import Table
from tests.evaluation.report.example import make_protocol, make_score


def tables_of(*systems: str, **changes: Any) -> dict[str, Table]:
    scores = tuple(make_score(system, protocol=make_protocol(system, **changes)) for system in systems)
    return {table.caption: table for table in settings_tables(ReportInput("t", scores))}


def test_settings_that_all_rows_share_are_said_once() -> None:
    tables = tables_of("single", "full")
    shared = {row[0]: row[1] for row in tables["Settings of all rows"].groups[0].rows}
    assert shared["temperature"] == "1"
    assert shared["max_tokens"] == "1024"
    assert shared["stop"] == "</answer>"
    assert shared["token_budget"] == "not set"
    assert shared["runs"] == "16"
    assert "n" not in shared
    own = tables["Settings of each row that not all share"]
    single, full = own.groups[0].rows
    assert single == ("single", "n: 1; plan: off; judge: no")
    assert full[0] == "full"
    assert "n: 3" in full[1]
    assert "judge model: SmolLM2-135M-Instruct" in full[1]
    assert "prompt plan: ba9876543210" in full[1]


def test_one_row_shares_all_with_itself() -> None:
    assert "Settings of each row that not all share" not in tables_of("single")


def test_models_stand_once_with_all_that_they_play_and_their_hash() -> None:
    judge = ModelIdentity(spec="openai:judge", name="a judge")
    solver = ModelIdentity(spec="embedded", name="small", sha256="0123456789abcdef")
    table = tables_of("full", models={"solver": solver, "planner": solver, "judge": judge})["Models"]
    assert table.groups[0].rows == (
        ("small", "solver, planner", "embedded", "0123456789ab"),
        ("a judge", "judge", "openai:judge", "–"),
    )


def test_a_benchmark_is_named_with_revision_and_hash() -> None:
    (row,) = tables_of("single", "full")["Benchmarks"].groups[0].rows
    assert row == ("gsm8k", "9d1f0c2", "a7a7a7a7a7a7", "200")


def test_settings_of_a_system_that_are_the_same_on_all_benchmarks_are_said_once() -> None:
    scores = tuple(make_score(system, benchmark) for system in ("single", "full") for benchmark in ("a", "b"))
    own = settings_tables(ReportInput("t", scores))[-1]
    assert [(group.title, len(group.rows)) for group in own.groups] == [("", 2)]
