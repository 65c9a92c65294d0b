"""The clipped loss by hand, its gradient against REINFORCE and finite differences, and that parts add up."""

from dataclasses import dataclass
from math import isnan, log, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from abruzzi.errors import ConfigError, DataError
from abruzzi.training.grpo.advantages import group_advantages
from abruzzi.training.grpo.aggregation import Aggregate, token_weights
from abruzzi.training.grpo.loss import LossMetrics, policy_loss
from tests.training.grpo.untyped import back_propagate, values

AGGREGATES: list[Aggregate] = ["token", "sequence", "constant"]
MAX_TOKENS = 6

# ratio, advantage → −gain: above the clip, below it but pushed up, above it but pushed down, below the clip, within
RATIOS = [1.5, 0.5, 1.5, 0.5, 1.1]
ADVANTAGES_T = torch.tensor([2.0, 2.0, -1.0, -1.0, 1.0])


def loss_of(
    policy_T: Tensor, old_T: Tensor, advantages_T: Tensor, weights_T: Tensor, *, dual_clip: float | None = None
) -> tuple[Tensor, LossMetrics]:
    return policy_loss(policy_T, old_T, advantages_T, weights_T, clip_low=0.2, clip_high=0.28, dual_clip=dual_clip)


def gradient(loss: Tensor, wrt: Tensor) -> Tensor:
    return torch.autograd.grad(loss, wrt)[0]


@dataclass(frozen=True)
class Step:
    """An optimiser step of random rollouts, one group; float64."""

    rewards: Tensor
    lengths: list[int]
    mask: Tensor
    rollouts: Tensor
    policy: Tensor
    old: Tensor
    sampler: Tensor

    def weights(self, aggregate: Aggregate) -> Tensor:
        return token_weights(self.mask, self.rollouts, aggregate=aggregate, max_tokens=MAX_TOKENS)

    def advantages(self) -> Tensor:
        return group_advantages(self.rewards, torch.ones_like(self.rewards), scale="none")[self.rollouts]


def make_step(seed: int, size: int = 6) -> Step:
    rng = torch.Generator().manual_seed(seed)
    lengths = values(torch.randint(1, MAX_TOKENS + 1, (size,), generator=rng))
    rollouts_T = torch.arange(size).repeat_interleave(torch.tensor(lengths))
    is_kept_G = torch.rand(size, generator=rng) < 0.8
    old_T = -3 * torch.rand(len(rollouts_T), generator=rng, dtype=torch.float64)
    return Step(
        rewards=torch.randint(0, 5, (size,), generator=rng) / 4,
        lengths=lengths,
        mask=is_kept_G[rollouts_T],
        rollouts=rollouts_T,
        policy=(old_T + 0.4 * torch.randn(old_T.shape, generator=rng, dtype=torch.float64)).requires_grad_(),
        old=old_T,
        sampler=torch.rand(old_T.shape, generator=rng, dtype=torch.float64) + 0.5,
    )


def test_by_hand() -> None:
    old_T = torch.tensor([-1.0, -2.0, -3.0, -1.5, -0.5, nan])
    policy_T = (old_T + torch.tensor([*RATIOS, nan]).log()).requires_grad_()
    advantages_T, weights_T = torch.cat([ADVANTAGES_T, torch.tensor([nan])]), torch.tensor([0.2] * 5 + [0])
    loss, metrics = loss_of(policy_T, old_T, advantages_T, weights_T)
    # min(3, 1.28 · 2) = 2.56; min(1, 0.8 · 2) = 1; min(−1.5, −1.28) = −1.5; min(−0.5, −0.8) = −0.8; 1.1
    # their sum 2.36, times −0.2
    assert loss.item() == pytest.approx(-0.472, abs=1e-6)
    # −0.2 · ratio · advantage, 0 where clipped, and 0 for the NaN that is masked
    assert values(gradient(loss, policy_T)) == pytest.approx([0, -0.2, 0.3, 0, -0.22, 0], abs=1e-6)

    assert metrics.num_tokens == 5
    assert metrics.clipped_low == metrics.clipped_high == pytest.approx(1 / 5)
    assert metrics.clipped_dual == 0
    assert metrics.mean_ratio == pytest.approx(5.1 / 5)  # (1.5 + 0.5 + 1.5 + 0.5 + 1.1) ÷ 5
    # ratio − 1 − ln ratio: twice 0.094535, twice 0.193147, once 0.004690, ÷ 5
    assert metrics.kl == pytest.approx(0.116011, abs=1e-6)


def test_sampler_weights_by_hand() -> None:
    policy_T = torch.tensor(RATIOS).log().requires_grad_()
    sampler_T = torch.tensor([1.0, 0.5, 2.0, 1.0, 1.0])
    loss, _ = policy_loss(
        policy_T,
        torch.zeros(5),
        ADVANTAGES_T,
        torch.full((5,), 0.2),
        clip_low=0.2,
        clip_high=0.28,
        sampler_weights_T=sampler_T,
    )
    # 2.56 + 0.5 · 1 + 2 · −1.5 − 0.8 + 1.1 = 0.36, times −0.2; gradients times 0.5 and 2
    assert loss.item() == pytest.approx(-0.072, abs=1e-6)
    assert values(gradient(loss, policy_T)) == pytest.approx([0, -0.1, 0.6, 0, -0.22], abs=1e-6)


def test_dual_clip_by_hand() -> None:
    # ratio 20: −min(−20, −1.28) = 20 without it, at most 10 with it, and then no gradient; ratio 5 is let through
    # ratio 20 with a positive advantage is clipped at 1.28 either way
    policy_T = torch.tensor([log(20), log(5), log(20)], requires_grad=True)
    advantages_T, weights_T = torch.tensor([-1.0, -1.0, 1.0]), torch.ones(3)
    plain, plain_metrics = loss_of(policy_T, torch.zeros(3), advantages_T, weights_T)
    assert plain.item() == pytest.approx(20 + 5 - 1.28, rel=1e-6)
    assert values(gradient(plain, policy_T)) == pytest.approx([20, 5, 0], rel=1e-6)
    assert plain_metrics.num_clipped_dual == 0

    dual, metrics = loss_of(policy_T, torch.zeros(3), advantages_T, weights_T, dual_clip=10)
    assert dual.item() == pytest.approx(10 + 5 - 1.28, rel=1e-6)
    assert values(gradient(dual, policy_T)) == pytest.approx([0, 5, 0], rel=1e-6)
    assert metrics.num_clipped_dual == 1
    assert (metrics.num_clipped_low, metrics.num_clipped_high) == (0, 1)


def test_a_ratio_at_the_clip_is_not_counted_as_clipped() -> None:
    policy_T = torch.tensor([0.5, 1.5]).log()
    _, metrics = policy_loss(
        policy_T, torch.zeros(2), torch.tensor([-1.0, 1.0]), torch.ones(2), clip_low=0.5, clip_high=0.5
    )
    assert (metrics.num_clipped_low, metrics.num_clipped_high) == (0, 0)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_on_policy_the_gradient_is_that_of_reinforce(aggregate: Aggregate) -> None:
    step = make_step(1)
    logits_TV = torch.randn(len(step.old), 7, dtype=torch.float64, requires_grad=True)
    tokens_T = torch.randint(0, 7, (len(step.old), 1))
    policy_T = logits_TV.log_softmax(1).gather(1, tokens_T)[:, 0]
    weights_T = step.weights(aggregate).double()
    loss, metrics = loss_of(policy_T, policy_T.detach(), step.advantages(), weights_T)
    # REINFORCE: −Σ w · A · ∇ log π; of softmax logits ∇ log π is the one-hot token less the probabilities
    one_hot_TV = torch.zeros_like(logits_TV).scatter(1, tokens_T, 1)
    expected_TV = -(weights_T * step.advantages())[:, None] * (one_hot_TV - logits_TV.softmax(1))
    torch.testing.assert_close(gradient(loss, logits_TV), expected_TV.detach())
    assert (metrics.mean_ratio, metrics.kl) == (1, 0)


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_those_of_finite_differences(aggregate: Aggregate, seed: int) -> None:
    step = make_step(seed)
    distances_T = (step.policy - step.old).exp()[:, None] - torch.tensor([0.8, 1.28, 1.4])
    assert distances_T.abs().min() > 1e-4  # not at a kink, where there is no gradient to compare

    def loss_only(policy_T: Tensor) -> Tensor:
        return policy_loss(
            policy_T,
            step.old,
            step.advantages(),
            step.weights(aggregate),
            clip_low=0.2,
            clip_high=0.28,
            dual_clip=1.4,
            sampler_weights_T=step.sampler,
        )[0]

    assert torch.autograd.gradcheck(loss_only, (step.policy,))


@given(st.integers(0, 10_000), st.sampled_from(AGGREGATES), st.integers(1, 5))
def test_micro_batches_of_any_cut_add_up_to_the_step(seed: int, aggregate: Aggregate, num_parts: int) -> None:
    step = make_step(seed)
    inputs_4T = torch.stack([step.policy, step.old, step.advantages(), step.weights(aggregate)])
    whole, whole_metrics = loss_of(*inputs_4T)
    part_T = torch.randint(0, num_parts, step.old.shape, generator=torch.Generator().manual_seed(seed))
    parts = [loss_of(*inputs_4T[:, part_T == part]) for part in range(num_parts)]

    total = torch.stack([loss for loss, _ in parts]).sum()
    torch.testing.assert_close(total, whole)
    torch.testing.assert_close(gradient(total, step.policy), gradient(whole, step.policy))
    metrics = sum((metrics for _, metrics in parts), LossMetrics())
    assert metrics.num_tokens == whole_metrics.num_tokens == step.mask.sum()
    if metrics.num_tokens:
        assert metrics.clipped_low == whole_metrics.clipped_low
        assert metrics.clipped_high == whole_metrics.clipped_high
        assert metrics.mean_ratio == pytest.approx(whole_metrics.mean_ratio)
        assert metrics.kl == pytest.approx(whole_metrics.kl)


@given(st.integers(0, 10_000), st.sampled_from(AGGREGATES))
def test_padded_and_flat_give_the_same(seed: int, aggregate: Aggregate) -> None:
    step = make_step(seed)
    flat, flat_metrics = loss_of(step.policy, step.old, step.advantages(), step.weights(aggregate))

    mask_BT = torch.arange(MAX_TOKENS) < torch.tensor(step.lengths)[:, None]

    def pad(flat_T: Tensor, filling: float) -> Tensor:
        return torch.full(mask_BT.shape, filling, dtype=flat_T.dtype).masked_scatter(mask_BT, flat_T)

    padded, padded_metrics = loss_of(
        pad(step.policy, nan), pad(step.old, nan), pad(step.advantages(), nan), pad(step.weights(aggregate), 0)
    )
    torch.testing.assert_close(padded, flat)
    assert padded_metrics == flat_metrics
    torch.testing.assert_close(gradient(padded, step.policy), gradient(flat, step.policy))


@given(st.integers(0, 10_000), st.sampled_from(AGGREGATES))
def test_a_masked_rollout_neither_moves_nor_dilutes(seed: int, aggregate: Aggregate) -> None:
    step = make_step(seed)
    loss, _ = loss_of(step.policy, step.old, step.advantages(), step.weights(aggregate))
    assert not gradient(loss, step.policy)[~step.mask].any()

    kept_T = step.mask
    weights_T = token_weights(kept_T[kept_T], step.rollouts[kept_T], aggregate=aggregate, max_tokens=MAX_TOKENS)
    alone, _ = loss_of(step.policy[kept_T], step.old[kept_T], step.advantages()[kept_T], weights_T)
    torch.testing.assert_close(alone, loss)


@given(st.integers(0, 10_000), st.sampled_from(AGGREGATES))
def test_the_order_of_the_rollouts_is_of_no_matter(seed: int, aggregate: Aggregate) -> None:
    step = make_step(seed)
    loss, _ = loss_of(step.policy, step.old, step.advantages(), step.weights(aggregate))
    order_G = torch.randperm(len(step.lengths), generator=torch.Generator().manual_seed(seed))
    order_T = torch.cat([(step.rollouts == rollout).nonzero()[:, 0] for rollout in order_G])
    rollouts_T = order_G.argsort()[step.rollouts[order_T]]
    advantages_G = group_advantages(step.rewards[order_G], torch.ones_like(step.rewards), scale="none")
    weights_T = token_weights(step.mask[order_T], rollouts_T, aggregate=aggregate, max_tokens=MAX_TOKENS)
    shuffled, _ = loss_of(step.policy[order_T], step.old[order_T], advantages_G[rollouts_T], weights_T)
    torch.testing.assert_close(shuffled, loss)
    torch.testing.assert_close(gradient(shuffled, step.policy), gradient(loss, step.policy))


@given(st.integers(0, 10_000), st.sampled_from(AGGREGATES), st.integers(-3, 3), st.sampled_from([0.5, 4.0]))
def test_rewards_shifted_change_nothing_and_scaled_scale_the_gradient(
    seed: int, aggregate: Aggregate, shift: int, unit: float
) -> None:
    step = make_step(seed)
    loss, _ = loss_of(step.policy, step.old, step.advantages(), step.weights(aggregate))
    other_G = group_advantages(unit * step.rewards + shift, torch.ones_like(step.rewards), scale="none")
    other, _ = loss_of(step.policy, step.old, other_G[step.rollouts], step.weights(aggregate))
    torch.testing.assert_close(other, unit * loss, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(gradient(other, step.policy), unit * gradient(loss, step.policy), atol=1e-6, rtol=1e-5)


def test_only_the_policys_logprobs_receive_a_gradient() -> None:
    inputs = [torch.tensor([-1.0, -2.0], requires_grad=True) for _ in range(4)]
    sampler_T = torch.ones(2, requires_grad=True)
    loss, _ = policy_loss(
        inputs[0], inputs[1], inputs[2], inputs[3], clip_low=0.2, clip_high=0.2, sampler_weights_T=sampler_T
    )
    back_propagate(loss)
    assert [tensor.grad is not None for tensor in [*inputs, sampler_T]] == [True, False, False, False, False]


def test_nothing_to_train_on_is_a_loss_of_zero_and_shares_of_nothing() -> None:
    policy_T = torch.tensor([-1.0, -2.0], requires_grad=True)
    loss, metrics = loss_of(policy_T, torch.zeros(2), torch.ones(2), torch.zeros(2))
    assert loss.item() == 0
    assert values(gradient(loss, policy_T)) == [0, 0]
    assert metrics == LossMetrics()
    assert all(map(isnan, (metrics.clipped_low, metrics.clipped_high, metrics.clipped_dual, metrics.kl)))
    assert isnan(metrics.mean_ratio)


def test_a_policy_that_broke_shows_in_the_loss() -> None:
    loss, _ = loss_of(torch.tensor([nan, -1.0]), torch.zeros(2), torch.ones(2), torch.ones(2))
    assert isnan(loss.item())


@pytest.mark.parametrize(
    ("clip_low", "clip_high", "dual_clip", "named"),
    [
        (-0.1, 0.2, None, "clip_low"),
        (1.1, 0.2, None, "clip_low"),
        (nan, 0.2, None, "clip_low"),
        (0.2, -0.1, None, "clip_high"),
        (0.2, nan, None, "clip_high"),
        (0.2, 0.28, 1.28, "dual_clip must be above"),
        (0.2, 0.28, 0.5, "dual_clip"),
    ],
)
def test_clips_out_of_range_are_refused(clip_low: float, clip_high: float, dual_clip: float | None, named: str) -> None:
    one_T = torch.ones(1)
    with pytest.raises(ConfigError, match=named):
        policy_loss(one_T, one_T, one_T, one_T, clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip)


def test_shapes_must_agree_and_nothing_is_broadcast() -> None:
    with pytest.raises(DataError, match=r"\(2, 3\), \(2, 3\), \(2, 1\), \(2, 3\)"):
        loss_of(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 1), torch.ones(2, 3))
