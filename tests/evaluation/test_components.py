"""The component table of a small ablation, every number of it worked out by hand."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from abruzzi.evaluation.component_table import ComponentRow, ComponentTable
from abruzzi.evaluation.components import compute_components, short_names
from abruzzi.nouns import Outcome
from abruzzi.statistics.averages import macro_estimate, micro_estimate
from abruzzi.statistics.intervals import clustered_gap_recovered, clustered_mean
from abruzzi.statistics.paired import paired_difference
from tests.evaluation.making import make_call, make_plan, write_ablation
from tests.evaluation.small_ablation import ITEMS, ROWS, SIZES, SUMS_PLAIN, SUMS_PLANNED

F = Fraction

# Each row: accuracy, difference to the base, gap recovered; completion and prompt tokens; items, runs; note.
# Scores of the three (two) items stand before the row they belong to.
Expected = tuple[F, F | None, F | None, F, F, int, int, str]
SUMS: dict[str, Expected] = {
    # 2/3, 1/3, 1/3. Tokens 180 of 9 candidates; prompts 60 of 3 requests.
    "base (one sample)": (F(4, 9), None, None, F(20), F(20), 3, 3, ""),
    # (1, 0), (1, 0), (1). Candidates 3/4, 1/2, 1/2 of the groups, best 1: gained −1/4, 0, 1/2 of 1/4, 1/2, 1/2.
    # 30 tokens and 1200 prompt tokens of judging over 5 groups.
    "+ best-of-2 (judge)": (F(2, 3), F(2, 9), F(1, 5), F(46), F(260), 3, 1, "judge asked in 3 of 5 groups, decided 3"),
    # 1, 2/3, and the plain 1/3 of c. Tokens (36 + 54 + 90)/9 + 30/3 of planning; prompts 130/3 + 100.
    "+ plan": (
        *(F(2, 3), F(2, 9), None, F(30), F(430, 3), 3, 3),
        "1 items without a usable plan; 1 of 2 plans held an answer that a candidate gave",
    ),
    # (1, 1), (1, 1), and the plain group's (1) of c. Where a was drawn alone there is no gap: no finite interval.
    "+ plan + best-of-2 (judge)": (
        *(F(1), F(5, 9), None, 2 * 20 + F(14, 5) + 10, F(130, 3) + 80 + 100, 3, 1),
        "judge asked in 1 of 5 groups, decided 1",
    ),
    # Pairs: 1 and twice a tie of 1 and 0; 0 and twice a tie; of c one vote for 0, one vote for 1, a tie.
    "+ best-of-2 (majority)": (F(1, 2), F(1, 18), F(1, 6), F(40), F(20), 3, 3, ""),
    # The order by likelihood is 1 1 0; 0 1 0; 1 0, and the empty one last: 1, 1/3, 2/3.
    "+ best-of-2 (likelihood)": (F(2, 3), F(2, 9), F(2, 3), F(40), F(20), 3, 3, ""),
    # 1, 2/3, 2/3.
    "+ best-of-2 (oracle)": (F(7, 9), F(1, 3), None, F(40), F(20), 3, 3, "no system: the ceiling of any choice"),
    # 1, 2/3, 1/2.
    "+ plan + best-of-2 (majority)": (F(13, 18), F(5, 18), None, F(50), F(430, 3), 3, 3, ""),
    # 1, then 0 1 1 from the likeliest on: 1/3, and 2/3.
    "+ plan + best-of-2 (likelihood)": (F(2, 3), F(2, 9), None, F(50), F(430, 3), 3, 3, ""),
    # 1, 1, 2/3.
    "+ plan + best-of-2 (oracle)": (
        *(F(8, 9), F(4, 9), None, F(50), F(430, 3), 3, 3),
        "no system: the ceiling of any choice",
    ),
    # 1/3, 0, and the plain 1/3 of c. The plan's 1 and 2/3 beat both by 2/3; two equal differences leave unseen a share
    # u = 1 − √0.025 of items: (1 − u) · 2/3 ± u.
    "another item's plan": (
        *(F(2, 9), F(-2, 9), None, F(150, 9) + 10, F(110, 3) + 100, 3, 3),
        "the real plan scores +66.7 [-73.6, +94.7] points against it",
    ),
    # 2/3, 1/3, 1/3.
    "filler as long as the plan": (
        *(F(4, 9), F(0), None, F(150, 9) + 10, F(110, 3) + 100, 3, 3),
        "the real plan scores +33.3 [-78.9, +89.5] points against it",
    ),
    # 52.8 tokens buy 2.64 candidates of 20. Of three: 1; a tie of three; a tie of two.
    "plain majority of 3": (F(11, 18), F(1, 6), None, F(60), F(20), 3, 3, "the full system's 53 tokens"),
    "one longer sample": (
        *(F(4, 9), F(0), None, F(20), F(20), 3, 3),
        "no plain sample reached its limit, so a longer limit changes nothing: the base's own samples",
    ),
}
MORE: dict[str, Expected] = {
    # 1/3; 1 and 0, without the one on which the verifier broke. Tokens 180 of 6 candidates.
    "base (one sample)": (F(5, 12), None, None, F(30), F(10), 2, 3, ""),
    "+ plan": (F(5, 6), F(5, 12), None, F(25) + 20, F(70), 2, 3, ""),
    # Only d was judged: 0, where the plain d has 1/3 and the group 1/2 of at best 1.
    "+ plan + best-of-2 (judge)": (
        *(F(0), F(-1, 3), F(-1), F(50) + 16 + 20, F(70) + 400, 1, 1),
        "judge asked in 1 of 1 groups, decided 1; 1 of 2 items not sampled yet",
    ),
    # Two ties and 0; one vote for 1: gained 0, 1/2 of 1/3, 1/2.
    "+ best-of-2 (majority)": (F(2, 3), F(1, 4), F(3, 5), F(60), F(10), 2, 3, ""),
    # Nothing tells them apart: 1/3, 1/2.
    "+ best-of-2 (likelihood)": (F(5, 12), F(0), F(0), F(60), F(10), 2, 3, ""),
    "+ best-of-2 (oracle)": (F(5, 6), F(5, 12), None, F(60), F(10), 2, 3, "no system: the ceiling of any choice"),
    "+ plan + best-of-2 (majority)": (F(5, 6), F(5, 12), None, F(70), F(70), 2, 3, ""),
    "+ plan + best-of-2 (likelihood)": (F(5, 6), F(5, 12), None, F(70), F(70), 2, 3, ""),
    "+ plan + best-of-2 (oracle)": (
        *(F(1), F(7, 12), None, F(70), F(70), 2, 3),
        "no system: the ceiling of any choice",
    ),
    # 0 and 1: the plan is ahead by 2/3 and 0, and t₁ is 12.7.
    "another item's plan": (
        *(F(1, 2), F(1, 12), None, F(5) + 20, F(10) + 50, 2, 3),
        "the real plan scores +33.3 [-100.0, +100.0] points against it",
    ),
    # 86 tokens buy 2.87 candidates of 30, but e has two.
    "plain majority of 2": (
        *(F(2, 3), F(1, 4), None, F(60), F(10), 2, 2),
        "the full system's 86 tokens, which would be 3: the pool holds no more",
    ),
    # 1 and 1/2.
    "one longer sample": (F(3, 4), F(1, 3), None, F(150, 4), F(10), 2, 2, "limit 86 tokens"),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ComponentTable:
    return compute_components(write_ablation(tmp_path_factory.mktemp("x"), ITEMS, ROWS, **SIZES), {"date": "today"})


@pytest.mark.parametrize(("benchmark", "expected"), [("sums", SUMS), ("more", MORE)])
def test_every_number_by_hand(table: ComponentTable, benchmark: str, expected: dict[str, Expected]) -> None:
    rows = [row for row in table.rows if row.benchmark == benchmark]
    assert [row.label for row in rows] == list(expected)
    for row in rows:
        accuracy, difference, gap, completion, prompt, num_items, num_runs, note = expected[row.label]
        assert row.accuracy.value == pytest.approx(float(accuracy), abs=1e-9), row
        for found, wanted in ((row.difference, difference), (row.gap_recovered, gap)):
            assert (found and found.value) == (None if wanted is None else pytest.approx(float(wanted), abs=1e-9)), row
        assert (row.completion_tokens, row.prompt_tokens) == pytest.approx((float(completion), float(prompt))), row
        assert (row.num_items, row.num_runs, row.note) == (num_items, num_runs, note)


def test_each_row_says_what_it_is(table: ComponentTable) -> None:
    told = [(row.section, row.plan, row.n, row.selection) for row in table.rows if row.benchmark == "sums"]
    assert told == [
        ("components", "none", 1, "single"),
        ("components", "none", 2, "judge"),
        ("components", "plan", 1, "single"),
        ("components", "plan", 2, "judge"),
        *(("selection", arm, 2, how) for arm in ("none", "plan") for how in ("majority", "likelihood", "oracle")),
        ("placebo", "shuffled", 1, "single"),
        ("placebo", "filler", 1, "single"),
        ("equal budget", "none", 3, "majority"),
        ("equal budget", "long", 1, "single"),
    ]


def find(table: ComponentTable, benchmark: str, label: str) -> ComponentRow:
    (row,) = [row for row in table.rows if (row.benchmark, row.label) == (benchmark, label)]
    return row


def test_intervals_are_clustered_and_paired_by_question(table: ComponentTable) -> None:
    base, judge = [(1, 1, 0), (0, 1, 0), (0, 0, 1)], [(1, 0), (1, 0), (1,)]
    row = find(table, "sums", "+ best-of-2 (judge)")
    assert find(table, "sums", "base (one sample)").accuracy == clustered_mean(base)
    assert (row.accuracy, row.difference) == (clustered_mean(judge), paired_difference(judge, base))
    assert row.gap_recovered == clustered_gap_recovered(
        judge, [(1, 1, 1, 0), (0, 1, 1, 0), (0, 1)], [(1, 1), (1, 1), (1,)]
    )


def test_averages_by_hand(table: ComponentTable) -> None:
    rows = {(row.benchmark, row.label): row for row in table.rows if row.benchmark in ("micro", "macro")}
    # Neither the judge without a plan nor the filler was tried on both benchmarks.
    labels = [label for label in SUMS if label not in ("+ best-of-2 (judge)", "filler as long as the plan")]
    labels[labels.index("plain majority of 3")] = "plain majority at the same budget"
    assert list(rows) == [(average, label) for average in ("micro", "macro") for label in labels]

    base, plan = rows["micro", "base (one sample)"], rows["micro", "+ plan"]
    assert base.accuracy.value == pytest.approx((3 * 4 / 9 + 2 * 5 / 12) / 5)
    assert (base.difference, base.gap_recovered) == (None, None)
    assert (base.completion_tokens, base.prompt_tokens) == (pytest.approx(24), pytest.approx(16))
    assert (base.num_items, base.num_runs, base.note) == (5, 3, "")
    assert plan.difference is not None
    assert plan.difference.value == pytest.approx((3 * 2 / 9 + 2 * 5 / 12) / 5)
    macro = rows["macro", "+ plan"]
    assert macro.accuracy.value == pytest.approx((2 / 3 + 5 / 6) / 2)
    assert (macro.completion_tokens, macro.prompt_tokens) == (pytest.approx(37.5), pytest.approx((430 / 3 + 70) / 2))

    own = {name: find(table, name, "+ plan") for name in ITEMS}
    accuracies = {name: row.accuracy for name, row in own.items()}
    assert plan.accuracy == micro_estimate(accuracies, {"sums": 3, "more": 2})
    assert macro.accuracy == macro_estimate(accuracies)

    majority = rows["micro", "+ best-of-2 (majority)"]
    assert majority.gap_recovered is not None
    # Gained 0, 0, 1/6, 0, 1/2 of gaps 1/3, 1/3, 1/3, 1/3, 1/2.
    assert majority.gap_recovered.value == pytest.approx((2 / 3) / (11 / 6))
    assert rows["macro", "+ best-of-2 (majority)"].gap_recovered is None
    judge = rows["micro", "+ plan + best-of-2 (judge)"]
    assert (judge.accuracy.value, judge.num_items, judge.num_runs) == (pytest.approx((3 * 1 + 1 * 0) / 4), 4, 1)
    assert rows["micro", "plain majority at the same budget"].accuracy.value == pytest.approx((3 * 11 / 18 + 4 / 3) / 5)


def test_curves_lengths_and_facts(table: ComponentTable) -> None:
    assert {k: estimate.value for k, estimate in table.curves["sums/none"].items()} == pytest.approx(
        {1: 4 / 9, 2: 7 / 9, 3: 1}
    )
    # e has two scored candidates.
    assert {k: estimate.value for k, estimate in table.curves["more/none"].items()} == pytest.approx(
        {1: 5 / 12, 2: 5 / 6}
    )
    arms = {"sums": ("none", "plan", "shuffled", "filler"), "more": ("none", "plan", "shuffled", "long")}
    assert list(table.curves) == list(table.lengths) == [f"{name}/{arm}" for name, own in arms.items() for arm in own]
    assert table.lengths["sums/none"] == ()
    assert (table.facts["solver"], table.facts["Abruzzi"], table.facts["date"]) == ("m", "1", "today")
    assert table.facts["items of sums"].startswith("3, r1, sha256 ")
    assert table.facts["runs"] == (
        "3 candidates per item with and without a plan, of them judged in groups of 2: 2, 3 candidates per placebo, "
        "2 longer samples"
    )


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_unfinished_says_how_many_items_are_missing(tmp_path: Path, count: int) -> None:
    table = compute_components(write_ablation(tmp_path, {"sums": ITEMS["sums"]}, SUMS_PLAIN[:count], **SIZES), {})
    assert {row.note for row in table.rows if row.selection != "oracle"} == {f"{3 - count} of 3 items not sampled yet"}
    assert {row.section for row in table.rows} == {"components", "selection"}
    assert all(row.num_items == count for row in table.rows)


def test_a_cheap_system_buys_fewer_plain_candidates_than_there_are(tmp_path: Path) -> None:
    # Two candidates of 10 tokens and a plan of 12: 32 tokens, where a plain candidate takes 30. 1.07 is one.
    planned = replace(SUMS_PLANNED[0], calls=(make_call(40, 30),))
    rows = [
        replace(SUMS_PLAIN[0], calls=(make_call(10, 90),)),
        planned,
        make_plan("sums", "a", "Add.", make_call(9, 12)),
    ]
    table = compute_components(write_ablation(tmp_path, {"sums": ITEMS["sums"][:1]}, rows, **SIZES), {})
    row = find(table, "sums", "plain majority of 1")
    assert (row.accuracy.value, row.completion_tokens) == (pytest.approx(2 / 3), 30)
    assert row.note == "the full system's 32 tokens"


def test_an_item_on_which_the_verifier_always_broke_is_missing_and_breaks_nothing(tmp_path: Path) -> None:
    broken = [verdict and replace(verdict, outcome=Outcome.ERROR) for verdict in SUMS_PLAIN[0].verdicts]
    others = [row for row in ROWS if row.key[:2] != ("sums", "a")]
    rows = [replace(SUMS_PLAIN[0], verdicts=tuple(broken)), *others]
    table = compute_components(write_ablation(tmp_path, ITEMS, rows, **SIZES), {})
    for label in ("base (one sample)", "+ best-of-2 (majority)", "plain majority of 3"):
        row = find(table, "sums", label)
        assert (row.num_items, "1 of 3 items" in row.note) == (2, True)
    assert find(table, "sums", "base (one sample)").accuracy == clustered_mean([(0, 1, 0), (0, 0, 1)])


def test_an_ablation_that_has_not_begun_has_no_rows(tmp_path: Path) -> None:
    table = compute_components(write_ablation(tmp_path, ITEMS, (), **SIZES), {})
    assert (table.rows, dict(table.curves), dict(table.lengths)) == ((), {}, {})


def test_settings_are_left_out_of_a_name_where_the_rest_tells_it_apart() -> None:
    assert short_names(["procedural:sums?n=3", "gsm8k"]) == {"procedural:sums?n=3": "sums", "gsm8k": "gsm8k"}
    twice = ["procedural:sums?n=3", "procedural:sums?n=4"]
    assert short_names(twice) == {name: name for name in twice}
