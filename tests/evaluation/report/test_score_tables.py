"""Tables of scores."""

from dataclasses import replace
from typing import Any

import pytest

from abruzzi.evaluation.report.report_input import PairedRow, ReportInput
from abruzzi.evaluation.report.score_tables import (
    average_tables,
    curve_tables,
    domain_tables,
    price_tables,
    score_tables,
)
from abruzzi.evaluation.scores import Score
from abruzzi.pages.table import Table
from abruzzi.statistics.averages import leave_one_out
from abruzzi.statistics.estimate import Estimate
from tests.evaluation.report.example import around, difference, make_protocol, make_score


def report(*scores: Score, **changes: Any) -> ReportInput:
    return ReportInput("t", scores, **changes)


def cell(table: Table, column: str, row: int = 0, group: int = 0) -> str:
    return table.groups[group].rows[row][table.head.index(column)].replace("\N{NO-BREAK SPACE}", " ")


def by_caption(tables: list[Table]) -> dict[str, Table]:
    return {table.caption: table for table in tables}


def test_accuracy_stands_beside_the_clean_one_items_and_runs() -> None:
    score = make_score("full", accuracy=Estimate(0.375, 0.341, 0.409), clean_accuracy=Estimate(0.3, 0.25, 0.35))
    (table,) = score_tables(report(score))
    assert cell(table, "Accuracy, %") == "37.5 [34.1, 40.9]"
    assert cell(table, "Clean items only, %") == "30.0 [25.0, 35.0]"
    assert (cell(table, "Items"), cell(table, "Of them clean"), cell(table, "Runs")) == ("200", "183", "16")
    assert cell(table, "Gap recovered, %") == "12 [−8, 31]"


def test_without_a_contamination_report_it_says_so() -> None:
    (table,) = score_tables(report(make_score(clean_accuracy=None, num_clean=None)))
    assert not any("clean" in name.lower() for name in table.head)
    assert any("not known" in note for note in table.notes)


def test_what_is_not_comparable_is_marked_and_explained() -> None:
    label = make_protocol().label
    (table,) = score_tables(report(make_score(), differences={label: ("runs: 4 against 16",)}))
    assert cell(table, "System") == "single †"
    assert table.notes[0].startswith("† single is not comparable")


def test_failed_broken_and_missing_samples_have_columns_also_when_there_are_none() -> None:
    outcomes = {"correct": 1200, "wrong": 50, "unparsed": 7}
    table = by_caption(price_tables(report(make_score(outcomes=outcomes, num_missing=3))))[
        "What became of every sample"
    ]
    names = ("Samples", "Correct", "Wrong", "Unparsed", "Timeout", "Error", "Failed", "Missing")
    assert [cell(table, name) for name in names] == ["1,257", "1,200", "50", "7", "0", "0", "0", "3"]
    assert cell(table, "Truncated, %") == "6.4"


def test_the_price_of_a_correct_answer_is_not_a_number_where_none_is() -> None:
    score = make_score(
        outcomes={"wrong": 9}, tokens_per_correct=None, seconds_per_correct=None, prompt_tokens=1234.5, seconds=0.5
    )
    table = by_caption(price_tables(report(score)))["Price per question"]
    assert cell(table, "Prompt tokens") == "1,234"
    assert cell(table, "Seconds") == "0.500"
    assert cell(table, "Tokens per correct") == cell(table, "Seconds per correct") == "none correct"
    assert "Cost" not in table.head


def test_costs_have_columns_where_prices_were_given() -> None:
    table = by_caption(price_tables(report(make_score(cost=0.00123, cost_per_correct=0.0456))))["Price per question"]
    assert (cell(table, "Cost"), cell(table, "Cost per correct")) == ("0.00123", "0.0456")


def test_lengths_are_summed_up_by_median_and_ninetieth_percentile() -> None:
    score = make_score(chosen_lengths=tuple(range(0, 101, 10)), spent_lengths=(7,))
    table = by_caption(price_tables(report(score)))["Generated tokens per sample"]
    assert [cell(table, f"Chosen, {what}") for what in ("median", "90th percentile")] == ["50", "90"]
    assert [cell(table, f"All spent, {what}") for what in ("median", "90th percentile")] == ["7", "7"]


def test_what_settled_the_samples_is_told_for_systems_that_choose() -> None:
    decided = {"agreement": 3, "first": 1}
    tables = by_caption(price_tables(report(make_score("single"), make_score("full", decided_by=decided))))
    table = tables["What settled the samples, % of them"]
    assert table.groups[0].rows == (("full", "75.0", "25.0"),)
    assert "What settled the samples, % of them" not in by_caption(price_tables(report(make_score("single"))))


def test_curves_have_a_column_for_each_k_and_best_only_where_it_differs() -> None:
    curve = {1: around(0.1), 4: around(0.2)}
    score = make_score(pass_at=curve, majority_at={1: around(0.1)}, best_at=curve)
    (table,) = curve_tables(report(score))
    assert table.head == ("System", "Measure, %", "k = 1", "k = 4")
    assert [row[1] for row in table.groups[0].rows] == ["pass@k", "majority@k"]
    assert cell(table, "k = 4", row=1) == "–"
    (table,) = curve_tables(report(replace(score, best_at={1: around(0.15)})))
    assert [row[1] for row in table.groups[0].rows] == ["pass@k", "majority@k", "best@k"]


def test_of_many_k_the_powers_of_two_and_the_largest_are_kept() -> None:
    curve = {k: around(0.1) for k in range(1, 101)}
    (table,) = curve_tables(report(make_score(pass_at=curve, majority_at={}, best_at=curve)))
    assert table.head[2:] == ("k = 4", "k = 8", "k = 16", "k = 32", "k = 64", "k = 100")


def test_one_run_has_no_curve() -> None:
    once = {1: around(0.1)}
    assert curve_tables(report(make_score(pass_at=once, majority_at=once, best_at=once))) == []


def test_domains_have_a_table_where_a_benchmark_has_several() -> None:
    assert domain_tables(report(make_score("single", "gsm8k"))) == []
    (table,) = domain_tables(report(make_score("single", "arithmetic-mix")))
    assert [row[1] for row in table.groups[0].rows] == ["maths", "logic", "procedural"]


@pytest.mark.parametrize(
    ("p_holm", "gain", "words"),
    [(0.04, 0.1, "first is better"), (0.04, -0.1, "second is better"), (0.05, 0.1, "not told apart")],
)
def test_pairs_are_told_apart_by_the_corrected_p_value(p_holm: float, gain: float, words: str) -> None:
    full, single = make_protocol("full").label, make_protocol("single").label
    row = PairedRow("gsm8k", full, single, difference(gain), 0.0004, p_holm)
    _, table = score_tables(report(make_score("full"), make_score("single"), paired=(row,)))
    assert table.groups[0].rows[0][:2] == ("full", "single")
    assert cell(table, "p") == "< 0.001"
    assert cell(table, "Reads as") == words


def test_benchmarks_go_by_their_short_names_in_pairs_and_averages() -> None:
    names = ["reasoning-gym:products?size=3", "reasoning-gym:chain_sum?size=3"]
    label = make_protocol().label
    row = PairedRow(names[0], label, label, difference(0.1), 0.1, 0.1)
    averages = {label: leave_one_out(dict.fromkeys(names, 0.2), dict.fromkeys(names, 3))}
    scores = [make_score("single", name) for name in names]
    _, pairs, averaged = score_tables(report(*scores, paired=(row,), averages=averages))
    assert pairs.groups[0].title == "products"
    assert [cells[0] for cells in averaged.groups[0].rows[1:]] == ["without products", "without chain_sum"]


def test_averages_are_given_without_each_benchmark() -> None:
    """Sizes 1 and 3, values 0.2 and 0.6: micro 0.5, macro 0.4."""
    averages = {"ours": leave_one_out({"a": 0.2, "b": 0.6}, {"a": 1, "b": 3})}
    (table,) = average_tables(report(averages=averages))
    assert table.groups[0].title == "ours"
    assert table.groups[0].rows == (
        ("all benchmarks", "50.0", "40.0"),
        ("without a", "60.0", "60.0"),
        ("without b", "20.0", "20.0"),
    )


def test_nothing_makes_no_table() -> None:
    nothing = report()
    assert score_tables(nothing) == price_tables(nothing) == curve_tables(nothing) == domain_tables(nothing) == []
