"""What drafts are worth where the cost of verifying them was measured: speed-up, best draft, break-even.

A pass of k + 1 positions verifies k drafted tokens. Leviathan et al. (arXiv 2211.17192, theorem 3.8) take it to cost
as much as a pass of one, and get (1 − a^(k+1)) / (1 − a) ÷ (k · draft share + 1). Here the 1 is what was measured: the
pass's seconds by those of a single step, a little more than 1 where memory binds, k + 1 where arithmetic does.

Theirs is also that every pass has a draft of the same length. n-gram lookup finds one for some passes only: what a run
saw of it (``Observed``) is weighed by how many passes had one.

Deliberately not here: measuring (``scripts/measure_verify_cost.py``), the roofline (``speculation``), batches of
several sequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from abruzzi.capacity.speculation import Speculation, expected_tokens
from abruzzi.errors import ConfigError

_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class PassCosts:
    """How long a pass takes, by the number of positions in it."""

    seconds: Mapping[int, float]
    """Of a pass; 1 position is a single step and must be there."""

    def __post_init__(self) -> None:
        if 1 not in self.seconds:
            raise ConfigError("the cost of a single step is missing; measure a pass of 1 position too")
        for positions, taken in self.seconds.items():
            if positions < 1 or not taken > 0:
                raise ConfigError(f"a pass of {positions!r} positions takes {taken!r} s; both must be above 0")

    @property
    def drafts(self) -> tuple[int, ...]:
        """Lengths of drafts whose verification was measured."""
        return tuple(positions - 1 for positions in sorted(self.seconds) if positions > 1)

    def ratio(self, positions: int) -> float:
        """Give a pass's seconds by those of a single step.

        Raises:
            ConfigError: such a pass was not measured.
        """
        if positions not in self.seconds:
            raise ConfigError(f"no pass of {positions} positions was measured; there are {sorted(self.seconds)}")
        return self.seconds[positions] / self.seconds[1]


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run saw of drafting."""

    rate: float
    """Accepted ÷ drafted tokens."""
    draft_tokens: int
    """In a draft."""
    tokens_per_pass: float
    """On average, passes without a draft included."""

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise ConfigError(f"{self.rate!r} of the drafted tokens are accepted; it must be above 0 and at most 1")
        if self.draft_tokens < 1:
            raise ConfigError(f"{self.draft_tokens!r} tokens are drafted; there must be at least 1")
        if not 0 < self.share <= 1:
            raise ConfigError(
                f"{self.tokens_per_pass!r} tokens a pass do not go with {self.rate!r} of {self.draft_tokens} accepted: "
                f"they are above 1, and at most {1 + self.rate * self.draft_tokens:g}"
            )

    @property
    def share(self) -> float:
        """Of the passes, those with a draft."""
        return (self.tokens_per_pass - 1) / (self.rate * self.draft_tokens)

    @property
    def acceptance(self) -> float:
        """Probability that a drafted token is accepted if those before it were; as in ``Speculation``."""
        return find_acceptance(self.rate, self.draft_tokens)


def find_acceptance(rate: float, draft_tokens: int) -> float:
    """Find the acceptance of a token from the share of drafted tokens that was accepted.

    A draft is thrown away from its first wrong token on, so the share is smaller: (E − 1) / k, where E is what a pass
    yields on average.

    Args:
        rate: accepted ÷ drafted tokens, in [0, 1].
        draft_tokens: k, at least 1.

    Raises:
        ConfigError: the rate is out of range.
    """
    if not 0 <= rate <= 1:
        raise ConfigError(f"{rate!r} of the drafted tokens are accepted; it must lie between 0 and 1")
    low, high = 0.0, 1.0  # the share grows with the acceptance
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (expected_tokens(middle, draft_tokens) - 1) / draft_tokens < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def measured_speed_up(costs: PassCosts, speculation: Speculation) -> float:
    """Give seconds a token without drafts ÷ with a draft in every pass; below 1 they are a loss.

    Raises:
        ConfigError: no pass that verifies such a draft was measured.
    """
    drafted = speculation.draft_tokens
    cost = costs.ratio(drafted + 1) + drafted * speculation.draft_share
    return expected_tokens(speculation.acceptance, drafted) / cost


def observed_speed_up(costs: PassCosts, observed: Observed) -> float:
    """Give what a run's own drafts, found at no cost in some passes, would make of these costs.

    Raises:
        ConfigError: no pass that verifies such a draft was measured.
    """
    return observed.tokens_per_pass / (1 + observed.share * (costs.ratio(observed.draft_tokens + 1) - 1))


def best_draft(costs: PassCosts, acceptance: float, *, draft_share: float = 0.0) -> tuple[int, float]:
    """Find the length of draft that pays most, among those measured.

    Args:
        costs: of passes.
        acceptance: of a drafted token, in [0, 1].
        draft_share: time of one pass of the draft model ÷ one of the model; 0 for n-grams.

    Returns:
        The length and its speed-up; 0 and 1.0 where no draft gains anything.
    """
    found = [(0, 1.0)]
    for drafted in costs.drafts:
        found.append((drafted, measured_speed_up(costs, Speculation(acceptance, drafted, draft_share))))
    return max(found, key=lambda one: one[1])


def break_even(costs: PassCosts, draft_tokens: int, *, draft_share: float = 0.0) -> float | None:
    """Find the acceptance from which on a draft of this length gains; None where it never does.

    Raises:
        ConfigError: no pass that verifies such a draft was measured.
    """
    cost = costs.ratio(draft_tokens + 1) + draft_tokens * draft_share
    if cost > draft_tokens + 1:
        return None
    return find_acceptance(max(0.0, (cost - 1) / draft_tokens), draft_tokens)
