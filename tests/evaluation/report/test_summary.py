"""What the numbers say, in sentences."""

from typing import Any

from abruzzi.evaluation.component_table import ComponentRow, ComponentTable
from abruzzi.evaluation.report.report_input import PairedRow, ReportInput
from abruzzi.evaluation.report.summary import summarise
from abruzzi.evaluation.scores import Score
from abruzzi.pages.page import Finding
from abruzzi.statistics.averages import leave_one_out
from abruzzi.statistics.estimate import Estimate
from tests.evaluation.report.example import around, difference, make_protocol, make_row, make_score, make_table


def of_rows(*rows: ComponentRow) -> dict[str, Finding]:
    return by_subject(summarise(ReportInput("t", tables=(ComponentTable(rows, {}, {}, {}),))))


def of_scores(*scores: Score, **changes: Any) -> dict[str, Finding]:
    return by_subject(summarise(ReportInput("t", scores, **changes)))


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def spaced(finding: Finding) -> str:
    return finding.text.replace("\N{NO-BREAK SPACE}", " ")


def test_where_nothing_helps_the_first_sentence_says_so() -> None:
    found = of_rows(
        make_row("components", "a", "base", None),
        make_row("components", "a", "+ plan", 0.01),
        make_row("components", "a", "+ best-of-3", -0.05),
        make_row("selection", "a", "oracle", 0.3, selection="oracle"),
    )
    first = next(iter(found.values()))
    assert (first.kind, first.subject) == ("does not help", "In short:")
    assert first.text == "none of the 2 variants beats the base beyond noise."
    assert found["+ plan"].kind == found["+ best-of-3"].kind == "does not help"
    assert spaced(found["+ plan"]) == "makes no difference beyond noise on a (+1.0 [−0.5, +2.5])."
    assert spaced(found["+ best-of-3"]) == "hurts on a (−5.0 [−6.5, −3.5])."


def test_a_part_that_helps_on_every_benchmark_is_named_first() -> None:
    found = of_rows(
        make_row("components", "a", "+ plan", 0.05),
        make_row("components", "b", "+ plan", 0.04),
        make_row("components", "a", "+ best-of-3", 0.05),
        make_row("components", "b", "+ best-of-3", -0.05),
        make_row("components", "a", "+ nothing", 0.0),
    )
    assert (
        found["In short:"].text
        == "“+ plan” beat the base on every benchmark, “+ best-of-3” on some; 1 of 3 variants on none."
    )
    assert found["+ plan"].kind == "helps"
    assert found["+ best-of-3"].kind == "helps in part"
    assert spaced(found["+ best-of-3"]) == "helps on a (+5.0 [+3.5, +6.5]); it hurts on b (−5.0 [−6.5, −3.5])."


def test_no_difference_on_many_benchmarks_is_one_sentence() -> None:
    rows = [make_row("components", name, "+ plan", gain) for name, gain in (("a", -0.01), ("b", 0.0), ("c", 0.012))]
    text = of_rows(*rows)["+ plan"].text
    assert text == "makes no difference beyond noise on any of 3 benchmarks (−1.0 to +1.2 points)."


def test_many_benchmarks_are_counted_and_not_named() -> None:
    rows = [make_row("components", "abcdef"[i], "+ plan", 0.03 + 0.01 * i) for i in range(4)]
    rows += [make_row("components", "e", "+ plan", -0.05)]
    text = spaced(of_rows(*rows)["+ plan"])
    assert text == "helps on 4 benchmarks (+3.0 to +6.0 points); it hurts on e (−5.0 [−6.5, −3.5])."
    many = [make_row("selection", name, "oracle", 0.3, selection="oracle", accuracy=around(0.5)) for name in "abcd"]
    assert "50.0 to 50.0 % on 4 benchmarks" in spaced(of_rows(*many)["oracle"])
    full = [make_row("components", x, "+ both", 0.0, plan="plan", n=3, accuracy=around(0.25)) for x in "abcd"]
    equal = [
        make_row("equal budget", x, "majority", 0.0, n=4, accuracy=around(0.2 + 0.025 * i))
        for i, x in enumerate("abcd")
    ]
    text = of_rows(*full, *equal)["majority"].text
    assert text.endswith("; it reaches at least what the full system does on 2 of 4 benchmarks.")
    scores = [make_score("single", name, num_items=10, num_clean=9) for name in "abcd"]
    assert of_scores(*scores)["Contamination:"].text.startswith("clean items are 36 of 40 on 4 benchmarks;")


def test_averages_are_no_benchmarks() -> None:
    found = of_rows(make_row("components", "a", "+ plan", 0.0), make_row("components", "micro", "+ plan", 0.2))
    assert found["+ plan"].kind == "does not help"


def test_a_placebo_that_helps_casts_doubt_on_the_plan() -> None:
    found = of_rows(make_row("placebo", "a", "filler", 0.05))
    assert found["filler"].text.endswith("where a plan without content helps, more than the plan’s content is at work.")
    assert "content" not in of_rows(make_row("placebo", "a", "filler", 0.0))["filler"].text


def test_an_equal_budget_stands_beside_the_full_system() -> None:
    found = of_rows(
        make_row("components", "gsm8k", "+ both", 0.05, plan="plan", n=3, accuracy=around(0.25)),
        make_row("components", "gsm8k", "+ plan", 0.01, plan="plan", n=1, accuracy=around(0.21)),
        make_row("equal budget", "gsm8k", "majority of 4", 0.06, n=4, accuracy=around(0.26)),
    )
    assert spaced(found["majority of 4"]).endswith("beside the full system it reaches 26.0 % against 25.0 % on gsm8k.")


def test_the_oracle_is_a_bound() -> None:
    found = of_rows(make_row("selection", "a", "oracle", 0.3, selection="oracle", accuracy=around(0.6)))
    assert found["oracle"].kind == "bound"
    assert spaced(found["oracle"]).startswith("would reach 60.0 % on a:")


def test_two_tables_are_told_apart_by_their_models() -> None:
    other = ComponentTable((make_row("components", "a", "+ plan", 0.0),), {"solver": "other, sha256 00"}, {}, {})
    subjects = [f.subject for f in summarise(ReportInput("t", tables=(make_table(), other)))]
    assert "In short, for SmolLM2-135M-Instruct:" in subjects
    assert "In short, for other:" in subjects


def test_a_benchmark_tells_the_best_and_the_cheapest() -> None:
    best = make_score("full", "a", accuracy=Estimate(0.5, 0.4, 0.6), prompt_tokens=1000, completion_tokens=500)
    cheap = make_score("single", "a", accuracy=Estimate(0.3, 0.2, 0.4), prompt_tokens=100, completion_tokens=50)
    text = spaced(of_scores(best, cheap)["a:"])
    assert text == (
        "full reaches 50.0 % [40.0, 60.0] for 1,500 tokens a question; the cheapest, single, reaches 30.0 % "
        "[20.0, 40.0] for 150 tokens a question."
    )
    assert spaced(of_scores(cheap)["a:"]) == "single reaches 30.0 % [20.0, 40.0] for 150 tokens a question."


def test_only_corrected_differences_count() -> None:
    full, single = make_protocol("full").label, make_protocol("single").label
    scores = (make_score("full"), make_score("single"))
    won = PairedRow("gsm8k", single, full, difference(-0.055), 0.001, 0.012)
    lost = PairedRow("gsm8k", single, full, difference(0.05), 0.03, 0.06)
    text = spaced(of_scores(*scores, paired=(won, lost))["Head to head:"])
    assert text == "full beats single on gsm8k by 5.5 points (p = 0.012); 1 of 2 pairs are not told apart."
    text = of_scores(*scores, paired=(lost,))["Head to head:"].text
    assert text == "none of 1 paired comparisons stands after Holm’s correction."


def test_an_average_that_hangs_on_one_benchmark_is_seen_to() -> None:
    """Micro over sizes 1 and 9: x 0.58, y 0.52; without b, y's 0.7 beats x's 0.4. Macro: x 0.5, y 0.6."""
    sizes = {"a": 1, "b": 9}
    averages = {
        "x": leave_one_out({"a": 0.4, "b": 0.6}, sizes),
        "y": leave_one_out({"a": 0.7, "b": 0.5}, sizes),
    }
    text = of_scores(averages=averages)["On average:"].text
    assert text == "x leads the micro average, but y without b; y leads the macro average, but x without a."
    clear = {"x": leave_one_out({"a": 0.4, "b": 0.6}, sizes), "y": leave_one_out({"a": 0.3, "b": 0.5}, sizes)}
    assert of_scores(averages=clear)["On average:"].text.startswith(
        "x leads the micro average, whichever benchmark is left out;"
    )


def test_unknown_contamination_is_a_caution() -> None:
    assert of_scores(make_score(clean_accuracy=None, num_clean=None))["Contamination:"].kind == "caution"
    text = of_scores(make_score(accuracy=around(0.4), clean_accuracy=around(0.31)))["Contamination:"].text
    assert (
        text == "clean items are 183 of 200 on gsm8k; counting only them changes most by −9.0 points (single on gsm8k)."
    )


def test_failed_and_missing_samples_are_told() -> None:
    clean = {"correct": 10, "wrong": 5}
    assert (
        of_scores(make_score(outcomes=clean))["Samples:"].text == "all 15 that were asked for are recorded and scored."
    )
    found = of_scores(make_score(outcomes={**clean, "failed": 3, "error": 2}, num_missing=4))["Samples:"]
    assert found.kind == "caution"
    assert found.text == "2 error, 3 failed and 4 missing, not counted as wrong; 15 are scored."


def test_truncation_is_told_above_a_tenth() -> None:
    assert "Truncation:" not in of_scores(make_score(truncated_share=0.1))
    text = spaced(of_scores(make_score(truncated_share=0.25))["Truncation:"])
    assert text == "in 1 of 1 rows more than a tenth of the chosen answers were cut; at most 25.0 % (single on gsm8k)."


def test_unequal_settings_are_told() -> None:
    found = of_scores(make_score(), differences={make_protocol().label: ("runs: 4 against 16",)})
    assert found["Unequal settings:"].kind == "caution"


def test_nothing_says_nothing() -> None:
    assert summarise(ReportInput("t")) == []
