"""Advantages by hand, and what must not change them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from abruzzi.errors import DataError
from abruzzi.training.grpo.advantages import AdvantageScale, group_advantages, is_informative
from tests.training.grpo.untyped import values

NAN = math.nan
SCALES: list[AdvantageScale] = ["none", "std"]

Group = tuple[list[float], list[bool]]


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """Draw rewards in eighths, which float32 holds exactly, and who was judged."""
    size = draw(st.integers(1, 9))
    rewards = draw(st.lists(st.integers(-8, 8).map(lambda n: n / 8), min_size=size, max_size=size))
    return rewards, draw(st.lists(st.booleans(), min_size=size, max_size=size))


def advantages(rewards: list[float], mask: list[bool] | None = None, scale: AdvantageScale = "none") -> Tensor:
    mask_G = torch.tensor([True] * len(rewards) if mask is None else mask)
    return group_advantages(torch.tensor(rewards), mask_G, scale=scale)


def assert_close(actual: Tensor, expected: Tensor | list[float]) -> None:
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=torch.float32), atol=1e-5, rtol=1e-5)


def test_two_of_four_solved_by_hand() -> None:
    # mean 1/2; deviations ±1/2, their squares sum to 1, ÷ 3 gives 1/3, the root 0.577350; 0.5 ÷ 0.577350 = 0.866025
    assert_close(advantages([1, 0, 0, 1]), [0.5, -0.5, -0.5, 0.5])
    assert_close(advantages([1, 0, 0, 1], scale="std"), [0.866025, -0.866025, -0.866025, 0.866025])


def test_one_of_five_solved_by_hand() -> None:
    # mean 0.2; 0.8² + 4 · 0.2² = 0.8, ÷ 4 = 0.2, root 0.447214; 0.8 and −0.2 ÷ 0.447214 = 1.788854 and −0.447214
    assert_close(advantages([0, 0, 1, 0, 0]), [-0.2, -0.2, 0.8, -0.2, -0.2])
    assert_close(advantages([0, 0, 1, 0, 0], scale="std"), [-0.447214, -0.447214, 1.788854, -0.447214, -0.447214])


def test_what_was_not_judged_is_in_neither_mean_nor_spread() -> None:
    # of 1, 0 and 0.5 the mean is 0.5; squares 0.25 + 0.25 + 0 = 0.5, ÷ 2 = 0.25, root 0.5
    mask = [True, True, False, True]
    assert_close(advantages([1, 0, NAN, 0.5], mask), [0.5, -0.5, 0, 0])
    assert_close(advantages([1, 0, NAN, 0.5], mask, "std"), [1, -1, 0, 0])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("rewards", "mask"),
    [
        ([1, 1, 1], [True, True, True]),
        ([0, 0, 1], [True, True, False]),  # the only different one was not judged
        ([1, 0, 0], [True, False, False]),
        ([NAN, NAN], [False, False]),
        ([1], [True]),
        ([], []),
        ([0.3000001, 0.3, 0.3], [True, True, True]),  # equal but for rounding, three units in the last place
    ],
)
def test_a_group_that_teaches_nothing_is_zeros(rewards: list[float], mask: list[bool], scale: AdvantageScale) -> None:
    assert not is_informative(torch.tensor(rewards), torch.tensor(mask, dtype=torch.bool))
    found_G = group_advantages(torch.tensor(rewards), torch.tensor(mask, dtype=torch.bool), scale=scale)
    assert values(found_G) == [0.0] * len(rewards)
    assert found_G.dtype == torch.float32


def test_a_small_difference_is_a_difference() -> None:
    # mean 0.505, deviations ±0.005; with n − 1 the deviation of two numbers is their distance ÷ √2
    assert is_informative(torch.tensor([0.51, 0.50]), torch.ones(2))
    assert_close(advantages([0.51, 0.50], scale="std"), [0.707107, -0.707107])


@given(groups(), st.sampled_from(SCALES))
def test_they_sum_to_zero_and_differ_from_zero_where_the_group_is_informative(
    group: Group, scale: AdvantageScale
) -> None:
    found_G = advantages(*group, scale)
    rewards_G, mask_G = torch.tensor(group[0]), torch.tensor(group[1])
    assert abs(found_G.sum()) < 1e-5
    assert found_G.any() == is_informative(rewards_G, mask_G)
    assert not found_G[~mask_G].any()


@given(groups(), st.integers(-4, 4), st.sampled_from(SCALES))
def test_the_same_added_to_every_reward_changes_nothing(group: Group, shift: int, scale: AdvantageScale) -> None:
    rewards, mask = group
    assert_close(advantages([reward + shift for reward in rewards], mask, scale), advantages(rewards, mask, scale))


@given(groups(), st.sampled_from([0.25, 2.0, 10.0]))
def test_another_unit_of_reward_scales_them_or_with_std_leaves_them(group: Group, unit: float) -> None:
    rewards, mask = group
    scaled = [reward * unit for reward in rewards]
    assert_close(advantages(scaled, mask), unit * advantages(rewards, mask))
    assert_close(advantages(scaled, mask, "std"), advantages(rewards, mask, "std"))


@given(groups(), st.integers(0, 1000), st.sampled_from(SCALES))
def test_the_order_of_the_rollouts_is_of_no_matter(group: Group, seed: int, scale: AdvantageScale) -> None:
    rewards_G, mask_G = torch.tensor(group[0]), torch.tensor(group[1])
    order_G = torch.randperm(len(rewards_G), generator=torch.Generator().manual_seed(seed))
    shuffled_G = group_advantages(rewards_G[order_G], mask_G[order_G], scale=scale)
    assert_close(shuffled_G, group_advantages(rewards_G, mask_G, scale=scale)[order_G])


@given(groups(), st.sampled_from(SCALES))
def test_a_masked_rollout_is_as_though_it_had_not_been_sampled(group: Group, scale: AdvantageScale) -> None:
    rewards, mask = group
    assert_close(advantages([*rewards, NAN], [*mask, False], scale)[:-1], advantages(rewards, mask, scale))


def test_a_judged_reward_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="a judged reward is nan"):
        advantages([1, NAN])
    with pytest.raises(DataError, match="a judged reward is inf"):
        is_informative(torch.tensor([math.inf, 0]), torch.ones(2))


def test_more_than_one_group_at_a_time_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \(2, 2\)"):
        group_advantages(torch.zeros(2, 2), torch.ones(2, 2), scale="none")
    with pytest.raises(DataError, match=r"a mask of shape \(3,\)"):
        group_advantages(torch.zeros(2), torch.ones(3), scale="none")
