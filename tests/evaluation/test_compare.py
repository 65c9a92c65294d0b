"""Runs beside the paper's tables: every difference is named, and nothing is named that does not differ."""

from typing import Any

import pytest

from abruzzi.evaluation.benchmarks.registry import list_benchmarks
from abruzzi.evaluation.compare import COLUMNS, Comparison, compare_with_paper, render_comparison
from abruzzi.evaluation.paper.tables import MACRO, MAIN, MICRO, find_cells, read_sizes
from abruzzi.evaluation.protocol import BenchmarkIdentity, ModelIdentity
from abruzzi.evaluation.scores import Score
from tests.evaluation.report.example import make_protocol, make_score

SAME: dict[str, Any] = {"temperature": 1.0, "top_p": 0.95, "max_tokens": 65_536, "stop": ("</answer>",)}
LABEL = "single (SmolLM2-135M-Instruct)"
AGREEMENT_FIRST = "the judge compares all candidates there, agreement decides first here"


def score(
    benchmark: str,
    system: str = "single",
    *,
    num_items: int | None = None,
    protocol: dict[str, Any] | None = None,
    changes: dict[str, Any] | None = None,
    **ask: Any,
) -> Score:
    """A score under the paper's settings, but for what is given."""
    size = num_items or read_sizes().get(COLUMNS.get(benchmark, ""), 40)
    identity = BenchmarkIdentity(name=benchmark, revision="abc123", num_items=size, items_sha256="a7" * 32)
    made = make_protocol(system, benchmark)
    settings = {"benchmark": identity, "ask": made.ask.model_copy(update=SAME | ask), **(protocol or {})}
    made = made.model_copy(update=settings)
    fields: dict[str, Any] = {
        "protocol": made,
        "num_items": size,
        "outcomes": {"correct": size * 16},
        **(changes or {}),
    }
    return make_score(system, benchmark, **fields)


def compare_one(*args: Any, **kwargs: Any) -> Comparison:
    (comparison,) = compare_with_paper([score(*args, **kwargs)])
    return comparison


def test_every_name_is_a_benchmark_of_ours_and_a_column_of_the_paper() -> None:
    assert COLUMNS.keys() <= {benchmark.name for benchmark in list_benchmarks()}
    assert set(COLUMNS.values()) <= {cell.column for cell in find_cells(MAIN)}


def test_the_papers_cells_stand_beside_ours_with_flag_and_source() -> None:
    comparison = compare_one("aime-2024")
    assert (comparison.column, comparison.label) == ("AIME24", LABEL)
    assert comparison.ours.value == 0.4
    cells = {value.cell.row: value.cell for value in comparison.values}
    assert (cells["K2-Think 32B"].number, cells["K2-Think 32B"].is_verified) == (90.83, True)
    assert cells["SFT+RL checkpoint"].number == 86.26
    assert (cells["DeepSeek R1"].verified, "memory" in cells["DeepSeek R1"].source) == ("no", True)


def test_the_same_settings_leave_what_the_paper_does_not_say() -> None:
    assert compare_one("aime-2024").reasons == (
        "the paper names no revision of the items; abc123 here",
        "the paper gives no interval",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"temperature": 0.7}, "temperature 1.0 there, 0.7 here"),
        ({"top_p": 1.0}, "top-p 0.95 there, 1.0 here"),
        ({"top_k": 40, "min_p": 0.0}, "top-k is not mentioned there, 40 here"),
        ({"max_tokens": 1_024}, "at most 64k tokens an answer there, 1,024 here"),
        ({"max_tokens": None}, "at most 64k tokens an answer there, as many as the context allows here"),
        ({"stop": ()}, "stop at </answer> there, no stop string here"),
        ({"stop": ("</answer>", "END")}, "stop at </answer> there, at </answer>, END here"),
        ({"token_budget": 900}, "no budget of tokens for a question there, 900 here"),
        ({"protocol": {"runs": 4}}, "16 runs there, 4 here"),
        ({"changes": {"clean_accuracy": None}}, "nobody looked whether our models were trained on the items"),
        ({"changes": {"num_missing": 5}}, "5 of 480 samples have no score here"),
        ({"changes": {"outcomes": {"wrong": 470, "failed": 8, "error": 2}}}, "10 of 480 samples have no score here"),
    ],
)
def test_each_difference_is_one_reason(changes: dict[str, Any], reason: str) -> None:
    assert set(compare_one("aime-2024", **changes).reasons) - set(compare_one("aime-2024").reasons) == {reason}


def test_64k_may_be_64000() -> None:
    assert compare_one("aime-2024", max_tokens=64_000).reasons == compare_one("aime-2024").reasons


def test_other_items_are_a_reason() -> None:
    assert "173 items there, 12 here" in compare_one("omni-math-hard", num_items=12).reasons
    assert "how many items the paper asked is not known; 40 here" in compare_one("hle").reasons


def test_what_the_critics_found_is_a_reason_on_their_benchmarks_only() -> None:
    found = "an independent review found {} in the paper's training data"
    assert found.format("at least 87 of 173 problems") in compare_one("omni-math-hard").reasons
    assert found.format("22 per cent of the problems") in compare_one("livecodebench-v5").reasons
    assert not any("review" in reason for reason in compare_one("gpqa-diamond").reasons)


def test_planner_and_judge_are_other_models_and_our_choice_is_another_one() -> None:
    reasons = compare_one("aime-2024", "full").reasons
    unnamed = "a large outside model that the paper does not name there, SmolLM2-135M-Instruct here"
    assert {f"planner: {unnamed}", f"judge: {unnamed}", AGREEMENT_FIRST} <= set(reasons)
    assert AGREEMENT_FIRST not in compare_one("aime-2024", "full", preset="paper").reasons


def test_a_single_sample_is_not_a_best_of_three() -> None:
    values = {value.cell.row: value for value in compare_one("aime-2024").values}
    assert values["K2-Think 32B"].reasons == ("best of 3 with a plan there, one sample here",)
    assert values["+ Plan only"].reasons == ("one sample with a plan there, one sample here",)
    assert values["SFT+RL checkpoint"].reasons == ()
    values = {value.cell.row: value for value in compare_one("aime-2024", "full").values}
    assert values["K2-Think 32B"].reasons == ()
    assert values["SFT+RL checkpoint"].reasons == ("one sample there, best of 3 with a plan here",)


def test_an_unverified_cell_is_a_reason() -> None:
    values = {value.cell.row: value for value in compare_one("aime-2024").values}
    assert values["DeepSeek R1"].reasons == (
        "not verified (no): model memory of arXiv 2509.07604; not found in any file",
    )


def test_cells_of_the_independent_re_evaluation_are_marked() -> None:
    values = [value for value in compare_one("hmmt-feb-2025").values if value.cell.table == "matharena"]
    assert {value.cell.row: value.cell.number for value in values}["K2-Think"] == 65
    assert all("measured by MathArena under settings of its own, not by the paper" in v.reasons for v in values)


def test_four_maths_sets_make_averages() -> None:
    four = [score(name, "full") for name in ("aime-2024", "aime-2025", "hmmt-feb-2025", "omni-math-hard")]
    comparisons = compare_with_paper(four)
    assert [c.benchmark for c in comparisons[4:]] == [MICRO, MACRO]
    micro, macro = comparisons[4:]
    assert micro.ours.value == pytest.approx(0.4)
    # Each of the four is 0.40 ± 0.02.
    assert micro.ours.low == pytest.approx(0.4 - 0.02 * (3 * 30**2 + 173**2) ** 0.5 / 263)
    assert macro.ours.low == pytest.approx(0.4 - 0.02 / 2)
    assert {value.cell.row: value.cell.number for value in micro.values}["K2-Think 32B"] == 67.99
    assert micro.reasons[0] == "one benchmark has 66% of the weight"
    assert "the paper gives no interval" in micro.reasons
    assert any(reason.startswith("Omni-MATH-HARD: which 173 problems") for reason in micro.reasons)
    derived = {value.cell.row: value.reasons for value in macro.values}["+ Plan + Bo3 (K2-Think)"]
    assert derived == ("not in the paper, derived: plain mean of the four verified cells",)


def test_three_sets_or_two_runs_of_one_make_no_averages() -> None:
    three = [score(name) for name in ("aime-2024", "aime-2025", "hmmt-feb-2025")]
    assert len(compare_with_paper(three)) == 3
    assert len(compare_with_paper([*three, score("omni-math-hard"), score("omni-math-hard", temperature=0.7)])) == 5


def test_a_benchmark_that_the_paper_did_not_run_is_said_so() -> None:
    comparison = compare_one("gsm8k")
    assert (comparison.column, comparison.values) == (None, ())
    assert render_comparison([comparison]) == "The paper has no score on gsm8k."
    assert render_comparison([]) == "There is no run to compare."


def test_the_tables_as_markdown() -> None:
    text = render_comparison(compare_with_paper([score("aime-2024"), score("aime-2024", "full"), score("gsm8k")]))
    lines = text.splitlines()
    assert lines[0] == "### AIME24"
    assert f"| {LABEL} | one sample | 40.0 [38.0, 42.0] | measured here | 30 items, 16 runs |" in lines
    assert any(line.startswith("| K2-Think 32B | best of 3 with a plan | 90.83 | yes | model card") for line in lines)
    assert "- the paper gives no interval" in lines
    assert any(line.startswith("- full (SmolLM2-135M-Instruct): planner: a large outside") for line in lines)
    assert any(line.startswith("- not verified: GPT-OSS 120B, DeepSeek V3.1") for line in lines)
    assert lines[-1] == "The paper has no score on gsm8k."


def test_names_of_models_cannot_become_markup() -> None:
    odd = score("aime-2024", protocol={"models": {"solver": ModelIdentity(spec="x", name="a|b<script>*")}})
    row = next(line for line in render_comparison(compare_with_paper([odd])).splitlines() if "script" in line)
    assert row.startswith(r"| single (a\|b\<script>\*) |")


def test_two_runs_of_one_system_are_told_apart() -> None:
    text = render_comparison(compare_with_paper([score("aime-2024"), score("aime-2024", temperature=0.7)]))
    assert f"- {LABEL}, no. 2: temperature 1.0 there, 0.7 here" in text
