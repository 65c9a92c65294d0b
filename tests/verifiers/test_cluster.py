from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from abruzzi.verifiers.cluster import cluster

answers = st.sampled_from(
    [
        *("42", "42.0", "$42$", "x = 42", "42 cm", "43", "1/2", "0.5", "\\frac{1}{2}", "50\\%", "50", "1, 2", "2, 1"),
        *("(1, 2)", "(2, 1)", "B", "(B)", "\\text{yes}", "Yes.", "no", "x+1", "1+x", "x-1", "Paris", "It is Paris"),
    ]
)


@given(st.lists(st.one_of(st.none(), answers), max_size=6), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_shuffling_never_changes_clusters(candidates: list[str | None], random: Random) -> None:
    order = list(range(len(candidates)))
    random.shuffle(order)
    plain, shuffled = cluster(candidates), cluster([candidates[i] for i in order])
    for i in range(len(order)):
        for j in range(len(order)):
            assert (shuffled[i] == shuffled[j]) == (plain[order[i]] == plain[order[j]])


def test_cluster_numbers() -> None:
    assert cluster(["5", None, "1/2", "0.5", "x = 5", "\\frac12", "7"]) == (1, None, 0, 0, 1, 0, 2)
    assert cluster([]) == ()
    assert cluster([None]) == (None,)


def test_clusters_are_connected_components() -> None:
    def is_near(first: str, second: str) -> bool:
        return abs(int(first) - int(second)) <= 1

    assert cluster(["1", "3", "2", "9"], is_near) == (0, 0, 0, 1)
    assert cluster(["9", "3", "1", "2"], is_near) == (1, 0, 0, 0)
