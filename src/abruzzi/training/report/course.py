"""How held-out accuracy went: first, best and last, and whether the change from first to last is more than noise.

Whether it is, is decided by the same items' scores before and after, paired (``statistics.paired``): the intervals of
first and last may well overlap when every third item improved. Without the items' scores nothing is decided but what
the intervals alone show. The best of several measurements was chosen for being high: it flatters, and so has no
difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from abruzzi.statistics.curves import pass_curve
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.estimators import pass_at_k
from abruzzi.statistics.paired import paired_difference
from abruzzi.training.report.run_rows import HeldOutPoint, Run

Move = Literal["rose", "fell", "did not move"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two measurements on the same items."""

    estimate: Estimate
    num_items: int


@dataclass(frozen=True, slots=True)
class Course:
    """One curve of held-out accuracy; steps are those of the measurements."""

    first: tuple[int, Estimate]
    best: tuple[int, Estimate]
    """The first of equals."""
    last: tuple[int, Estimate]
    difference: Difference | None
    """Last minus first; None for one measurement, and where the record has no scores of items."""

    @property
    def move(self) -> Move | None:
        """What the curve did; None where that cannot be told."""
        if self.first[0] == self.last[0]:
            return None
        if self.difference is not None:
            return judge_move(self.difference.estimate)
        (_, before), (_, after) = self.first, self.last
        if after.low > before.high:
            return "rose"
        return "fell" if after.high < before.low else None


def judge_move(difference: Estimate) -> Move:
    """Say whether a difference is told from zero, and which way it goes."""
    if not difference.excludes_zero:
        return "did not move"
    return "rose" if difference.value > 0 else "fell"


def follow(run: Run, family: str | None = None) -> Course | None:
    """Follow a run's held-out accuracy.

    Args:
        run: as it was read.
        family: of the items; None takes all.

    Returns:
        None where it was never measured.
    """
    points = accuracies(run, family)
    if not points:
        return None
    best = max(points, key=lambda point: (point[1].value, -point[0]))
    measured = {point.step: point for point in run.held_out}
    first, last = measured[points[0][0]], measured[points[-1][0]]
    return Course(points[0], best, points[-1], None if last is first else compare(last, first, family))


def accuracies(run: Run, family: str | None = None) -> list[tuple[int, Estimate]]:
    """Give step and accuracy of every measurement; ``family`` None takes all items."""
    found = [(p.step, p.accuracy if family is None else p.by_family.get(family)) for p in run.held_out]
    return [(step, accuracy) for step, accuracy in found if accuracy is not None]


def compare(one: HeldOutPoint, other: HeldOutPoint, family: str | None = None) -> Difference | None:
    """Compare two measurements, of one run or of two, on the items that both have scores of.

    Returns:
        One minus the other; None where they share no item.
    """
    first, second = item_scores(one, family), item_scores(other, family)
    shared = [item for item in first if item in second]
    if not shared:
        return None
    estimate = paired_difference([first[item] for item in shared], [second[item] for item in shared])
    return Difference(estimate, len(shared))


def item_scores(point: HeldOutPoint, family: str | None = None) -> dict[str, tuple[float, ...]]:
    """Item → scores of its samples; the same item in two families counts twice."""
    return {
        f"{name}/{item}": samples
        for name, items in point.scores.items()
        if family in (None, name)
        for item, samples in items.items()
    }


def families_of(runs: Sequence[Run]) -> list[str]:
    """Name the families that were measured, in the order of their first appearance; none where there is just one."""
    names = dict.fromkeys(name for run in runs for point in run.held_out for name in point.by_family)
    return list(names) if len(names) > 1 else []


def pass_at(point: HeldOutPoint) -> Mapping[int, Estimate | float]:
    """Give pass@k with intervals; bare where the record has no scores of items."""
    scores = item_scores(point)
    return pass_curve(scores) if scores else dict(sorted(point.pass_at.items()))


def pass_difference(one: HeldOutPoint, other: HeldOutPoint, k: int) -> Difference | None:
    """Compare pass@k of two measurements on the items that have k samples in both."""
    kept = [
        {item: samples for item, samples in item_scores(point).items() if len(samples) >= k} for point in (one, other)
    ]
    shared = [item for item in kept[0] if item in kept[1]]
    if not shared:
        return None
    values = [[(pass_at_k(len(own[item]), round(sum(own[item])), k),) for item in shared] for own in kept]
    return Difference(paired_difference(*values), len(shared))
