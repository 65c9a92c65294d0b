"""Names and marks of rows."""

from abruzzi.evaluation.protocol import ModelIdentity
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.evaluation.report.rows import difference_notes, mark_label, name_rows, short_benchmarks
from tests.evaluation.report.example import make_protocol, make_score

DAGGERED = "full\N{NO-BREAK SPACE}†"
FULL = "full (SmolLM2-135M-Instruct)"


def test_a_solver_that_all_share_goes_without_saying() -> None:
    rows = name_rows(ReportInput("t", (make_score("single"), make_score("full"))))
    assert [row.label for row in rows] == ["single", "full"]


def test_two_solvers_are_named() -> None:
    other = make_score(protocol=make_protocol(models={"solver": ModelIdentity(spec="x", name="other")}))
    report = ReportInput("t", (make_score(), other))
    assert [row.label for row in name_rows(report)] == ["single (SmolLM2-135M-Instruct)", "single (other)"]


def test_rows_of_a_benchmark_stand_together_and_equal_names_are_told_apart() -> None:
    scores = (make_score("single", "a"), make_score("single", "b"), make_score("full", "a"), make_score("single", "a"))
    found = [(row.benchmark, row.label) for row in name_rows(ReportInput("t", scores))]
    assert found == [("a", "single"), ("a", "full"), ("a", "single (2)"), ("b", "single")]


def test_a_difference_marks_a_system_everywhere_or_one_row_only() -> None:
    scores = (make_score("full", "a"), make_score("full", "b"), make_score("single", "b"))
    everywhere = ReportInput("t", scores, differences={FULL: ("runs: 4 against 16",)})
    once = ReportInput("t", scores, differences={f"b/{FULL}": ("runs: 4 against 16", "top_p: 1 against 0.95")})
    assert [row.marked for row in name_rows(everywhere)] == [DAGGERED, DAGGERED, "single"]
    assert [row.marked for row in name_rows(once)] == ["full", DAGGERED, "single"]
    assert difference_notes(once) == (
        "† full on b is not comparable with the rest: runs: 4 against 16; top_p: 1 against 0.95.",
    )
    assert mark_label(everywhere, FULL) == DAGGERED
    assert [mark_label(once, FULL, where) for where in ("a", "b", None)] == ["full", DAGGERED, DAGGERED]


def test_a_difference_of_no_row_is_told_all_the_same() -> None:
    notes = difference_notes(ReportInput("t", (make_score(),), differences={"gone": ("why",)}))
    assert notes == ("† gone is not comparable with the rest: why.",)


def test_a_generated_benchmark_goes_by_its_short_name_and_its_marks_find_it() -> None:
    full = "reasoning-gym:products?size=200&seed=7&min_terms=2"
    label = make_protocol().label
    report = ReportInput("t", (make_score("single", full),), differences={f"{full}/{label}": ("runs: 4 against 16",)})
    (row,) = name_rows(report)
    assert (row.benchmark, row.marked) == ("products", "single\N{NO-BREAK SPACE}†")
    assert difference_notes(report)[0].startswith("† single on products is not comparable")
    assert short_benchmarks(report) == {full: "products"}
    again = ReportInput("t", (make_score("single", full), make_score("single", full + "&max_terms=9")))
    assert [row.benchmark for row in name_rows(again)] == [full, full + "&max_terms=9"]
