"""The update on a model of two layers, against hand-worked losses and torch's own gradients of each sequence alone."""

import random
from collections.abc import Iterable, Sequence
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from abruzzi.errors import TrainingError
from abruzzi.nouns import FinishReason, Verdict
from abruzzi.training.grpo.collect import Scored
from abruzzi.training.grpo.kl import k3
from abruzzi.training.grpo.rollouts import Prompt, Rollout, RolloutGroup, Sampled
from abruzzi.training.grpo.update import Update, update_policy
from abruzzi.training.policy import Policy
from abruzzi.training.recipe import GrpoSettings
from abruzzi.training.seeds import seed_torch
from tests.training.grpo.untyped import back_propagate
from tests.training.toys import (
    OUTCOMES,
    copy_weights,
    grpo_settings,
    make_lora_policy,
    make_policy,
    make_prompts,
    save_base,
)

FREE = 1e9
"""A limit of the gradient's norm that is never reached."""


def alone(policy: Policy, prompt: Sequence[int], completion: Sequence[int]) -> Tensor:
    """Log-probabilities of a completion's tokens, by a forward pass of this sequence and no other."""
    ids = torch.tensor([[*prompt, *completion]])
    logits = policy.model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]


@torch.no_grad()
def sampled(policy: Policy, prompt: Prompt, ids: Sequence[int], *, is_cut: bool, surplus: float = 0.0) -> Sampled:
    """A completion whose log-probabilities are the policy's own, less a surplus."""
    logprobs = alone(policy, prompt.ids, ids) - surplus
    return Sampled(tuple(ids), tuple(map(float, logprobs)), FinishReason.LENGTH if is_cut else FinishReason.STOP)


def make_group(
    policy: Policy, prompt: Prompt, completions: Sequence[Sequence[int]], advantages: Sequence[float], **more: Any
) -> Scored:
    """``letters`` say which outcome each has (r, w, t…), c that it was cut; ``surplus`` as for ``sampled``."""
    letters: str = more.get("letters", "r" * len(completions))
    rollouts = tuple(
        Rollout(
            sampled(policy, prompt, ids, is_cut=letter == "c", surplus=more.get("surplus", 0.0)),
            "",
            Verdict(OUTCOMES.get(letter, OUTCOMES["u"]), 0.0, None, ""),
        )
        for ids, letter in zip(completions, letters, strict=True)
    )
    mask = tuple(rollout.is_judged for rollout in rollouts)
    return Scored(RolloutGroup(prompt, rollouts), (0.0,) * len(rollouts), mask, tuple(advantages))


def make_groups(policy: Policy, *, seed: int = 0, count: int = 4) -> list[Scored]:
    """Groups of completions of random tokens and lengths."""
    rng = random.Random(seed)
    size = len(policy.tokenizer)
    groups: list[Scored] = []
    for prompt in make_prompts(policy.tokenizer, count):
        completions = [[rng.randrange(size) for _ in range(rng.randint(1, 14))] for _ in range(4)]
        groups.append(make_group(policy, prompt, completions, [rng.uniform(-1, 1) for _ in range(4)]))
    return groups


def do_update(policy: Policy, groups: Sequence[Scored], *, lr: float = 0.1, **changes: Any) -> Update:
    """Update by plain gradient descent, so that a weight's change says what its gradient was."""
    start: dict[str, Tensor] | None = changes.pop("start", None)
    settings: GrpoSettings = grpo_settings(**{"max_grad_norm": FREE} | changes)
    optimizer = torch.optim.SGD(policy.trained().values(), lr=lr)
    update = update_policy(policy, optimizer, groups, settings, start=start)
    assert update is not None
    return update


def gradients(policy: Policy) -> dict[str, Tensor]:
    return {name: weight.grad.clone() for name, weight in policy.trained().items() if weight.grad is not None}


def norm_of(tensors: Iterable[Tensor]) -> float:
    return sum(float(tensor.square().sum()) for tensor in tensors) ** 0.5


def stir(policy: Policy, *, seed: int = 3, strength: float = 0.1) -> Policy:
    seed_torch(seed)
    with torch.no_grad():
        for weight in policy.trained().values():
            weight.add_(torch.randn_like(weight), alpha=strength)
    return policy


def make(kind: str, folder: Path) -> Policy:
    """A policy whose adapter, if it has one, says something."""
    return make_policy() if kind == "full" else stir(make_lora_policy(save_base(folder)))


def test_loss_by_hand() -> None:
    """The ratio is 1, so that the loss is minus the weighted mean of the advantages."""
    policy = make_policy()
    first, second = make_prompts(policy.tokenizer, 2)
    groups = [
        make_group(policy, first, [[5, 6, 7], [8]], [1.0, -1.0]),
        make_group(policy, second, [[9, 10], [11, 12]], [2.0, -0.5]),
    ]
    # token: 3 · 1 − 1 · 1 + 2 · 2 − 2 · 0.5 = 5 over 8 tokens
    assert do_update(policy, groups, lr=0, aggregate="token").loss == pytest.approx(-5 / 8, abs=1e-6)
    # sequence: (1 − 1 + 2 − 0.5) over 4 rollouts
    assert do_update(policy, groups, lr=0, aggregate="sequence").loss == pytest.approx(-1.5 / 4, abs=1e-6)
    # constant: 5 over 4 rollouts of at most 12 tokens
    assert do_update(policy, groups, lr=0, aggregate="constant").loss == pytest.approx(-5 / 48, abs=1e-6)


def test_the_samplers_difference_is_corrected_up_to_the_cap() -> None:
    policy = make_policy()
    (prompt,) = make_prompts(policy.tokenizer, 1)
    completions, advantages = [[5, 6, 7], [8]], [1.0, -1.0]
    # The sampler thought each token 1.5 times less likely than the policy does: each weighs 1.5; −(3 − 1) / 4 · 1.5
    mild = [make_group(policy, prompt, completions, advantages, surplus=log(1.5))]
    update = do_update(policy, mild, lr=0)
    assert update.loss == pytest.approx(-0.75, abs=1e-5)
    assert update.gap.mean_difference == pytest.approx(log(1.5), abs=1e-5)
    # Ten times: truncated at 2
    wild = [make_group(policy, prompt, completions, advantages, surplus=log(10))]
    assert do_update(policy, wild, lr=0).loss == pytest.approx(-1.0, abs=1e-5)
    assert do_update(policy, wild, lr=0, correction_cap=3.0).loss == pytest.approx(-1.5, abs=1e-5)


@pytest.mark.parametrize("kl_coef", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_gradient_is_that_of_the_weighted_logprobs(kind: str, kl_coef: float, tmp_path: Path) -> None:
    policy = make(kind, tmp_path)
    groups = make_groups(policy)
    start = copy_weights(stir(make(kind, tmp_path), seed=5, strength=0.05))
    flat = [
        (scored.group.prompt.ids, rollout.sampled.ids, advantage)
        for scored in groups
        for rollout, advantage in zip(scored.group.rollouts, scored.advantages_G, strict=True)
    ]
    total = sum(len(ids) for _, ids, _ in flat)
    own = copy_weights(policy)
    for name, weight in policy.trained().items():
        weight.data.copy_(start[name])
    with torch.no_grad():
        references = [alone(policy, prompt, ids) for prompt, ids, _ in flat]
    for name, weight in policy.trained().items():
        weight.data.copy_(own[name])
    loss = torch.zeros(())
    for (prompt, ids, advantage), reference in zip(flat, references, strict=True):
        logprobs = alone(policy, prompt, ids)
        loss = loss - advantage * logprobs.sum() / total + kl_coef * k3(logprobs, reference).sum() / total
    back_propagate(loss)
    wanted = gradients(policy)

    update = do_update(policy, groups, lr=0.1, start=start, kl_coef=kl_coef, pack_tokens=64)
    found = gradients(policy)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=2e-6, rtol=1e-4)
        torch.testing.assert_close(policy.trained()[name], own[name] - 0.1 * gradient, atol=1e-6, rtol=0)
    assert update.grad_norm == pytest.approx(norm_of(wanted.values()), rel=1e-4)


@pytest.mark.parametrize("aggregate", ["token", "sequence", "constant"])
def test_packs_add_up_to_the_same_weights(aggregate: str) -> None:
    outcomes: list[tuple[Update, dict[str, Tensor]]] = []
    start = copy_weights(stir(make_policy()))
    for pack_tokens in (1, 64, 4096):
        policy = make_policy()
        groups = make_groups(policy)
        update = do_update(policy, groups, pack_tokens=pack_tokens, aggregate=aggregate, start=start)
        outcomes.append((update, copy_weights(policy)))
    whole, weights = outcomes[-1]
    assert outcomes[0][0].num_tokens > whole.num_tokens, "in packs of one completion each has the prompt"
    for update, others in outcomes[:-1]:
        for name, weight in weights.items():
            torch.testing.assert_close(others[name], weight, atol=1e-6, rtol=0)
        for name in ("loss", "grad_norm", "entropy", "kl_to_start"):
            assert getattr(update, name) == pytest.approx(getattr(whole, name), abs=1e-5)
        assert update.metrics.num_tokens == whole.metrics.num_tokens


def test_the_gradient_is_clipped_by_its_norm() -> None:
    policy = make_policy()
    groups, before = make_groups(policy), copy_weights(policy)
    free = do_update(make_policy(), groups, lr=1.0)
    limit = free.grad_norm / 4
    update = do_update(policy, groups, lr=1.0, max_grad_norm=limit)
    assert update.grad_norm == pytest.approx(free.grad_norm, rel=1e-5), "what is told is the norm before"
    steps = [weight.detach() - before[name] for name, weight in policy.trained().items()]
    assert norm_of(steps) == pytest.approx(limit, rel=1e-3)


def test_entropy_is_the_mean_over_trained_tokens() -> None:
    policy = make_policy()
    (scored,) = make_groups(policy, count=1)
    entropies: list[Tensor] = []
    with torch.no_grad():
        for rollout in scored.group.rollouts:
            ids = torch.tensor([[*scored.group.prompt.ids, *rollout.sampled.ids]])
            logits = policy.model(input_ids=ids).logits[0, len(scored.group.prompt.ids) - 1 : -1]
            entropies.append(torch.distributions.Categorical(logits=logits).entropy())
    wanted = float(torch.cat(entropies).mean())
    assert do_update(policy, [scored], lr=0).entropy == pytest.approx(wanted, rel=1e-5)


def test_a_sampler_with_the_same_weights_needs_no_correction() -> None:
    policy = make_policy()
    gap = do_update(policy, make_groups(policy)).gap
    assert gap.kl == pytest.approx(0, abs=1e-6)
    assert gap.effective == pytest.approx(1, abs=1e-5)
    assert gap.truncated == 0


def test_kl_to_the_start_is_0_there_and_grows() -> None:
    policy = make_policy()
    groups, start = make_groups(policy), copy_weights(policy)
    found = [do_update(policy, groups, lr=2.0, start=start).kl_to_start for _ in range(4)]
    assert found[0] is not None
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert all(value is not None and value > 1e-3 for value in found[1:])
    assert do_update(policy, groups).kl_to_start is None, "not asked for"


def test_the_penalty_pulls_back_to_the_start() -> None:
    """With advantages of 0 nothing else moves the weights: the distance shrinks step by step."""
    start = copy_weights(make_policy())

    def distances(kl_coef: float) -> list[float]:
        policy = stir(make_policy(), strength=0.2)
        prompts = make_prompts(policy.tokenizer, 2)
        rng = random.Random(1)
        completions = [[[rng.randrange(200) for _ in range(8)] for _ in range(3)] for _ in prompts]
        groups = [
            make_group(policy, prompt, three, [0.0, 0.0, 0.0])
            for prompt, three in zip(prompts, completions, strict=True)
        ]
        updates = [do_update(policy, groups, lr=0.05, start=start, kl_coef=kl_coef) for _ in range(6)]
        return [float(update.kl_to_start or 0.0) for update in updates]

    pulled, free = distances(1.0), distances(0.0)
    assert pulled == sorted(pulled, reverse=True)
    assert pulled[-1] < 0.8 * pulled[0]
    assert free == pytest.approx([pulled[0]] * 6, rel=1e-4)


def test_the_start_is_looked_at_and_left_again() -> None:
    policy = stir(make_policy())
    groups, own = make_groups(policy), copy_weights(policy)
    do_update(policy, groups, lr=0, start=copy_weights(make_policy()), kl_coef=0.5)
    assert all(torch.equal(weight, own[name]) for name, weight in policy.trained().items())


def test_masked_rollouts_are_as_though_they_were_not_there() -> None:
    """Without a verdict, or cut: their tokens are in no gradient, whatever their advantage."""

    def after(completions: list[list[int]], advantages: list[float], letters: str, **changes: Any) -> Any:
        policy = make_policy()
        (prompt,) = make_prompts(policy.tokenizer, 1)
        group = make_group(policy, prompt, completions, advantages, letters=letters)
        return do_update(policy, [group], **changes), copy_weights(policy)

    update, weights = after([[5, 6], [7], [8, 9], [10]], [1.0, -1.0, 0.4, -0.4], "rwct")
    wanted, wanted_weights = after([[5, 6], [7]], [1.0, -1.0], "rw")
    assert update == wanted
    assert all(torch.equal(weights[name], wanted_weights[name]) for name in weights)
    kept, _ = after([[5, 6], [7], [8, 9], [10]], [1.0, -1.0, 0.4, -0.4], "rwct", mask_truncated=False)
    assert kept.metrics.num_tokens == 5, "the cut one, but not the one without a verdict"


@pytest.mark.parametrize("letters", ["cc", "te", "ct"])
def test_nothing_to_train_on_is_no_update(letters: str) -> None:
    policy = make_policy()
    (prompt,) = make_prompts(policy.tokenizer, 1)
    group = make_group(policy, prompt, [[5], [6]], [1.0, -1.0], letters=letters)
    optimizer = torch.optim.SGD(policy.trained().values(), lr=1.0)
    before = copy_weights(policy)
    assert update_policy(policy, optimizer, [group], grpo_settings(), start=None) is None
    assert update_policy(policy, optimizer, [], grpo_settings(), start=None) is None
    assert all(torch.equal(weight, before[name]) for name, weight in policy.trained().items())


def test_a_loss_that_is_no_number_stops_before_the_step() -> None:
    policy = make_policy()
    groups = make_groups(policy)
    broken = policy.trained()["model.layers.1.mlp.up_proj.weight"]
    with torch.no_grad():
        broken[0, 0] = torch.nan
    optimizer = torch.optim.AdamW(policy.trained().values(), lr=1.0)
    before = copy_weights(policy)
    with pytest.raises(TrainingError, match=r"the loss is nan: the step is not taken .* lower grpo\.learning_rate"):
        update_policy(policy, optimizer, groups, grpo_settings(), start=None)
    for name, weight in policy.trained().items():
        torch.testing.assert_close(weight.detach(), before[name], equal_nan=True, atol=0, rtol=0)
    assert not optimizer.state


def test_a_gradient_that_is_no_number_stops_too() -> None:
    policy = make_policy()
    (prompt,) = make_prompts(policy.tokenizer, 1)
    group = make_group(policy, prompt, [[5, 6], [7, 8]], [3e38, -3e38])
    before = copy_weights(policy)
    with pytest.raises(TrainingError, match=r"the gradient's norm is (inf|nan)"):
        do_update(policy, [group])
    assert all(torch.equal(weight, before[name]) for name, weight in policy.trained().items())


def test_several_updates_split_the_groups_and_see_the_sampler_as_the_old_policy() -> None:
    """Unclipped, the ratio of the second update weighs a token as the correction would: policy ÷ sampler."""
    twice = make_policy()
    groups = make_groups(twice)
    second = do_update(twice, groups, updates_per_step=2, clip_low=1.0, clip_high=8.0)
    apart = make_policy()
    do_update(apart, groups[0::2], correction_cap=1e9)
    do_update(apart, groups[1::2], correction_cap=1e9)
    for name, weight in twice.trained().items():
        torch.testing.assert_close(weight, apart.trained()[name], atol=1e-6, rtol=0)
    rollouts = [rollout for scored in groups[1::2] for rollout in scored.group.rollouts]
    assert second.metrics.num_tokens == sum(len(rollout.sampled.ids) for rollout in rollouts)
    assert second.metrics.kl > 1e-6, "the policy has left what sampled"


def test_several_updates_are_clipped() -> None:
    policy = make_policy()
    update = do_update(policy, make_groups(policy), lr=5.0, updates_per_step=2, clip_low=0.01, clip_high=0.01)
    assert update.metrics.clipped_low > 0
    assert update.metrics.clipped_high > 0
    single = make_policy()
    once = do_update(single, make_groups(single), lr=5.0, clip_low=0.0, clip_high=0.0)
    assert (once.metrics.num_clipped_low, once.metrics.num_clipped_high) == (0, 0), "the ratio is 1"


def test_tokens_that_the_sampler_thought_all_but_impossible_do_not_push_down() -> None:
    """A ratio of 20, above the dual clip: the loss is −(10 · −1), and has no gradient."""
    policy = make_policy()
    (prompt,) = make_prompts(policy.tokenizer, 1)
    group = make_group(policy, prompt, [[5]], [-1.0], surplus=log(20))
    update = do_update(policy, [group], updates_per_step=2, dual_clip=10.0)
    assert update.loss == pytest.approx(10.0, rel=1e-5)
    assert (update.metrics.num_clipped_dual, update.grad_norm) == (1, 0)
