"""What speculative decoding is worth: tokens a pass against what a pass then costs.

k tokens are drafted, and one pass verifies them. If each is accepted with probability a, independently, a pass yields

    1 + a + a² + … + a^k = (1 − a^(k+1)) / (1 − a)

tokens, the one that the model itself adds included (arXiv 2211.17192, equation 1). The pass has k + 1 positions, and
the draft takes k passes of its own, each a share of the model's; drafts from n-grams take nothing.

Real acceptance is not independent: text that is copied comes in runs. The formula is then a mean of the ends.
"""

from dataclasses import dataclass

from abruzzi.capacity.passes import decode_pass
from abruzzi.capacity.replica import Replica
from abruzzi.capacity.roofline import PassTime
from abruzzi.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Speculation:
    """How drafts are made and how well they fare."""

    acceptance: float
    """Probability that a drafted token is accepted, if those before it were; in [0, 1]."""
    draft_tokens: int
    """Drafted for each pass."""
    draft_share: float = 0.0
    """Time of one pass of the draft model ÷ one of the model; 0 for n-grams."""

    def __post_init__(self) -> None:
        if not 0 <= self.acceptance <= 1:
            raise ConfigError(f"the acceptance is {self.acceptance!r}; it must lie between 0 and 1")
        if self.draft_tokens < 1:
            raise ConfigError(f"{self.draft_tokens!r} tokens are drafted; there must be at least 1")
        if self.draft_share < 0:
            raise ConfigError(f"the draft's share of a pass is {self.draft_share!r}; it must be at least 0")


@dataclass(frozen=True, slots=True)
class Decode:
    """Decoding at one place in a completion."""

    pass_time: PassTime
    """One pass of the model."""
    draft_s: float
    """Drafting for it."""
    tokens_per_pass: float

    @property
    def seconds_per_token(self) -> float:
        """Of each sequence."""
        return (self.pass_time.seconds + self.draft_s) / self.tokens_per_pass


def expected_tokens(acceptance: float, draft_tokens: int) -> float:
    """Tokens that a pass yields on average; at least 1, at most ``draft_tokens`` + 1."""
    return sum(acceptance**power for power in range(draft_tokens + 1))


def decode(
    replica: Replica, *, sequences: int, context_tokens: float, speculation: Speculation | None = None
) -> Decode:
    """Time decoding, with drafts or without.

    Args:
        replica: the model on its machine.
        sequences: side by side.
        context_tokens: that each attends to.
        speculation: None for none.
    """
    plain = decode_pass(replica, sequences=sequences, context_tokens=context_tokens)
    if speculation is None:
        return Decode(plain, 0.0, 1.0)
    positions = speculation.draft_tokens + 1
    verifying = decode_pass(replica, sequences=sequences, context_tokens=context_tokens, positions=positions)
    return Decode(
        verifying,
        speculation.draft_tokens * speculation.draft_share * plain.seconds,
        expected_tokens(speculation.acceptance, speculation.draft_tokens),
    )


def speed_up(replica: Replica, *, sequences: int, context_tokens: float, speculation: Speculation) -> float:
    """Seconds a token without drafts ÷ with them; below 1 they are a loss."""
    plain = decode(replica, sequences=sequences, context_tokens=context_tokens)
    drafted = decode(replica, sequences=sequences, context_tokens=context_tokens, speculation=speculation)
    return plain.seconds_per_token / drafted.seconds_per_token
