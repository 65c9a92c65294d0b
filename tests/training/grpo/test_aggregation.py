"""The weights of tokens by hand, and that parts are parts of a whole."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from abruzzi.errors import ConfigError, DataError
from abruzzi.training.grpo.aggregation import Aggregate, StepSize, measure_step, token_weights
from tests.training.grpo.untyped import values

AGGREGATES: list[Aggregate] = ["token", "sequence", "constant"]
MAX_TOKENS = 5

# three tokens of rollout 0, one of rollout 1; rollout 2 is truncated
MASK_T = torch.tensor([1, 1, 1, 1, 0, 0])
ROLLOUTS_T = torch.tensor([0, 0, 0, 1, 2, 2])


def weigh(mask_T: Tensor, rollouts_T: Tensor, aggregate: Aggregate, step: StepSize | None = None) -> Tensor:
    return token_weights(mask_T, rollouts_T, aggregate=aggregate, max_tokens=MAX_TOKENS, step=step)


def flatten(lengths: list[int], kept: list[bool]) -> tuple[Tensor, Tensor]:
    rollouts_T = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    return torch.tensor(kept)[rollouts_T], rollouts_T


steps = st.lists(st.tuples(st.integers(1, MAX_TOKENS), st.booleans()), min_size=1, max_size=8).map(
    lambda rows: flatten([length for length, _ in rows], [is_kept for _, is_kept in rows])
)


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("token", [1 / 4] * 4),  # four trained tokens
        ("sequence", [1 / 6] * 3 + [1 / 2]),  # two rollouts: 1 ÷ (3 · 2) and 1 ÷ (1 · 2)
        ("constant", [1 / 10] * 4),  # 1 ÷ (5 · 2)
    ],
)
def test_by_hand(aggregate: Aggregate, expected: list[float]) -> None:
    weights_T = weigh(MASK_T, ROLLOUTS_T, aggregate)
    torch.testing.assert_close(weights_T, torch.tensor([*expected, 0, 0]))
    assert weights_T.dtype == torch.float32
    assert measure_step(MASK_T, ROLLOUTS_T) == StepSize(num_tokens=4, num_rollouts=2)


@given(steps)
def test_what_they_sum_to(step: tuple[Tensor, Tensor]) -> None:
    size = measure_step(*step)
    total = 1.0 if size.num_tokens else 0.0
    mean_length = size.num_tokens / max(size.num_rollouts, 1)
    assert weigh(*step, "token").sum().item() == pytest.approx(total, abs=1e-6)
    assert weigh(*step, "sequence").sum().item() == pytest.approx(total, abs=1e-6)
    assert weigh(*step, "constant").sum().item() == pytest.approx(mean_length / MAX_TOKENS, abs=1e-6)


@given(steps, st.sampled_from(AGGREGATES), st.integers(0, 1000))
def test_the_order_of_the_tokens_is_of_no_matter(step: tuple[Tensor, Tensor], aggregate: Aggregate, seed: int) -> None:
    mask_T, rollouts_T = step
    order_T = torch.randperm(len(mask_T), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(
        weigh(mask_T[order_T], rollouts_T[order_T], aggregate), weigh(mask_T, rollouts_T, aggregate)[order_T]
    )


@given(steps, st.sampled_from(AGGREGATES))
def test_a_rollout_that_is_masked_whole_is_as_though_absent(step: tuple[Tensor, Tensor], aggregate: Aggregate) -> None:
    mask_T, rollouts_T = step
    kept_T = mask_T.bool()
    assert torch.equal(
        weigh(mask_T, rollouts_T, aggregate)[kept_T], weigh(mask_T[kept_T], rollouts_T[kept_T], aggregate)
    )
    assert not weigh(mask_T, rollouts_T, aggregate)[~kept_T].any()


@given(steps, steps, st.sampled_from(AGGREGATES))
def test_parts_that_know_the_step_are_weighed_as_in_the_whole(
    first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], aggregate: Aggregate
) -> None:
    size = measure_step(*first) + measure_step(*second)
    mask_T = torch.cat([first[0], second[0]])
    rollouts_T = torch.cat([first[1], second[1] + first[1].max() + 1])
    assert size == measure_step(mask_T, rollouts_T)
    parts_T = torch.cat([weigh(*first, aggregate, size), weigh(*second, aggregate, size)])
    assert torch.equal(parts_T, weigh(mask_T, rollouts_T, aggregate))


def test_what_is_padded_becomes_flat_by_its_mask() -> None:
    mask_BT = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0]]).bool()
    rollouts_T = mask_BT.nonzero()[:, 0]
    assert values(rollouts_T) == [0, 0, 1, 1, 1, 2]
    weights_T = weigh(torch.ones(6), rollouts_T, "sequence")
    assert values(weights_T) == pytest.approx([1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9, 1 / 3])


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_nothing_to_train_on_weighs_nothing(aggregate: Aggregate) -> None:
    assert values(weigh(torch.zeros(3), torch.tensor([0, 0, 1]), aggregate)) == [0, 0, 0]
    assert values(weigh(torch.zeros(0), torch.zeros(0, dtype=torch.int64), aggregate)) == []


@pytest.mark.parametrize("max_tokens", [None, 0])
def test_constant_needs_the_limit(max_tokens: int | None) -> None:
    with pytest.raises(ConfigError, match="max_tokens"):
        token_weights(MASK_T, ROLLOUTS_T, aggregate="constant", max_tokens=max_tokens)


def test_padded_masks_are_refused() -> None:
    with pytest.raises(DataError, match=r"x_BT\[mask_BT\]"):
        weigh(torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.int64), "token")
    with pytest.raises(DataError, match=r"shape \(2,\)"):
        weigh(torch.ones(2), torch.zeros(3, dtype=torch.int64), "token")
