"""Tables of an ablation."""

from dataclasses import replace

from abruzzi.evaluation.component_table import ComponentRow, ComponentTable
from abruzzi.evaluation.report.component_tables import component_tables, group_variants, say_helps, solver_of
from abruzzi.statistics.estimate import Estimate
from tests.evaluation.report.example import make_row, make_table


def tabulate(*rows: ComponentRow) -> ComponentTable:
    return ComponentTable(rows=rows, facts={}, curves={}, lengths={})


def test_a_part_that_does_not_help_is_said_not_to() -> None:
    row = make_row("components", "a", "+ plan", 0.0)
    assert say_helps(replace(row, difference=Estimate(0.02, 0.01, 0.03))) == "helps"
    assert say_helps(replace(row, difference=Estimate(0.02, -0.01, 0.05))) == "does not help: within noise"
    assert say_helps(replace(row, difference=Estimate(-0.02, -0.03, -0.01))) == "does not help: it hurts"
    assert say_helps(make_row("components", "a", "base", None)) == "the base"
    assert say_helps(replace(row, selection="oracle", difference=Estimate(0.2, 0.1, 0.3))) == "upper bound, no system"


def test_the_overview_marks_what_lies_beyond_noise_but_never_the_oracle() -> None:
    overview = component_tables(
        tabulate(
            make_row("components", "a", "base", None, accuracy=Estimate(0.3, 0.2, 0.4)),
            make_row("components", "a", "+ plan", 0.1),
            make_row("components", "b", "+ plan", -0.1),
            make_row("selection", "a", "oracle", 0.2, selection="oracle"),
        )
    )[0]
    cells = {row[0]: row[1:] for group in overview.groups for row in group.rows}
    assert overview.head == ("Variant", "a", "b")
    assert cells["base"] == ("30.0", "–")
    assert cells["+ plan"] == ("▲\N{NO-BREAK SPACE}40.0", "▼\N{NO-BREAK SPACE}20.0")
    assert cells["oracle"] == ("50.0", "–")


def test_sections_come_in_their_order_whatever_that_of_the_rows() -> None:
    (table,) = component_tables(
        tabulate(
            make_row("equal budget", "a", "majority of 4", 0.0),
            make_row("placebo", "a", "filler", 0.0),
            make_row("components", "a", "base", None),
            make_row("selection", "a", "majority", 0.0),
        )
    )
    titles = ["Components", "Other ways to choose", "Placebo plans", "Equal budget, spent plainly"]
    assert [group.title for group in table.groups] == titles


def test_a_row_has_its_interval_difference_price_and_note() -> None:
    row = make_row(
        "components",
        "gsm8k",
        "+ both",
        0.05,
        accuracy=Estimate(0.25, 0.2, 0.3),
        difference=Estimate(0.05, 0.02, 0.08),
        gap_recovered=Estimate(0.4, 0.1, 0.7),
        note="Two plans leaked.",
    )
    (table,) = component_tables(tabulate(row))
    cells = tuple(cell.replace("\N{NO-BREAK SPACE}", " ") for cell in table.groups[0].rows[0])
    assert cells == (
        "+ both ¹", "25.0 [20.0, 30.0]", "+5.0 [+2.0, +8.0]", "40 [10, 70]", "160", "214", "200", "16", "helps",
    )  # fmt: skip
    assert table.notes[0] == "¹ Two plans leaked."


def test_each_benchmark_and_each_average_has_a_table() -> None:
    tables = component_tables(make_table())
    captions = ["Accuracy of every variant, %", "gsm8k", "arithmetic-mix", "humaneval", "Macro average"]
    assert [table.caption for table in tables] == captions


def test_the_number_of_marks_that_chance_alone_would_set_is_told() -> None:
    """Eight differences on each of three benchmarks, the oracle's and the averages' left out: 24 / 20 = 1.2."""
    note = component_tables(make_table())[0].notes[-1]
    assert note.startswith("24 differences are shown")
    assert note.endswith("about 1.2 of them.")


def test_an_empty_table_has_none() -> None:
    assert component_tables(tabulate()) == []


def test_equal_budgets_are_one_variant_though_each_benchmark_affords_another_number() -> None:
    four = make_row("equal budget", "a", "plain majority of 4", 0.0, n=4, selection="majority")
    nine = replace(four, benchmark="b", label="plain majority of 9", n=9)
    longer = replace(four, label="one longer sample", plan="long", selection="single")
    both, alone = group_variants([four, nine, longer])
    assert (both.label, both.rows) == ("plain majority of 4 / plain majority of 9", (four, nine))
    assert alone.label == "one longer sample"
    average = replace(four, benchmark="micro", label="plain majority at the same budget")
    assert group_variants([four, nine, average])[0].label == "plain majority at the same budget"


def test_the_solver_is_named_without_its_hash() -> None:
    assert solver_of(make_table()) == "SmolLM2-135M-Instruct"
    assert solver_of(tabulate()) == ""
