"""What hosted endpoints let an account have: requests and tokens per minute, hour and day.

The figures of a tier are facts of a day, not promises: makers change them, and one's own account may have others. They
are here so that admission can begin before the first reply; whatever the settings say comes before them, and what the
headers of a reply say of what remains only ever lowers the account.

Cerebras, as of 2026-07-18, from a third party's digest of https://inference-docs.cerebras.ai/support/rate-limits:
capacity comes back all the time (a token bucket), a request is charged its prompt and its ``max_completion_tokens``
when it comes in, limits are of the organisation and of each model. There, cached tokens count against a second, larger
limit; here all tokens count alike, which errs to the careful side. An older copy of the same page gave the free tier
30 requests and 60,000 tokens a minute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from abruzzi.config import suggest
from abruzzi.errors import ConfigError

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class HostedLimits:
    """What may be used; 0 is no limit, or none that is known."""

    requests_per_minute: int = 0
    requests_per_hour: int = 0
    requests_per_day: int = 0
    tokens_per_minute: int = 0
    """Prompt and completion together."""
    tokens_per_hour: int = 0
    tokens_per_day: int = 0

    def over(self, other: "HostedLimits") -> "HostedLimits":
        """Take these limits where they are set, and the other's elsewhere."""
        return HostedLimits(*(getattr(self, f.name) or getattr(other, f.name) for f in fields(self)))


_CEREBRAS_FREE = HostedLimits(
    requests_per_minute=5, tokens_per_minute=30_000, tokens_per_hour=1_000_000, tokens_per_day=1_000_000
)
TIERS: Mapping[str, Mapping[str, HostedLimits]] = {
    "cerebras-free": {
        "gpt-oss-120b": _CEREBRAS_FREE,
        "zai-glm-4.7": _CEREBRAS_FREE,
        "gemma-4-31b": _CEREBRAS_FREE,
    },
    "cerebras-developer": {
        "gpt-oss-120b": HostedLimits(requests_per_minute=1000, tokens_per_minute=1_000_000),
        "zai-glm-4.7": HostedLimits(requests_per_minute=500, tokens_per_minute=500_000),
        "gemma-4-31b": HostedLimits(requests_per_minute=300, tokens_per_minute=500_000),
    },
}
"""By tier, then by the model's name at the endpoint."""


def find_limits(tier: str, model: str) -> HostedLimits:
    """Look a tier's limits for a model up.

    Args:
        tier: a name in ``TIERS``; empty for none, which has no limits.
        model: its name at the endpoint.

    Raises:
        ConfigError: the tier is not known, or has no figures for the model.
    """
    if not tier:
        return HostedLimits()
    if tier not in TIERS:
        raise ConfigError(f"unknown tier {tier!r}{suggest(tier, TIERS)}; without a tier, set the limits themselves")
    if model not in TIERS[tier]:
        raise ConfigError(
            f"nothing is known of {model!r} in the tier {tier!r}{suggest(model, TIERS[tier])}; set its limits instead: "
            "requests_per_minute, tokens_per_minute and so on"
        )
    return TIERS[tier][model]
