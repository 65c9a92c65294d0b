"""Decides who meets whom and who goes on; asks no model.

A knock-out tree: with k clusters it takes k − 1 comparisons in ⌈log2 k⌉ rounds, where the published linear scan takes
k − 1 rounds (its authors note so themselves). Within a round all comparisons run side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from abruzzi.nouns import Candidate, DecidedBy


@dataclass(frozen=True, slots=True)
class Contender:
    """A cluster in the tournament, spoken for by one candidate."""

    speaker: Candidate
    size: int
    """Candidates in the cluster."""


def pair_up(contenders: Sequence[Contender]) -> tuple[list[tuple[Contender, Contender]], list[Contender]]:
    """Pair the contenders of one round, strongest against weakest.

    Returns:
        The pairs, and the one that goes on without a match when the number is odd: the strongest.
    """
    seeded = sorted(contenders, key=_strength, reverse=True)
    byes = [seeded.pop(0)] if len(seeded) % 2 else []
    half = len(seeded) // 2
    return list(zip(seeded[:half], reversed(seeded[half:]), strict=True)), byes


def settle(first: Contender, second: Contender, winner: int | None) -> tuple[Contender, DecidedBy]:
    """Decide a match.

    Args:
        first: a contender.
        second: the other.
        winner: index of the speaker whom the judge prefers in both orders; None when it does not decide.

    Returns:
        Who goes on, and by what: the judge, or else cluster size, mean log-probability, or standing first.
    """
    if winner is not None:
        return (first if winner == first.speaker.index else second), DecidedBy.JUDGE
    if first.size != second.size:
        return max(first, second, key=lambda c: c.size), DecidedBy.CLUSTER_SIZE
    likelihoods = (first.speaker.mean_logprob, second.speaker.mean_logprob)
    if None not in likelihoods and likelihoods[0] != likelihoods[1]:
        return max(first, second, key=_likelihood), DecidedBy.LIKELIHOOD
    return min(first, second, key=lambda c: c.speaker.index), DecidedBy.FIRST


def _likelihood(contender: Contender) -> float:
    logprob = contender.speaker.mean_logprob
    return float("-inf") if logprob is None else logprob


def _strength(contender: Contender) -> tuple[int, float, int]:
    return contender.size, _likelihood(contender), -contender.speaker.index
