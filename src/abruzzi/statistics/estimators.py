"""Point estimators from scores: mean@k, pass@k, best@k, majority@k, the oracle and the gap recovered.

Each gives a plain number for one question, or for a table of them; what it is worth stands in ``intervals``. A *score*
is in [0, 1], 1 is correct, and a sample that has no score (a failed call, a broken verifier) is left out by the caller.

Sources: pass@k is the unbiased estimator of Chen et al. 2021 (arXiv 2107.03374). best@k is the same idea for scores
between 0 and 1, from the order statistics of a draw without replacement. majority@k is worked out exactly by generating
functions (this file's own), so there is no Monte Carlo noise to report.
"""

from collections import defaultdict
from collections.abc import Sequence
from math import comb, inf

import numpy as np
from numpy.typing import NDArray

from abruzzi.errors import DataError

NOISE = 1e-9
"""A difference of two means of scores below this is rounding, not a difference."""


def mean_at_k(scores_by_question: Sequence[Sequence[float]]) -> float:
    """Average over the runs of each question, then over the questions: every question weighs the same.

    Args:
        scores_by_question: at least one score for each question; their numbers may differ.

    Raises:
        DataError: there is no question, or one without a score.
    """
    if not scores_by_question:
        raise DataError("there is no question to average over; score at least one")
    if not all(scores_by_question):
        raise DataError("a question without a score has no mean; leave it out and say so")
    return float(np.mean([np.mean(scores) for scores in scores_by_question]))


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Estimate the chance that at least one of k samples is correct, from n ≥ k samples of one question.

    1 − C(n − c, k) / C(n, k), as the product of 1 − k/i over i from n − c + 1 to n, which needs no large number.
    Fewer than k samples cannot be extrapolated from: that is an error here, never a NaN or an optimistic 1.

    Args:
        num_samples: n, samples of the question.
        num_correct: c, how many of them are correct.
        k: samples that the user would draw.

    Raises:
        DataError: k is not from 1 to n, or c not from 0 to n.

    Source: Chen et al. 2021, arXiv 2107.03374, equation 1.
    """
    _check_k(k, num_samples)
    if not 0 <= num_correct <= num_samples:
        raise DataError(f"{num_correct} of {num_samples} samples cannot be correct; count them anew")
    if num_samples - num_correct < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(num_samples - num_correct + 1, num_samples + 1)))


def best_at_k(scores: Sequence[float], k: int) -> float:
    """Estimate the highest score among k samples, from n ≥ k samples of one question.

    Equals pass@k where scores are 0 or 1.

    Raises:
        DataError: k is not from 1 to n.
    """
    return top_at_k(scores, scores, k)


def top_at_k(ranks: Sequence[float | None], scores: Sequence[float], k: int) -> float:
    """Work out the expected score of the top-ranked among k of the n samples of one question.

    The sample with i − 1 others below it is the top of C(i − 1, k − 1) of C(n, k) draws. Samples of equal rank are
    chosen among evenly.

    Args:
        ranks: what the choice goes by, higher is better: a mean log-probability, say; None ranks lowest.
        scores: the score of each sample.
        k: samples in a draw.

    Raises:
        DataError: k is not from 1 to n, or ranks and scores differ in number.
    """
    if len(ranks) != len(scores):
        raise DataError(f"{len(ranks)} ranks for {len(scores)} scores; give one of each per sample")
    _check_k(k, len(scores))
    tied: dict[float, list[float]] = defaultdict(list)
    for rank, score in zip(ranks, scores, strict=True):
        tied[-inf if rank is None else rank].append(score)
    total, below = 0.0, 0
    for rank in sorted(tied):
        reached = below + len(tied[rank])
        total += (comb(reached, k) - comb(below, k)) / comb(len(scores), k) * sum(tied[rank]) / len(tied[rank])
        below = reached
    return total


def majority_at_k(clusters: Sequence[int | None], scores: Sequence[float], k: int) -> float:
    """Work out the expected score of a plain majority vote among k of the n samples of one question.

    The largest cluster of the draw wins; clusters of equal size share the win evenly. The winner scores the mean of its
    cluster's samples (all the same where the verifier is consistent). A draw in which nobody votes scores 0: there is
    no answer. Unlike the pipeline's agreement, one vote is enough to win.

    Args:
        clusters: which samples give the same answer; None for one without an answer, which does not vote.
        scores: the score of each sample.
        k: samples in a draw.

    Returns:
        The exact mean over all C(n, k) draws: for each size v of the winning cluster, the polynomial whose coefficient
        at xᵏyᵗ counts the draws in which t clusters tie at v votes.

    Raises:
        DataError: k is not from 1 to n, or clusters and scores differ in number.
    """
    if len(clusters) != len(scores):
        raise DataError(f"{len(clusters)} clusters for {len(scores)} scores; give one of each per sample")
    _check_k(k, len(scores))
    voters: dict[int, list[float]] = defaultdict(list)
    for cluster, score in zip(clusters, scores, strict=True):
        if cluster is not None:
            voters[cluster].append(score)
    silent = len(scores) - sum(map(len, voters.values()))
    total = 0.0
    for votes in range(1, min(k, max(map(len, voters.values()), default=0)) + 1):
        ways = np.zeros((k + 1, len(voters) + 1))
        ways[:, 0] = [comb(silent, drawn) for drawn in range(k + 1)]
        credit = np.zeros_like(ways)  # like ways, with the scores of the tied clusters summed up
        for members in voters.values():
            score = sum(members) / len(members)
            tied = _shift(ways, votes, comb(len(members), votes))
            credit = _fewer(credit, len(members), votes) + _shift(credit, votes, comb(len(members), votes))
            credit += score * tied
            ways = _fewer(ways, len(members), votes) + tied
        total += float(np.sum(credit[k, 1:] / np.arange(1, len(voters) + 1)))
    return total / comb(len(scores), k)


def oracle_share(correct_by_sample: Sequence[Sequence[bool]]) -> float:
    """Give the share of samples with at least one correct candidate: what a perfect choice would reach.

    Raises:
        DataError: there is no sample.
    """
    if not correct_by_sample:
        raise DataError("there is no sample to take the share of; give at least one")
    return sum(map(any, correct_by_sample)) / len(correct_by_sample)


def gap_recovered(system: float, pass_1: float, oracle: float) -> float | None:
    """Say how much of the way from one candidate to a perfect choice a system goes.

    Args:
        system: accuracy of the system.
        pass_1: mean accuracy of the same candidates, one taken at random.
        oracle: share of questions with a correct candidate.

    Returns:
        (system − pass_1) / (oracle − pass_1): 0 for a choice at random, 1 for a perfect one, negative for one that is
        worse than chance; None where the oracle gains nothing beyond rounding.
    """
    gap = oracle - pass_1
    return (system - pass_1) / gap if gap > NOISE else None


def _check_k(k: int, num_samples: int) -> None:
    if not 1 <= k <= num_samples:
        raise DataError(f"k={k} of {num_samples} samples cannot be estimated; take k from 1 to {num_samples}")


def _shift(ways: NDArray[np.float64], votes: int, factor: int) -> NDArray[np.float64]:
    """Let one more cluster tie at ``votes``: multiply by factor · x^votes · y."""
    shifted = np.zeros_like(ways)
    shifted[votes:, 1:] = factor * ways[: len(ways) - votes, :-1]
    return shifted


def _fewer(ways: NDArray[np.float64], size: int, votes: int) -> NDArray[np.float64]:
    """Let one more cluster get fewer than ``votes``: multiply by the sum of C(size, u) xᵘ over u below votes."""
    summed = np.zeros_like(ways)
    for fewer in range(min(votes - 1, size) + 1):
        summed[fewer:] += comb(size, fewer) * ways[: len(ways) - fewer]
    return summed
