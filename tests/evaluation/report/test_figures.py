"""What is drawn, and what is not."""

import math
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

from abruzzi.evaluation.component_table import ComponentTable
from abruzzi.evaluation.report.figures import draw_plots
from abruzzi.evaluation.report.report_input import ReportInput
from abruzzi.pages.page import Plot
from abruzzi.statistics.estimate import Estimate
from tests.evaluation.report.example import around, make_row, make_score, make_table


def titles(report: ReportInput) -> dict[str, list[str]]:
    return {key: [plot.title for alike in kinds for plot in alike] for key, kinds in draw_plots(report).items()}


def alt(plot: Plot) -> str:
    return ET.fromstring(plot.svg).get("aria-label", "")


def test_scores_are_drawn_by_benchmark() -> None:
    report = ReportInput("t", tuple(make_score(s, b) for b in ("gsm8k", "humaneval") for s in ("single", "full")))
    assert titles(report) == {
        "scores": ["Accuracy against tokens: gsm8k", "Accuracy against tokens: humaneval"],
        "runs": ["pass@k: gsm8k", "majority@k: gsm8k", "pass@k: humaneval", "majority@k: humaneval"],
        "price": [
            "Length of the chosen answer and of everything spent: gsm8k",
            "Length of the chosen answer and of everything spent: humaneval",
        ],
        "domains": ["Accuracy: maths", "Accuracy: code"],
    }


def test_an_ablation_is_drawn_as_gains_prices_curves_and_lengths() -> None:
    plots = draw_plots(ReportInput("t", tables=(make_table({"gsm8k": 1.0}),)))["components-1"]
    assert [[plot.title for plot in alike] for alike in plots] == [
        ["Difference to the base: gsm8k", "Difference to the base: macro average"],
        ["Accuracy against tokens: gsm8k", "Accuracy against tokens: macro average"],
        ["pass@k by plan: gsm8k"],
        ["Length of every candidate by plan: gsm8k"],
    ]
    assert [entry.label for entry in plots[0][0].key] == ["within noise", "helps", "upper bound", "hurts"]
    assert [entry.label for entry in plots[2][0].key] == ["none", "plan", "shuffled", "filler"]


def test_one_system_has_nobody_to_be_compared_with() -> None:
    report = ReportInput("t", (make_score("single", "gsm8k"),))
    assert titles(report)["scores"] == []


def test_a_curve_of_one_point_lengths_of_nothing_and_domains_of_none_are_not_drawn() -> None:
    once = {1: around(0.1)}
    bare: dict[str, Any] = {
        "pass_at": once,
        "majority_at": {},
        "best_at": once,
        "chosen_lengths": (),
        "spent_lengths": (),
        "domains": {},
    }
    assert titles(ReportInput("t", (make_score(**bare),))) == {"scores": [], "runs": [], "price": [], "domains": []}


def test_an_empty_ablation_has_no_plot() -> None:
    assert draw_plots(ReportInput("t", tables=(ComponentTable((), {}, {}, {}),)))["components-1"] == []


def test_values_that_do_not_exist_are_not_drawn() -> None:
    nothing = Estimate(math.nan, math.nan, math.nan)
    unknown = make_score("full", "gsm8k", accuracy=nothing, domains={"maths": nothing})
    report = ReportInput("t", (make_score("single", "gsm8k"), unknown))
    assert titles(report)["scores"] == []
    row = make_row("components", "gsm8k", "+ plan", 0.1)
    broken = replace(row, difference=nothing, completion_tokens=None)
    table = ComponentTable((broken,), {}, {"gsm8k/none": {1: nothing, 2: around(0.5)}}, {"gsm8k/none": ()})
    assert draw_plots(ReportInput("t", tables=(table,)))["components-1"] == []


def test_the_alternative_text_tells_the_numbers() -> None:
    scores = [make_score(s, "a", accuracy=Estimate(0.25, 0.2, 0.3), completion_tokens=1234) for s in ("single", "full")]
    ((plot,),) = draw_plots(ReportInput("t", tuple(scores)))["scores"]
    told = "25.0 [20.0, 30.0] % for 1,234 tokens"
    assert alt(plot) == f"Accuracy against tokens: a. single {told}; full {told}."


def test_a_marked_row_is_marked_in_the_key_too() -> None:
    scores = (make_score("single"), make_score("full"))
    report = ReportInput("t", scores, differences={scores[1].protocol.label: ("runs: 4 against 16",)})
    ((plot,),) = draw_plots(report)["scores"]
    assert [entry.label for entry in plot.key] == ["single", "full\N{NO-BREAK SPACE}†"]


def test_a_system_looks_the_same_on_every_benchmark() -> None:
    scores = (make_score("single", "a"), make_score("full", "a"), make_score("full", "b"), make_score("single", "b"))
    ((one, other),) = draw_plots(ReportInput("t", scores))["scores"]
    assert {e.label: e.look for e in one.key} == {e.label: e.look for e in other.key}
