"""What a step's row tells, quantity by quantity: its name on the page, its unit, and how it is read off the row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from abruzzi.nouns import Outcome
from abruzzi.pages.table import plain
from abruzzi.training.grpo.hacks import Hack
from abruzzi.training.report.run_rows import Row, Run, Series, number

NOTHING = 1e-9
"""A quantity that never leaves zero by more is zero: what is left is rounding."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that each step has a value of."""

    name: str
    read: Callable[[Row], float | None]
    unit: str = ""
    """``%`` for shares of 1, which are written in per cent."""
    is_set: bool = False
    """True for what is set and not measured, so that a mean of the steps around would say something false."""

    @property
    def is_share(self) -> bool:
        """True for a share of 1."""
        return self.unit == "%"

    @property
    def title(self) -> str:
        """Name and unit."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    def follow(self, run: Run) -> Series:
        """Follow it over a run's steps; those without a value are left out."""
        found = [(int(row["step"]), self.read(row)) for row in run.steps]
        return [(step, value) for step, value in found if value is not None]


def is_flat(values: Series) -> bool:
    """Tell a quantity that is zero throughout."""
    return all(abs(value) <= NOTHING for _, value in values)


def outcome_share(*outcomes: Outcome) -> Callable[[Row], float | None]:
    """Read the share of a step's rollouts that ended in one of these outcomes."""

    def read(row: Row) -> float | None:
        total = number(row, "num_rollouts")
        if not total or "outcomes" not in row:
            return None
        return sum(number(row, "outcomes", outcome) or 0.0 for outcome in outcomes) / total

    return read


def hack_rate(hack: Hack) -> Callable[[Row], float | None]:
    """Read the share of a step's rollouts that show a hack; the record names only those that were shown."""

    def read(row: Row) -> float | None:
        return (number(row, "hacks", hack) or 0.0) if "hacks" in row else None

    return read


def useful_share(row: Row) -> float | None:
    """Read the share of a step's groups that taught something."""
    asked, used = number(row, "num_groups"), number(row, "num_used")
    return used / asked if asked and used is not None else None


def rollouts_per_second(row: Row) -> float | None:
    """Read the rollouts per second of the whole step."""
    rollouts, seconds = number(row, "num_rollouts"), number(row, "seconds", "all")
    return rollouts / seconds if rollouts is not None and seconds else None


def field(*path: str) -> Callable[[Row], float | None]:
    """Read a field as it stands."""
    return lambda row: number(row, *path)


def family_reward(family: str) -> Quantity:
    """The mean reward of one family's prompts."""
    return Quantity(f"Reward: {plain(family)}", field("reward_by_family", family), "%")


def family_guess(family: str) -> Quantity:
    """How often one family's rollouts give the answer that they give most."""
    return Quantity(f"Likeliest answer given: {plain(family)}", field("guesses", family, "given"), "%")


LEARNING: Sequence[Quantity] = (
    Quantity("Loss", field("loss"), "nats per token"),
    Quantity("Token accuracy", field("token_accuracy"), "%"),
    Quantity("Entropy", field("entropy"), "nats per token"),
    Quantity("Gradient norm", field("grad_norm")),
    Quantity("Learning rate", field("learning_rate"), is_set=True),
)
"""Of SFT."""
REWARD: Sequence[Quantity] = (
    Quantity("Reward", field("reward"), "%"),
    Quantity("Groups that teach something", useful_share, "%"),
)
POLICY: Sequence[Quantity] = (
    Quantity("Length", field("mean_tokens"), "tokens per rollout"),
    Quantity("Truncated", field("truncated"), "%"),
    Quantity("Entropy", field("entropy"), "nats per token"),
    Quantity("KL to the start", field("kl_to_start"), "nats per token"),
    Quantity("Clipped below", field("clipped_low"), "%"),
    Quantity("Clipped above", field("clipped_high"), "%"),
    Quantity("KL to the sampler", field("sampler_kl"), "nats per token"),
    Quantity("Effective tokens after the sampler’s correction", field("sampler_effective"), "%"),
    Quantity("Loss", field("loss")),
    Quantity("Gradient norm", field("grad_norm")),
    Quantity("Learning rate", field("learning_rate"), is_set=True),
)
OUTCOMES: Sequence[Quantity] = (
    Quantity("Without a readable answer", outcome_share(Outcome.UNPARSED), "%"),
    Quantity("Without a verdict (timeout or error)", outcome_share(Outcome.TIMEOUT, Outcome.ERROR), "%"),
)
HACKS: Sequence[Quantity] = tuple(Quantity(hack.replace("_", " ").capitalize(), hack_rate(hack), "%") for hack in Hack)
SPEED = Quantity("Rollouts per second of a step", rollouts_per_second)
