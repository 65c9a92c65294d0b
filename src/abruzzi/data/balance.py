"""Keeps a set from being answered by one guess: leaves out items whose answer is too frequent.

Where one answer is right most of the time, a reward for right answers pays for guessing it, and a policy learns that
first (docs/results/training-135m.md: a policy that said "1" and nothing else got 77 % of letter_counting).
Here is only the drawing; whether a policy guesses is for the measurement to say, beside the best constant answer.
"""

import json
from collections import Counter
from collections.abc import Sequence

from abruzzi.data.items import Item
from abruzzi.errors import DataError


def balance_answers(items: Sequence[Item], share: float, limit: int | None = None) -> list[Item]:
    """Keep items so that no answer is that of more than a share of them, the first ones of each answer.

    As many are kept as the share allows; the order stays.

    Args:
        items: of one source.
        share: in (0, 1]; 1 keeps all.
        limit: how many are kept at most; None keeps what can be kept.

    Raises:
        DataError: there are too few different answers for such a share.
    """
    counts = Counter(map(_answer, items))
    kept = len(items) if limit is None else min(limit, len(items))
    while (allowed := sum(min(count, _most(share, kept)) for count in counts.values())) < kept:
        kept = allowed
    if items and not kept:
        raise DataError(
            f"{len(counts)} different answers cannot each be at most {share:g} of the items; "
            "make answer_share larger, or the source's settings wider"
        )
    taken = Counter[str]()
    chosen: list[Item] = []
    for item in items:
        answer = _answer(item)
        if len(chosen) < kept and taken[answer] < _most(share, kept):
            taken[answer] += 1
            chosen.append(item)
    return chosen


def _most(share: float, kept: int) -> int:
    return int(share * kept + 1e-9)  # so that a third of 300 is 100


def _answer(item: Item) -> str:
    return json.dumps(item.ground_truth, sort_keys=True)
