"""What a quantity was in a run's first steps and in its last: the mean over a tenth of the steps at either end.

The ends of a run have no interval, because steps that follow one another are not independent.
"""

import math
from dataclasses import dataclass

from abruzzi.training.report.run_rows import Series

EDGE = 0.1
"""Share of the steps that makes an end; at least one step."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Means over the first and over the last steps that have a value."""

    first: float
    last: float

    @property
    def change(self) -> float:
        """Last minus first."""
        return self.last - self.first


def ends_of(values: Series) -> Ends | None:
    """Average both ends of a curve; None where it has no value."""
    if not values:
        return None
    size = num_edge(len(values))
    first, last = ([value for _, value in end] for end in (values[:size], values[-size:]))
    return Ends(math.fsum(first) / size, math.fsum(last) / size)


def num_edge(num_steps: int) -> int:
    """How many steps make an end."""
    return max(1, round(EDGE * num_steps))
