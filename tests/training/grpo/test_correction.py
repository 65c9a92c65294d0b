"""Truncated importance weights by hand, and what they correct worked out over a whole vocabulary."""

from dataclasses import astuple
from math import inf, isnan, log, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import ConfigError, DataError
from abruzzi.training.grpo.correction import compare_sampler, sampler_weights
from tests.training.grpo.untyped import values

POLICY_V = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
SAMPLER_V = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64)

logprobs = st.lists(st.floats(-15, 0), min_size=1, max_size=20)


def test_by_hand() -> None:
    # 0.6/0.5 = 1.2; 0.9/0.3 = 3, cut at 2; 0.1/0.2 = 0.5; the sampler gave none: 1
    policy_T = torch.tensor([0.6, 0.9, 0.1, 0.7]).log()
    sampler_T = torch.tensor([0.5, 0.3, 0.2, nan]).log()
    assert values(sampler_weights(policy_T, sampler_T, cap=2)) == pytest.approx([1.2, 2, 0.5, 1])

    gap = compare_sampler(policy_T, sampler_T, cap=2)
    assert (gap.num_tokens, gap.num_unknown) == (3, 1)
    # |ln 1.2| + |ln 3| + |ln 0.5| = 0.182322 + 1.098612 + 0.693147 = 1.974081, ÷ 3
    assert gap.mean_difference == pytest.approx(0.658027, abs=1e-6)
    assert gap.max_difference == pytest.approx(1.098612, abs=1e-6)
    # w − 1 − ln w, w as it is before the cut: 0.017678 + 0.901388 + 0.193147 = 1.112213, ÷ 3
    assert gap.kl == pytest.approx(0.370738, abs=1e-6)
    assert gap.truncated == pytest.approx(1 / 3)
    # (1.2 + 2 + 0.5)² = 13.69; 3 · (1.44 + 4 + 0.25) = 17.07
    assert gap.effective == pytest.approx(13.69 / 17.07, abs=1e-6)


def test_untruncated_weights_turn_the_samplers_mean_into_the_policys() -> None:
    values_V = torch.tensor([1.0, -2.0, 5.0], dtype=torch.float64)
    weights_V = sampler_weights(POLICY_V.log(), SAMPLER_V.log(), cap=inf)
    torch.testing.assert_close((SAMPLER_V * weights_V * values_V).sum(), (POLICY_V * values_V).sum())


def test_truncation_takes_away_what_is_above_the_cap() -> None:
    # the first token's 2.5 becomes 2: 0.2 · 0.5 of the policy's probability goes missing
    weights_V = sampler_weights(POLICY_V.log(), SAMPLER_V.log(), cap=2)
    assert (SAMPLER_V * weights_V).sum().item() == pytest.approx(0.9)


def test_the_kl_is_that_of_the_sampler_to_the_policy() -> None:
    # tokens in the sampler's own proportions, 2 : 2 : 6
    policy_T, sampler_T = (x.log().repeat_interleave(torch.tensor([2, 2, 6])) for x in (POLICY_V, SAMPLER_V))
    # 0.2 ln 0.4 + 0.2 ln (2/3) + 0.6 ln 3 = −0.183258 − 0.081093 + 0.659167
    assert compare_sampler(policy_T, sampler_T).kl == pytest.approx(0.394816, abs=1e-6)


@given(logprobs)
def test_the_same_sampler_needs_no_correction(drawn: list[float]) -> None:
    policy_T = torch.tensor(drawn)
    assert values(sampler_weights(policy_T, policy_T)) == [1] * len(drawn)
    assert astuple(compare_sampler(policy_T, policy_T)) == (len(drawn), 0, 0, 0, 0, 0, 1)


@given(logprobs, st.floats(1, 5), st.integers(0, 1000))
def test_weights_stay_in_their_bounds(drawn: list[float], cap: float, seed: int) -> None:
    policy_T = torch.tensor(drawn)
    sampler_T = policy_T + torch.randn(len(drawn), generator=torch.Generator().manual_seed(seed))
    weights_T = sampler_weights(policy_T, sampler_T, cap=cap)
    assert (weights_T > 0).all()
    assert (weights_T <= torch.tensor(cap)).all()
    gap = compare_sampler(policy_T, sampler_T, cap=cap)
    assert gap.kl >= 0
    assert 0 < gap.effective <= 1 + 1e-9


def test_a_token_that_the_sampler_thought_impossible_weighs_the_cap() -> None:
    assert values(sampler_weights(torch.tensor([-1.0]), torch.tensor([-inf]), cap=2)) == [2]


def test_the_policys_own_nan_is_not_hidden() -> None:
    assert isnan(sampler_weights(torch.tensor([nan]), torch.tensor([-1.0])).item())


def test_weights_carry_no_gradient() -> None:
    policy_T = torch.tensor([log(0.5)], requires_grad=True)
    assert not sampler_weights(policy_T, torch.tensor([log(0.4)])).requires_grad


def test_nothing_to_compare_is_not_no_difference() -> None:
    gap = compare_sampler(torch.tensor([-1.0, -2.0]), torch.tensor([nan, nan]))
    assert (gap.num_tokens, gap.num_unknown) == (0, 2)
    assert all(map(isnan, (gap.mean_difference, gap.max_difference, gap.kl, gap.truncated, gap.effective)))


def test_misuse_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"at least 1.*got 0\.5"):
        sampler_weights(torch.zeros(1), torch.zeros(1), cap=0.5)
    with pytest.raises(ConfigError, match="got nan"):
        compare_sampler(torch.zeros(1), torch.zeros(1), cap=nan)
    with pytest.raises(DataError, match=r"\(2,\).*\(1,\)"):
        sampler_weights(torch.zeros(2), torch.zeros(1))
