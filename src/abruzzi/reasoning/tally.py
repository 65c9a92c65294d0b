"""Counts answers: when is a majority safe, and which candidate speaks for a cluster.

Pure decisions over cluster numbers; no model, no clock.
"""

from collections import Counter
from collections.abc import Sequence

from abruzzi.nouns import Candidate


def find_majority(clusters: Sequence[int | None], num_running: int) -> int | None:
    """Find the cluster that more than half of all possible voters stand behind.

    Args:
        clusters: the cluster of each candidate that has ended; None for one without a complete answer, which does not
            vote.
        num_running: candidates that have not ended; any of them may yet vote for another cluster.

    Returns:
        The cluster whose majority the running candidates can no longer overturn, or None. A single vote is never a
        majority: agreement takes two.
    """
    votes = Counter(c for c in clusters if c is not None)
    if not votes:
        return None
    cluster, size = max(votes.items(), key=lambda item: item[1])
    is_safe = size >= 2 and 2 * size > votes.total() + num_running
    return cluster if is_safe else None


def pick_speaker(candidates: Sequence[Candidate]) -> Candidate:
    """Pick the candidate that speaks for its cluster: the most likely per token, or else the first."""
    return max(candidates, key=lambda c: (c.mean_logprob if c.mean_logprob is not None else float("-inf"), -c.index))


def group_clusters(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Group complete candidates by cluster, the largest cluster first, then by lowest index."""
    groups: dict[int, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda c: c.index):
        if candidate.is_complete and candidate.cluster is not None:
            groups.setdefault(candidate.cluster, []).append(candidate)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0].index))
