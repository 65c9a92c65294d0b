"""An estimate: a number with the interval that says how sure it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % confidence interval, in the value's own unit."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """True when the interval lies on one side of zero: the difference that it describes is not noise."""
        return self.low > 0 or self.high < 0
