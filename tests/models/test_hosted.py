from dataclasses import fields

import pytest

from abruzzi.errors import ConfigError
from abruzzi.models.hosted import TIERS, HostedLimits, find_limits


def test_no_tier_is_no_limit() -> None:
    assert find_limits("", "anything") == HostedLimits()


def test_the_free_tier_of_cerebras_as_it_was_told() -> None:
    limits = find_limits("cerebras-free", "gpt-oss-120b")
    assert (limits.requests_per_minute, limits.tokens_per_minute) == (5, 30_000)
    assert (limits.tokens_per_hour, limits.tokens_per_day) == (1_000_000, 1_000_000)


def test_no_tier_gives_more_in_a_short_time_than_in_a_long_one() -> None:
    for limits in (limits for tier in TIERS.values() for limits in tier.values()):
        for what in ("requests", "tokens"):
            known = [n for w in ("minute", "hour", "day") if (n := getattr(limits, f"{what}_per_{w}"))]
            assert known, "a tier without a figure says nothing"
            assert known == sorted(known)


def test_ones_own_limits_come_before_the_tiers() -> None:
    own = HostedLimits(tokens_per_minute=7, requests_per_day=9)
    found = own.over(find_limits("cerebras-free", "gpt-oss-120b"))
    assert found == HostedLimits(
        requests_per_minute=5,
        requests_per_day=9,
        tokens_per_minute=7,
        tokens_per_hour=1_000_000,
        tokens_per_day=1_000_000,
    )
    assert len(fields(HostedLimits)) == 6


@pytest.mark.parametrize(
    ("tier", "model", "message"),
    [
        ("cerebras-fre", "gpt-oss-120b", "did you mean 'cerebras-free'"),
        ("cerebras-free", "gpt-oss-12b", "did you mean 'gpt-oss-120b'"),
        ("cerebras-free", "mine", "set its limits instead"),
    ],
)
def test_what_is_not_known_is_refused_with_what_to_do(tier: str, model: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_limits(tier, model)
