"""First, best, last, and whether the difference is more than noise: worked by hand."""

from pathlib import Path

import pytest

from abruzzi.training.report.course import compare, families_of, follow, pass_at, pass_difference
from abruzzi.training.report.run_rows import Row, Run, read_runs
from tests.training.report.made_up import Scores, grpo_facts, held_out_row, write_run


def scores_of(*shares: tuple[int, int]) -> Scores:
    """Scores of items in one family: so many items with so many of two samples correct."""
    samples = [correct for correct, times in shares for _ in range(times)]
    return {"chain_sum": {f"i{n}": [1] * correct + [0] * (2 - correct) for n, correct in enumerate(samples)}}


def measured(tmp_path: Path, *rows: Row) -> Run:
    return read_runs([write_run(tmp_path / "run", [dict(row) for row in rows], **grpo_facts())])[0]


def test_half_of_forty_items_that_improve_are_told_from_noise(tmp_path: Path) -> None:
    """Differences: 20 × 1 and 20 × 0. Mean 0.5, s = √(40 · 0.25 ÷ 39), s ÷ √40 = 0.08006, t₃₉ = 2.0227."""
    run = measured(
        tmp_path,
        held_out_row(0, 0.25, scores=scores_of((0, 20), (0, 10), (2, 10))),
        held_out_row(5, 0.75, scores=scores_of((2, 20), (0, 10), (2, 10))),
    )
    course = follow(run)
    assert course is not None
    assert course.difference is not None
    assert course.difference.num_items == 40
    estimate = course.difference.estimate
    half = 2.0227 * 0.080064
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-4)
    assert course.move == "rose"


def test_as_many_items_that_improve_as_get_worse_are_noise(tmp_path: Path) -> None:
    before, after = scores_of((0, 10), (2, 10), (1, 20)), scores_of((2, 10), (0, 10), (1, 20))
    course = follow(measured(tmp_path, held_out_row(0, 0.5, scores=before), held_out_row(5, 0.5, scores=after)))
    assert course is not None
    assert course.move == "did not move"


def test_pairing_decides_where_intervals_overlap(tmp_path: Path) -> None:
    before, after = scores_of((0, 50), (2, 50)), scores_of((0, 40), (2, 60))
    wide = {"interval": [0.3, 0.8]}
    rows = (held_out_row(0, 0.5, scores=before, **wide), held_out_row(5, 0.6, scores=after, **wide))
    course = follow(measured(tmp_path, *rows))
    assert course is not None
    assert course.move == "rose"


@pytest.mark.parametrize(("last", "move"), [(0.55, "rose"), (0.32, None), (0.1, "fell")])
def test_without_scores_only_intervals_that_lie_apart_decide(last: float, move: str | None, tmp_path: Path) -> None:
    course = follow(measured(tmp_path, held_out_row(0, 0.3), held_out_row(5, last)))
    assert course is not None
    assert (course.difference, course.move) == (None, move)


def test_the_best_is_the_first_of_the_highest(tmp_path: Path) -> None:
    run = measured(tmp_path, *(held_out_row(step, value) for step, value in ((0, 0.2), (5, 0.4), (10, 0.4), (15, 0.3))))
    course = follow(run)
    assert course is not None
    assert [step for step, _ in (course.first, course.best, course.last)] == [0, 5, 15]


def test_what_was_measured_once_or_never_has_no_move(tmp_path: Path) -> None:
    course = follow(measured(tmp_path, held_out_row(0, 0.2)))
    assert course is not None
    assert (course.move, course.difference) == (None, None)
    (bare,) = read_runs([write_run(tmp_path / "bare", [], **grpo_facts())])
    assert follow(bare) is None


def test_only_items_that_both_have_are_compared(tmp_path: Path) -> None:
    one: Scores = {"a": {"x": [1], "y": [1]}, "b": {"x": [0]}}
    other: Scores = {"a": {"y": [0], "z": [1]}, "b": {"x": [0], "w": []}}
    run = measured(tmp_path, held_out_row(0, 0.5, scores=other), held_out_row(5, 0.5, scores=one))
    last, first = run.held_out[1], run.held_out[0]
    everything, a, none = (compare(last, first, family) for family in (None, "a", "c"))
    assert everything is not None
    assert (everything.estimate.value, everything.num_items) == (0.5, 2)
    assert a is not None
    assert (a.estimate.value, a.num_items) == (1.0, 1)
    assert none is None


def test_a_single_family_is_all_items(tmp_path: Path) -> None:
    run = measured(tmp_path, held_out_row(0, 0.5))
    assert families_of([run]) == []
    both = {"a": [0.1, 0.0, 0.2], "b": [0.9, 0.8, 1.0]}
    (two,) = read_runs([write_run(tmp_path / "two", [held_out_row(0, 0.5, by_family=both)], **grpo_facts("two"))])
    assert families_of([run, two]) == ["chain_sum", "a", "b"]
    found = follow(two, "b")
    assert found is not None
    assert found.first[1].value == 0.9


def test_pass_at_k_has_intervals_where_items_have_scores_and_is_bare_where_not(tmp_path: Path) -> None:
    """Of ten items five have one of two samples right, the others none: pass@1 = 0.25, pass@2 = 0.5."""
    point, bare = measured(
        tmp_path, held_out_row(0, 0.25, scores=scores_of((1, 5), (0, 5))), held_out_row(5, 0.3, pass_at={"2": 0.4})
    ).held_out
    curve = pass_at(point)
    assert {k: getattr(estimate, "value", None) for k, estimate in curve.items()} == {1: 0.25, 2: 0.5}
    assert pass_at(bare) == {2: 0.4}


def test_pass_at_k_is_compared_on_items_with_k_samples(tmp_path: Path) -> None:
    """pass@2 of x goes from 0 to 1, of y stays 1; z has one sample only."""
    before: Scores = {"f": {"x": [0, 0], "y": [1, 0], "z": [0]}}
    after: Scores = {"f": {"x": [0, 1], "y": [1, 1], "z": [1]}}
    run = measured(tmp_path, held_out_row(0, 0.2, scores=before), held_out_row(5, 0.8, scores=after))
    found = pass_difference(run.held_out[1], run.held_out[0], 2)
    assert found is not None
    assert (found.estimate.value, found.num_items) == (0.5, 2)
    assert pass_difference(run.held_out[1], run.held_out[0], 4) is None
