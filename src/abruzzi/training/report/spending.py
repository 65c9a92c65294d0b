"""Where a run's seconds went, and what came out per second.

Counted are the recorded steps and measurements. Loading, checkpoints, and steps that were lost to a kill and done again
are in no row, so they are not in these seconds either.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from abruzzi.training.report.run_rows import Row, Run, number

PARTS = ("sync", "sample", "verify", "update")
"""What a step of GRPO records of its own."""
REST, HELD_OUT, STEPS = "rest of the step", "held-out", "steps"


@dataclass(frozen=True, slots=True)
class Spending:
    """Seconds and what they bought; None where the record does not say."""

    seconds: Mapping[str, float]
    """Part → seconds; they add up to the total."""
    num_rollouts: float | None
    num_tokens: float | None
    """Generated ones for GRPO, trained ones for SFT."""

    @property
    def total(self) -> float:
        """All recorded seconds."""
        return sum(self.seconds.values())

    @property
    def step_seconds(self) -> float:
        """Seconds of the steps, measurements of held-out items left out."""
        return self.total - self.seconds.get(HELD_OUT, 0.0)

    def share(self, part: str) -> float | None:
        """Of all seconds; None where there are none."""
        return self.seconds.get(part, 0.0) / self.total if self.total else None

    def per_second(self, amount: float | None, part: str | None = None) -> float | None:
        """Divide by the seconds of the steps, or of one part of them; None where there are none."""
        seconds = self.step_seconds if part is None else self.seconds.get(part, 0.0)
        return amount / seconds if amount is not None and seconds > 0 else None


def add_up(run: Run) -> Spending:
    """Add up what a run's rows record."""
    seconds: dict[str, float] = {}
    for row in run.steps:
        for part, spent in split_step(row).items():
            seconds[part] = seconds.get(part, 0.0) + spent
    measured = [spent for point in run.held_out if (spent := number(point.row, "seconds", "all")) is not None]
    if measured:
        seconds[HELD_OUT] = sum(measured)
    if run.stage == "sft":
        return Spending(seconds, None, _growth([number(row, "total_tokens") for row in run.steps]))
    rollouts = [number(row, "num_rollouts") for row in run.steps]
    tokens = [
        length * count
        for row, count in zip(run.steps, rollouts, strict=True)
        if count is not None and (length := number(row, "mean_tokens")) is not None
    ]
    found = [count for count in rollouts if count is not None]
    return Spending(seconds, sum(found) if found else None, sum(tokens) if tokens else None)


def split_step(row: Row) -> dict[str, float]:
    """Split a step's seconds into its parts and the rest; a step without parts is one part, without seconds none."""
    total = number(row, "seconds", "all")
    parts = {part: spent for part in PARTS if (spent := number(row, "seconds", part)) is not None}
    if total is None:
        return parts
    return {**parts, REST: max(0.0, total - sum(parts.values()))} if parts else {STEPS: total}


def _growth(totals: list[float | None]) -> float | None:
    """How far a counter went, one that begins anew when a run is resumed included."""
    found = [total for total in totals if total is not None]
    if not found:
        return None
    steps = zip([0.0, *found], found, strict=False)
    return sum(after - before if after >= before else after for before, after in steps)
