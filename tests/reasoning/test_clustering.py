"""Clusters of candidates as they end."""

import itertools

import anyio
import pytest

from abruzzi.errors import VerifierError
from abruzzi.reasoning.clustering import Clustering
from abruzzi.reasoning.run import Roles, Run
from abruzzi.reasoning.settings import AskSettings
from tests.reasoning.asking import scripted


def cluster_in(order: tuple[int, ...], answers: list[str], edges: set[frozenset[str]]) -> dict[int, int]:
    async def agree(first: str, second: str) -> bool:
        return frozenset((first, second)) in edges

    async def main() -> dict[int, int]:
        clustering = Clustering(Run("q", Roles(*[scripted()] * 3), AskSettings(), agree))
        for index in order:
            await clustering.add(index, answers[index])
        return clustering.labels()

    return anyio.run(main)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_of_arrival_changes_nothing_even_where_agreement_is_not_transitive(order: tuple[int, ...]) -> None:
    edges: set[frozenset[str]] = {frozenset(("a", "b")), frozenset(("b", "c"))}
    assert cluster_in(order, ["a", "c", "x", "b"], edges) == {0: 0, 1: 0, 2: 2, 3: 0}


def test_equal_texts_are_one_cluster_without_being_compared() -> None:
    assert cluster_in((0, 1, 2), ["7", "7", "8"], set()) == {0: 0, 1: 0, 2: 2}


def test_a_comparison_that_fails_is_unequal_and_told() -> None:
    async def agree(first: str, second: str) -> bool:
        raise VerifierError("undecided after 5 s")

    async def main() -> None:
        run = Run("q", Roles(*[scripted()] * 3), AskSettings(), agree)
        clustering = Clustering(run)
        await clustering.add(0, "a")
        await clustering.add(1, "b")
        assert clustering.labels() == {0: 0, 1: 1}
        assert run.warnings == ["could not compare 'a' with 'b': undecided after 5 s"]

    anyio.run(main)
