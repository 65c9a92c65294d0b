"""Clusters candidates by their votes as they end, with a result that their order cannot change.

Clusters are the connected components of agreeing answers (``verifiers.cluster``), so a late candidate that agrees with
two clusters joins them. A cluster bears the lowest index of its candidates.
"""

from abruzzi.errors import AbruzziError
from abruzzi.reasoning.run import Run
from abruzzi.verifiers.cluster import cluster


class Clustering:
    """The complete candidates of one question, and which of their votes agree."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._answers: dict[int, str] = {}
        self._exact: set[str] = set()
        self._agreeing: set[frozenset[str]] = set()

    async def add(self, index: int, answer: str, *, is_exact: bool = False) -> None:
        """Enter a candidate: compare its answer with every different one before.

        A comparison that fails counts as unequal, and is recorded as a warning.

        Args:
            index: which candidate.
            answer: what it votes for.
            is_exact: only an equal text is an equal vote; see ``Ballot``.
        """
        if is_exact:
            self._exact.add(answer)
        for other in dict.fromkeys(self._answers.values()):
            if other != answer and answer not in self._answers.values() and await self._agree(other, answer):
                self._agreeing.add(frozenset((other, answer)))
        self._answers[index] = answer

    async def _agree(self, first: str, second: str) -> bool:
        if first in self._exact or second in self._exact:
            return False
        try:
            return await self._run.agree(first, second)
        except AbruzziError as error:
            self._run.warn(f"could not compare {first[:80]!r} with {second[:80]!r}: {error}")
            return False

    def labels(self) -> dict[int, int]:
        """Give each candidate's cluster."""
        indices = sorted(self._answers)
        groups = cluster([self._answers[i] for i in indices], lambda a, b: frozenset((a, b)) in self._agreeing)
        founders: dict[int | None, int] = {}
        for index, group in zip(indices, groups, strict=True):
            founders.setdefault(group, index)
        return {index: founders[group] for index, group in zip(indices, groups, strict=True)}
