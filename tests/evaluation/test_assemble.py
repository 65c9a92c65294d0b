"""Assembling a report: what may stand in one table, who is compared with whom, and what is averaged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.contamination.report import BenchmarkFinding, Evidence, Kind, Match, Report, write_report
from abruzzi.data.items import Item
from abruzzi.errors import ConfigError, DataError
from abruzzi.evaluation.assemble import (
    Assembly,
    assemble_report,
    average_systems,
    compare_pairs,
    find_differences,
    score_evaluations,
)
from abruzzi.evaluation.folder import Evaluation
from abruzzi.reasoning.settings import AskSettings
from abruzzi.statistics.averages import macro_estimate, micro_estimate
from abruzzi.statistics.costs import Price
from abruzzi.statistics.paired import paired_difference
from tests.evaluation.making import (
    fail_sample,
    identify,
    make_call,
    make_item,
    make_sample,
    write_ablation,
    write_evaluation,
)
from tests.evaluation.small_ablation import ITEMS as SMALL_ITEMS
from tests.evaluation.small_ablation import ROWS, SIZES

FIVE = [make_item(name) for name in "abcde"]
TWO = [make_item(name) for name in "xy"]


def evaluate(
    folder: Path, system: str, scores: str, benchmark: str = "sums", *, items: Sequence[Item] = FIVE, **changes: Any
) -> Evaluation:
    """One run of each item; a digit is its score, and a letter f a failed sample."""
    samples = [
        fail_sample(item.id, 0) if score == "f" else make_sample(item.id, 0, float(score), calls=(make_call(9, 1),))
        for item, score in zip(items, scores, strict=False)
    ]
    place = folder / benchmark / system
    return write_evaluation(place, items, samples, benchmark, **({"system": system, "runs": 1} | changes))


def assemble(folder: Path, **changes: Any) -> Any:
    return assemble_report([folder], Assembly("Sums", {"date": "today"}, **changes))


def report_on(items: Sequence[Item], *dirty: str) -> Report:
    evidence = Evidence("Sum?", "Sum?")
    matches = tuple(Match(item, Kind.EXACT, 1.0, "train.jsonl", 1, evidence) for item in dirty)
    finding = BenchmarkFinding("sums", identify("sums", items).items_sha256, len(items), matches)
    return Report((BenchmarkFinding("other", "0" * 64, 1), finding), ())


def test_equal_settings_stand_side_by_side_whatever_the_systems(tmp_path: Path) -> None:
    evaluations = [
        evaluate(tmp_path, "single", "11111"),
        evaluate(tmp_path, "full", "11000", ask=AskSettings(n=3, plan="always", seed=9)),
        evaluate(tmp_path, "single", "11", "more", items=TWO, runs=3),
    ]
    assert find_differences(score_evaluations(evaluations), is_mixed=False) == {}


def test_unequal_settings_are_refused_with_what_differs_or_marked(tmp_path: Path) -> None:
    hotter = AskSettings(n=1, plan="off", temperature=1.0, max_tokens=64)
    evaluations = [
        evaluate(tmp_path, "single", "11111"),
        evaluate(tmp_path, "full", "11000", ask=hotter),
        evaluate(tmp_path, "bo3", "11000"),
        evaluate(tmp_path, "plan", "11", items=FIVE[:2], runs=3),
    ]
    scores = score_evaluations(evaluations)
    with pytest.raises(ConfigError) as caught:
        find_differences(scores, is_mixed=False)
    told = str(caught.value)
    assert "sums/full (m): temperature: 0.7 against 1.0; max_tokens: None against 64" in told
    assert "sums/plan (m): items: 5 of revision r1" in told
    assert "runs: 1 against 3" in told
    assert "bo3" not in told
    assert "pass --mixed" in told

    marked = find_differences(scores, is_mixed=True)
    assert marked.keys() == {"sums/full (m)", "sums/plan (m)"}
    assert marked["sums/full (m)"] == ("temperature: 0.7 against 1.0", "max_tokens: None against 64")


def test_a_report_refuses_and_marks_likewise(tmp_path: Path) -> None:
    evaluate(tmp_path, "a-first", "11111")
    evaluate(tmp_path, "b-second", "11000", version="2")
    with pytest.raises(ConfigError, match=r"sums/b-second \(m\): version: 1 against 2"):
        assemble(tmp_path)
    assert assemble(tmp_path, is_mixed=True).differences == {"sums/b-second (m)": ("version: 1 against 2",)}


def test_items_that_a_training_set_holds_are_left_out_of_the_clean_score(tmp_path: Path) -> None:
    evaluations = [evaluate(tmp_path, "single", "11000")]
    (found,) = score_evaluations(evaluations, report_on(FIVE, "a", "c"))
    # b 1, d 0, e 0.
    assert found.clean_accuracy is not None
    assert (found.clean_accuracy.value, found.num_clean) == (pytest.approx(1 / 3), 3)
    (found,) = score_evaluations(evaluations, report_on(FIVE))
    assert (found.clean_accuracy, found.num_clean) == (found.accuracy, 5)
    (found,) = score_evaluations(evaluations)
    assert (found.clean_accuracy, found.num_clean) == (None, None)


def test_a_contamination_report_about_other_items_is_refused(tmp_path: Path) -> None:
    evaluations = [evaluate(tmp_path, "single", "11000")]
    with pytest.raises(
        ConfigError, match=r"other items than those of sums \(5 items, sha256 \w{12}\); it holds other, sums"
    ):
        score_evaluations(evaluations, report_on(FIVE[:4], "a"))


def test_every_two_systems_are_compared_by_question(tmp_path: Path) -> None:
    first, second, third = (
        evaluate(tmp_path, "x", "11111"),
        evaluate(tmp_path, "y", "00000"),
        evaluate(tmp_path, "z", "11110"),
    )
    rows = compare_pairs([first, second, third, evaluate(tmp_path, "x", "10", "more", items=TWO)])
    assert [(row.benchmark, row.first, row.second) for row in rows] == [
        ("sums", "x (m)", "y (m)"),
        ("sums", "x (m)", "z (m)"),
        ("sums", "y (m)", "z (m)"),
    ]
    assert [row.difference.value for row in rows] == pytest.approx([1.0, 0.2, -0.8])
    assert rows[1].difference == paired_difference([(1,)] * 5, [(1,)] * 4 + [(0,)])
    # Five, one and four questions differ, all one way: 2/2⁵, 2/2¹, 2/2⁴ of all changes of sign are as extreme.
    assert [row.p_value for row in rows] == [1 / 16, 1.0, 1 / 8]
    # The smallest by 3, the next by 2.
    assert [row.p_holm for row in rows] == [3 / 16, 1.0, 2 / 8]


def test_only_questions_that_both_answered_are_compared(tmp_path: Path) -> None:
    pairs = [evaluate(tmp_path, "x", "1f1"), evaluate(tmp_path, "y", "0011"), evaluate(tmp_path, "z", "fff11")]
    rows = compare_pairs(pairs)
    # x and y share a and c, y and z share d, x and z share none.
    assert [(row.first, row.second, row.difference.value) for row in rows] == [
        ("x (m)", "y (m)", 0.5),
        ("y (m)", "z (m)", 0.0),
    ]


def test_one_system_is_compared_with_nobody(tmp_path: Path) -> None:
    assert compare_pairs([evaluate(tmp_path, "x", "11111")]) == ()
    assert compare_pairs([]) == ()


def test_only_systems_that_every_benchmark_has_are_averaged(tmp_path: Path) -> None:
    scores = score_evaluations(
        [
            evaluate(tmp_path, "single", "11100"),
            evaluate(tmp_path, "single", "10", "more", items=TWO),
            evaluate(tmp_path, "full", "11110"),
            evaluate(tmp_path, "full", "1f", "more", items=TWO),
            evaluate(tmp_path, "plan", "11111"),
        ]
    )
    averages = average_systems(scores)
    assert averages.keys() == {"single (m)", "full (m)"}
    told = [(row.left_out, row.micro.value, row.macro.value) for row in averages["single (m)"]]
    # 3/5 and 1/2; 4/7 of all questions.
    assert told == [
        (None, pytest.approx(4 / 7), pytest.approx(0.55)),
        ("more", pytest.approx(0.6), pytest.approx(0.6)),
        ("sums", pytest.approx(0.5), pytest.approx(0.5)),
    ]
    # 4/5 of five and 1 of one: a question without a score weighs nothing.
    assert averages["full (m)"][0].micro.value == pytest.approx((4 + 1) / 6)
    own = {score.protocol.benchmark.name: score.accuracy for score in scores if score.protocol.system == "single"}
    assert averages["single (m)"][0].macro == macro_estimate(own)
    assert averages["single (m)"][0].micro == micro_estimate(own, {"sums": 5, "more": 2})


def test_a_system_that_was_run_twice_on_a_benchmark_has_no_average(tmp_path: Path) -> None:
    once = [evaluate(tmp_path, "single", "11100"), evaluate(tmp_path, "single", "10", "more", items=TWO)]
    assert average_systems(score_evaluations(once)).keys() == {"single (m)"}
    assert average_systems(score_evaluations([*once, once[0]])) == {}


def test_one_benchmark_has_no_average(tmp_path: Path) -> None:
    assert average_systems(score_evaluations([evaluate(tmp_path, "single", "11100")])) == {}


def test_a_report_is_put_together_from_folders_below_a_place(tmp_path: Path) -> None:
    evaluate(tmp_path, "single", "11100")
    evaluate(tmp_path, "full", "11110")
    evaluate(tmp_path, "single", "10", "more", items=TWO)
    write_ablation(tmp_path / "parts", SMALL_ITEMS, ROWS, **SIZES)
    report = assemble(tmp_path, prices={"m": Price(prompt=1, completion=1)})
    assert (report.title, report.facts) == ("Sums", {"date": "today"})
    told = [(score.protocol.benchmark.name, score.protocol.system, score.accuracy.value) for score in report.scores]
    assert told == [("more", "single", 0.5), ("sums", "full", 0.8), ("sums", "single", 0.6)]
    assert [score.cost for score in report.scores] == pytest.approx([10e-6] * 3)
    assert [(row.first, row.second) for row in report.paired] == [("full (m)", "single (m)")]
    assert report.averages.keys() == {"single (m)"}
    assert report.differences == {}
    (table,) = report.tables
    assert {row.benchmark for row in table.rows} == {"sums", "more", "micro", "macro"}


def test_the_contamination_report_is_read(tmp_path: Path) -> None:
    evaluate(tmp_path, "single", "11100")
    write_report(report_on(FIVE, "a"), tmp_path / "found.json")
    (found,) = assemble(tmp_path, contamination=tmp_path / "found.json").scores
    assert found.num_clean == 4


def test_a_place_without_an_evaluation_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no evaluation; make one with 'abruzzi eval run"):
        assemble(tmp_path)
