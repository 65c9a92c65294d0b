"""Majorities and speakers."""

from hypothesis import given
from hypothesis import strategies as st

from abruzzi.nouns import Candidate, FinishReason
from abruzzi.reasoning.tally import find_majority, group_clusters, pick_speaker


def candidate(index: int, cluster: int | None, logprob: float | None = None) -> Candidate:
    return Candidate(index, "t", "", str(cluster), FinishReason.STOP, cluster, 1.0, mean_logprob=logprob)


def test_two_of_three_is_safe_while_one_runs() -> None:
    assert find_majority([0, 0], num_running=1) == 0


def test_two_of_five_is_not_safe_while_three_run() -> None:
    assert find_majority([0, 0], num_running=3) is None


def test_one_vote_is_never_a_majority() -> None:
    assert find_majority([0], num_running=0) is None
    assert find_majority([0, None, None], num_running=0) is None


def test_candidates_without_answer_do_not_vote() -> None:
    assert find_majority([0, 0, None, None, None], num_running=0) == 0


def test_half_is_no_majority() -> None:
    assert find_majority([0, 0, 2, 2], num_running=0) is None


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=9), st.integers(0, 5))
def test_no_vote_of_the_running_overturns_a_majority(clusters: list[int | None], num_running: int) -> None:
    majority = find_majority(clusters, num_running)
    if majority is not None:
        for rival in {c for c in clusters if c is not None} | {99}:
            assert find_majority([*clusters, *[rival] * num_running], 0) == majority


def test_the_likeliest_speaks_for_its_cluster() -> None:
    assert pick_speaker([candidate(0, 0, -0.5), candidate(1, 0, -0.2)]).index == 1
    assert pick_speaker([candidate(2, 0), candidate(1, 0)]).index == 1


def test_clusters_come_largest_first_and_leave_incomplete_candidates_out() -> None:
    cut = Candidate(3, "t", "", "9", FinishReason.LENGTH, None, 1.0)
    groups = group_clusters([candidate(0, 0), candidate(1, 1), candidate(2, 1), cut])
    assert [[c.index for c in group] for group in groups] == [[1, 2], [0]]
