"""How many replicas a number of users needs, so that few questions wait long: Erlang's formulas.

Questions come at random, λ a second, and hold a place for S seconds on average: a = λ S places are taken on average
(in erlangs). With m places

    B(0) = 1, B(m) = a B(m − 1) / (m + a B(m − 1))          a question finds all places taken and goes away
    C(m) = B(m) / (1 − (a / m) (1 − B(m)))                  it finds all taken and waits
    P(wait > t) = C(m) exp(−(m − a) t / S)                  it waits longer than t

(A. K. Erlang, 1917; recursion and waiting time as in Kleinrock, Queueing Systems I, 1975, §3.5). Assumed: arrivals are
independent, and the seconds that a place is held are exponential; real ones spread less, so that real waits are
shorter. A replica has ``batch // n`` places, and a question's seconds are those of a full batch: the plan is cautious.

Not planned: days and nights (plan for the hour with the most questions), failures (add a replica for each that may be
down), the balancer, and the network.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from abruzzi.capacity.machines import Machine
from abruzzi.capacity.question import Ask, QuestionTime
from abruzzi.errors import ConfigError

MAX_LOAD = 50_000_000.0
"""Places taken on average; beyond it the recursion takes minutes, and no formula is needed."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked, and how long it may wait."""

    users: int
    questions_per_hour: float = 2.0
    """Of each user, in the busiest hour."""
    wait_s: float = 1.0
    """A question may wait so long before it starts."""
    quantile: float = 0.95
    """Share of the questions that wait no longer."""

    def __post_init__(self) -> None:
        if self.users < 1:
            raise ConfigError(f"there are {self.users} users; there must be at least 1")
        if not self.questions_per_hour > 0:
            raise ConfigError(f"a user asks {self.questions_per_hour!r} questions an hour; it must be above 0")
        if self.wait_s < 0:
            raise ConfigError(f"a question may wait {self.wait_s!r} s; it must be at least 0")
        if not 0 < self.quantile < 1:
            raise ConfigError(f"the quantile is {self.quantile!r}; it must lie between 0 and 1")

    @property
    def questions_per_second(self) -> float:
        """Of all users."""
        return self.users * self.questions_per_hour / 3600


@dataclass(frozen=True, slots=True)
class Fleet:
    """Machines that meet a demand."""

    demand: Demand
    load: float
    """Places taken on average, in erlangs."""
    replicas: int
    devices: int
    places: int
    late_share: float
    """Of the questions, that wait longer than they may."""
    cost_per_hour: float | None
    """In dollars; None where the price is not known."""
    cost_per_question: float | None
    """Idle machines included."""

    @property
    def utilisation(self) -> float:
        """Share of the places that is taken."""
        return self.load / self.places


def erlang_b(load: float) -> Iterator[float]:
    """Yield the share of arrivals that find all places taken and go away, for 0, 1, 2, … places.

    Args:
        load: places that would be taken on average; at least 0.
    """
    blocked, places = 1.0, 0
    while True:
        yield blocked
        places += 1
        blocked = load * blocked / (places + load * blocked)


def erlang_c(blocked: float, load: float, places: int) -> float:
    """Give the share of arrivals that have to wait.

    Args:
        blocked: Erlang B for as many places.
        load: places taken on average.
        places: more than the load, or else all wait.
    """
    if places <= load:
        return 1.0
    return blocked / (1 - load / places * (1 - blocked))


def late_share(blocked: float, load: float, places: int, *, wait_s: float, service_s: float) -> float:
    """Give the share of arrivals that wait longer than ``wait_s``, where a place is held for ``service_s``."""
    if places <= load:
        return 1.0
    return erlang_c(blocked, load, places) * exp(-(places - load) * wait_s / service_s)


def plan_fleet(machine: Machine, ask: Ask, question: QuestionTime, demand: Demand) -> Fleet:
    """Find the fewest replicas that meet a demand.

    Args:
        machine: of each replica.
        ask: how a question is asked; ``batch`` and ``n`` give a replica's places.
        question: what it takes in a full batch.
        demand: what is asked.

    Raises:
        ConfigError: the demand is beyond any plan.
    """
    load = demand.questions_per_second * question.seconds
    if load > MAX_LOAD:
        raise ConfigError(f"{load:,.0f} questions at once are beyond this plan; take fewer users or a faster machine")
    per_replica = ask.batch // ask.n
    for places, blocked in enumerate(erlang_b(load)):
        if places == 0 or places % per_replica:
            continue
        late = late_share(blocked, load, places, wait_s=demand.wait_s, service_s=question.seconds)
        if late <= 1 - demand.quantile:
            replicas = places // per_replica
            price = machine.price_per_hour
            hourly = None if price is None else replicas * price
            return Fleet(
                demand=demand,
                load=load,
                replicas=replicas,
                devices=replicas * machine.devices,
                places=places,
                late_share=late,
                cost_per_hour=hourly,
                cost_per_question=None if hourly is None else hourly / (3600 * demand.questions_per_second),
            )
    raise AssertionError("the recursion has no end, and more places always serve")
