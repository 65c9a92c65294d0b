"""Scores from hand-made samples, every field worked out by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import ConfigError, DataError
from abruzzi.evaluation.samples import Sample, SampleOutcome
from abruzzi.evaluation.scores import Score, compute_score
from abruzzi.nouns import DecidedBy, FinishReason
from abruzzi.statistics.costs import Price
from abruzzi.statistics.intervals import clustered_gap_recovered, clustered_mean
from tests.evaluation.making import (
    fail_sample,
    make_call,
    make_candidate,
    make_item,
    make_sample,
    make_verdict,
    write_evaluation,
)

ITEMS = [make_item("a"), make_item("b"), make_item("c", data_source="codegen__own")]
ONLY = DecidedBy.ONLY_CANDIDATE


def single(item: str, repeat: int, answer: str, score: float, tokens: int, **changes: Any) -> Sample:
    """A sample of one candidate; prompts of 100 tokens."""
    finish: FinishReason = changes.pop("finish", FinishReason.STOP)
    whole: dict[str, Any] = {
        "answer": answer,
        "chosen": 0,
        "decided_by": ONLY,
        "candidates": (make_candidate(0, answer, tokens=tokens, finish=finish),),
        "verdicts": (make_verdict(score),),
        "calls": (make_call(100, tokens),),
    }
    return make_sample(item, repeat, score, **(whole | changes))


SAMPLES = [
    single("a", 0, "42", 1, 10, seconds=2.0),
    single("a", 1, "41", 0, 30, seconds=4.0, finish=FinishReason.LENGTH),
    single("b", 0, "7", 1, 20, seconds=6.0),
    fail_sample("b", 1, calls=(make_call(50, 0), make_call(50, 5))),
    make_sample("c", 0, outcome=SampleOutcome.UNPARSED, seconds=1.0, calls=(make_call(10, 5),)),
]


def score(folder: Path, samples: Sequence[Sample], *, runs: int = 2, **options: Any) -> Score:
    return compute_score(write_evaluation(folder, ITEMS, samples, runs=runs), **options)


def values(curve: Any) -> dict[int, float]:
    return {k: estimate.value for k, estimate in curve.items()}


def test_every_field_of_a_single_sample_by_hand(tmp_path: Path) -> None:
    found = score(tmp_path, SAMPLES)
    assert (found.protocol.system, found.protocol.runs) == ("single", 2)
    assert (found.num_items, found.num_missing) == (3, 1)
    assert found.outcomes == {"correct": 2, "wrong": 1, "unparsed": 1, "failed": 1}
    # a 1/2, b 1 without the failed one, c 0.
    assert found.accuracy == clustered_mean([(1, 0), (1,), (0,)])
    assert found.accuracy.value == 0.5
    # Only a has two scored samples: too few for a point at 2.
    assert values(found.pass_at) == values(found.majority_at) == values(found.best_at) == {1: 0.5}
    # 4 · 100 + 10 prompt and 10 + 30 + 20 + 5 + 5 completion tokens, over five answers of which two are correct.
    assert (found.prompt_tokens, found.completion_tokens) == (82, 14)
    assert found.tokens_per_correct == (410 + 70) / 2
    assert (found.seconds, found.seconds_per_correct) == (13 / 5, 13 / 2)
    assert found.chosen_lengths == (10, 30, 20)
    assert found.spent_lengths == (10, 30, 20, 5, 5)
    assert found.truncated_share == 1 / 5
    assert {name: estimate.value for name, estimate in found.domains.items()} == {"maths": 0.75, "code": 0.0}
    assert found.decided_by == {"only_candidate": 3}
    assert (found.candidate_accuracy, found.oracle, found.gap_recovered) == (None, None, None)
    assert (found.clean_accuracy, found.num_clean, found.cost, found.cost_per_correct) == (None, None, None, None)


def test_the_order_of_the_samples_changes_nothing(tmp_path: Path) -> None:
    assert score(tmp_path / "one", SAMPLES) == score(tmp_path / "other", SAMPLES[::-1])


@pytest.mark.parametrize(
    ("dirty", "clean", "num_clean"),
    [(set[str](), 0.5, 3), ({"c"}, 0.75, 2), ({"a", "b"}, 0.0, 1), ({"a", "b", "c"}, None, 0), ({"elsewhere"}, 0.5, 3)],
)
def test_the_clean_subset(tmp_path: Path, dirty: set[str], clean: float | None, num_clean: int) -> None:
    found = score(tmp_path, SAMPLES, dirty=dirty)
    assert (found.clean_accuracy and found.clean_accuracy.value, found.num_clean) == (clean, num_clean)
    assert found.accuracy.value == 0.5


def test_cost_by_hand(tmp_path: Path) -> None:
    # 410 prompt tokens at 1 a million and 70 completion tokens at 10.
    found = score(tmp_path, SAMPLES, prices={"m": Price(prompt=1, completion=10)})
    assert found.cost == pytest.approx(1110e-6 / 5)
    assert found.cost_per_correct == pytest.approx(1110e-6 / 2)


def test_a_model_without_a_price_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no price for 'm', only for 'other'"):
        score(tmp_path, SAMPLES, prices={"other": Price(1, 1)})


def test_nothing_correct_has_no_price_per_correct(tmp_path: Path) -> None:
    found = score(tmp_path, [single("a", 0, "41", 0, 10)], prices={"m": Price(1, 1)})
    assert (found.tokens_per_correct, found.seconds_per_correct, found.cost_per_correct) == (None, None, None)
    assert found.cost == pytest.approx(110e-6)


def test_what_has_no_score_is_left_out_of_every_mean_and_counted(tmp_path: Path) -> None:
    broken = single("b", 0, "7", 0, 20, outcome=SampleOutcome.ERROR)
    late = single("c", 0, "7", 0, 20, outcome=SampleOutcome.TIMEOUT)
    found = score(tmp_path, [single("a", 0, "42", 1, 10), fail_sample("a", 1), broken, late])
    assert found.outcomes == {"correct": 1, "failed": 1, "error": 1, "timeout": 1}
    assert (found.num_items, found.num_missing) == (2, 2)
    assert found.accuracy.value == 0.5  # a 1; c ran out of time, and that is a 0
    assert found.domains.keys() == {"maths", "code"}


def test_without_a_scored_sample_there_is_no_score(tmp_path: Path) -> None:
    for name, samples in (("none", []), ("failed", [fail_sample("a", 0), fail_sample("b", 0)])):
        with pytest.raises(DataError, match=rf"{name} holds no scored sample yet; let 'abruzzi eval run'"):
            score(tmp_path / name, samples)


def test_curves_by_hand(tmp_path: Path) -> None:
    # a: 5, 5.0 (equal answers) and 6, of which 5 is right. b: nothing, 7 and 8, of which 8 is right. c likewise as b.
    rows: list[tuple[str, int, str | None, float]] = [("a", 0, "5", 1), ("a", 1, "5.0", 1), ("a", 2, "6", 0)]
    rows += [(item, k, ans, s) for item in "bc" for k, (ans, s) in enumerate([(None, 0), ("7", 0), ("8", 1)])]
    found = score(tmp_path, [make_sample(i, k, s, answer=answer) for i, k, answer, s in rows], runs=3)
    assert found.num_missing == 0
    # pass@k of two right in three: 2/3, 1, 1; of one: 1/3, 2/3, 1.
    assert values(found.pass_at) == pytest.approx({1: 4 / 9, 2: 7 / 9, 3: 1})
    assert values(found.best_at) == pytest.approx(values(found.pass_at))
    # Majority of two: 1 and two ties; one vote for 0, one for 1, a tie. Of three: 1; a tie.
    assert values(found.majority_at) == pytest.approx({1: 4 / 9, 2: (2 / 3 + 2 * 1 / 2) / 3, 3: (1 + 2 * 1 / 2) / 3})


def test_partial_credit_is_no_pass_and_counts_for_the_best(tmp_path: Path) -> None:
    rows = [("a", 0, 0.5), ("a", 1, 1), ("b", 0, 0), ("b", 1, 0.5)]
    found = score(tmp_path, [make_sample(item, repeat, value) for item, repeat, value in rows])
    assert found.accuracy.value == pytest.approx((0.75 + 0.25) / 2)
    assert values(found.pass_at) == pytest.approx({1: 0.25, 2: 0.5})
    assert values(found.best_at) == pytest.approx({1: 0.5, 2: 0.75})


def pick(item: str, repeat: int, chosen: int, *scores: float) -> Sample:
    """A sample of several candidates."""
    return make_sample(
        item,
        repeat,
        scores[chosen],
        chosen=chosen,
        decided_by=DecidedBy.JUDGE if repeat else DecidedBy.AGREEMENT,
        candidates=tuple(make_candidate(index, str(value), tokens=index + 5) for index, value in enumerate(scores)),
        verdicts=tuple(map(make_verdict, scores)),
    )


CHOICES = [pick("a", 0, 0, 1, 0), pick("a", 1, 1, 0, 1), pick("b", 0, 0, 0, 1), pick("b", 1, 1, 1, 1)]


def test_choices_by_hand(tmp_path: Path) -> None:
    found = score(tmp_path, CHOICES)
    # Systems 1 and 1/2; candidates 2/4 and 3/4; the best of two 1 and 1.
    assert found.accuracy.value == 0.75
    assert found.candidate_accuracy == clustered_mean([(1, 0, 0, 1), (0, 1, 1, 1)])
    assert found.oracle == clustered_mean([(1, 1), (1, 1)])
    assert found.gap_recovered == clustered_gap_recovered(
        [(1, 1), (0, 1)], [(1, 0, 0, 1), (0, 1, 1, 1)], [(1, 1), (1, 1)]
    )
    assert found.gap_recovered is not None
    assert found.gap_recovered.value == pytest.approx((0.75 - 0.625) / (1 - 0.625))
    assert found.decided_by == {"agreement": 2, "judge": 2}
    assert found.chosen_lengths == (5, 6, 5, 6)


def test_a_candidate_that_was_cancelled_leaves_no_oracle(tmp_path: Path) -> None:
    cancelled = replace(CHOICES[2], verdicts=(CHOICES[2].verdicts[0], None))
    found = score(tmp_path, [*CHOICES[:2], cancelled, CHOICES[3]])
    assert (found.candidate_accuracy, found.oracle, found.gap_recovered) == (None, None, None)
    assert found.accuracy.value == 0.75


def test_where_there_is_no_gap_none_is_recovered(tmp_path: Path) -> None:
    found = score(tmp_path, [pick("a", 0, 0, 1, 1), pick("b", 0, 0, 0, 0)])
    assert found.candidate_accuracy is not None
    assert (found.candidate_accuracy.value, found.oracle and found.oracle.value, found.gap_recovered) == (
        0.5,
        0.5,
        None,
    )
