"""Point estimators, worked by hand and by trying every draw."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abruzzi.errors import DataError
from abruzzi.statistics.estimators import (
    best_at_k,
    gap_recovered,
    majority_at_k,
    mean_at_k,
    oracle_share,
    pass_at_k,
    top_at_k,
)


def test_each_question_weighs_the_same_in_a_mean() -> None:
    assert mean_at_k([[1, 0, 0, 0], [1]]) == pytest.approx((0.25 + 1) / 2)


@pytest.mark.parametrize("table", [[], [[1.0], []]])
def test_a_mean_over_nothing_is_refused(table: list[list[float]]) -> None:
    with pytest.raises(DataError):
        mean_at_k(table)


def test_pass_at_k_of_two_correct_in_five() -> None:
    # Of the C(5, 2) = 10 pairs, C(3, 2) = 3 hold no correct sample; of the 10 triples, 1.
    assert pass_at_k(5, 2, 1) == pytest.approx(0.4)
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    assert pass_at_k(5, 2, 3) == pytest.approx(0.9)
    assert pass_at_k(5, 2, 4) == 1.0


def test_pass_at_k_without_any_or_with_all_correct() -> None:
    assert pass_at_k(16, 0, 16) == 0.0
    assert pass_at_k(16, 16, 1) == 1.0


def test_pass_at_k_stays_exact_where_the_binomials_overflow() -> None:
    # 1 − C(9999, 100)/C(10000, 100) = 100/10000; either binomial exceeds 10^241.
    assert pass_at_k(10_000, 1, 100) == pytest.approx(0.01, rel=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 1, 0), (3, 4, 1), (3, -1, 1), (0, 0, 1)])
def test_pass_at_k_extrapolates_nothing(n: int, c: int, k: int) -> None:
    with pytest.raises(DataError, match=r"cannot be"):
        pass_at_k(n, c, k)


def test_best_of_two_with_partial_credit() -> None:
    # The pairs of 0, 0.5 and 1 have the maxima 0.5, 1 and 1.
    assert best_at_k([0.5, 0, 1], 2) == pytest.approx(2.5 / 3)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_best_at_k_is_pass_at_k_for_right_and_wrong(nck: tuple[int, int, int]) -> None:
    n, c, k = nck
    assert best_at_k([1.0] * c + [0.0] * (n - c), k) == pytest.approx(pass_at_k(n, c, k), abs=1e-12)


def test_the_top_ranked_of_two() -> None:
    # By rank the samples score 0 (lowest), 1, 0 (highest): the pairs are won by 1, 0 and 0.
    assert top_at_k([-0.5, None, -0.9], [0, 0, 1], 2) == pytest.approx(1 / 3)
    assert top_at_k([-0.5, None, -0.9], [0, 0, 1], 3) == 0.0


def test_equal_ranks_share_evenly() -> None:
    assert top_at_k([1, 1, 0], [1, 0, 0], 2) == pytest.approx(0.5)


def test_majority_of_two_alike_and_one_other() -> None:
    clusters, scores = [0, 0, 1], [1, 1, 0]
    assert majority_at_k(clusters, scores, 1) == pytest.approx(2 / 3)
    assert majority_at_k(clusters, scores, 2) == pytest.approx((1 + 0.5 + 0.5) / 3)  # two of three pairs tie
    assert majority_at_k(clusters, scores, 3) == 1.0


def test_whoever_has_no_answer_does_not_vote() -> None:
    assert majority_at_k([0, None], [1, 0], 1) == 0.5
    assert majority_at_k([0, None, None], [1, 0, 0], 3) == 1.0
    assert majority_at_k([None, None], [0, 0], 2) == 0.0


def test_a_cluster_scores_the_mean_of_its_samples() -> None:
    assert majority_at_k([4, 4, 4], [1, 0, 0], 2) == pytest.approx(1 / 3)


def test_a_three_way_tie() -> None:
    assert majority_at_k([0, 1, 2], [1, 0, 0], 3) == pytest.approx(1 / 3)


def majority_by_trying(clusters: list[int | None], scores: list[float], k: int) -> Fraction:
    """Go through every draw of k."""
    total = Fraction(0)
    draws = list(combinations(range(len(scores)), k))
    for draw in draws:
        votes = [clusters[i] for i in draw if clusters[i] is not None]
        if not votes:
            continue
        top = max(votes.count(v) for v in votes)
        winners = sorted({v for v in votes if v is not None and votes.count(v) == top})
        for winner in winners:
            members = [Fraction(scores[i]) for i in range(len(scores)) if clusters[i] == winner]
            total += sum(members, Fraction(0)) / len(members) / len(winners)
    return total / len(draws)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 4)), st.sampled_from([0.0, 0.25, 1.0])), min_size=1, max_size=7
    )
)
def test_a_majority_equals_the_mean_over_all_draws(samples: list[tuple[int | None, float]]) -> None:
    clusters, scores = [c for c, _ in samples], [s for _, s in samples]
    for k in range(1, len(samples) + 1):
        assert majority_at_k(clusters, scores, k) == pytest.approx(float(majority_by_trying(clusters, scores, k)))


def test_a_majority_among_many_samples_is_still_exact() -> None:
    # 40 right in one cluster, 24 wrong in another: of 63 drawn, one is left out and the larger cluster always wins.
    assert majority_at_k([0] * 40 + [1] * 24, [1] * 40 + [0] * 24, 63) == pytest.approx(1.0)


@pytest.mark.parametrize("k", [0, 3])
def test_draws_that_cannot_be_are_refused(k: int) -> None:
    for estimate in (lambda: best_at_k([0, 1], k), lambda: majority_at_k([0, 1], [0, 1], k)):
        with pytest.raises(DataError, match=f"k={k}"):
            estimate()


def test_clusters_ranks_and_scores_belong_together() -> None:
    with pytest.raises(DataError, match="1 clusters for 2"):
        majority_at_k([0], [0, 1], 1)
    with pytest.raises(DataError, match="1 ranks for 2"):
        top_at_k([0], [0, 1], 1)


def test_the_oracle_needs_one_correct_candidate() -> None:
    assert oracle_share([[False, True, False], [False, False], [], [True]]) == 0.5
    with pytest.raises(DataError):
        oracle_share([])


def test_gap_recovered() -> None:
    assert gap_recovered(0.6, 0.5, 0.7) == pytest.approx(0.5)
    assert gap_recovered(0.4, 0.5, 0.7) == pytest.approx(-0.5)
    assert gap_recovered(0.7, 0.5, 0.7) == pytest.approx(1.0)


def test_without_a_gap_nothing_is_recovered() -> None:
    assert gap_recovered(0.5, 0.5, 0.5) is None
    assert gap_recovered(0.3, 0.1 + 0.2, 0.3) is None
    assert gap_recovered(0.3, 0.3, 0.1 + 0.2) is None
