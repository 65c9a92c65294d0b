"""Parity with TRL's own code: its GRPOTrainer samples, rewards and computes the loss on a tiny real model; so do we.

TRL pads, we run each sequence alone and flat. Both see the same weights, ids and rewards; the policy moves away from
what sampled between the two, so that ratios leave 1 and clip. Compared are the loss and every parameter's gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from abruzzi.training.grpo.advantages import AdvantageScale, group_advantages
from abruzzi.training.grpo.aggregation import Aggregate, StepSize, measure_step, token_weights
from abruzzi.training.grpo.correction import compare_sampler, sampler_weights
from abruzzi.training.grpo.kl import kl_penalty
from abruzzi.training.grpo.loss import LossMetrics, policy_loss
from tests.training.grpo.untyped import back_propagate, values

# TRL 1.16 still reads names that transformers 5.24 has replaced
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

GROUP_SIZE = 4
MAX_TOKENS = 10
EOS = 1
EPSILON = 1e-4
"""What TRL adds to the standard deviation."""
CLIPS: dict[str, Any] = {"clip_low": 0.2, "clip_high": 0.28}


@dataclass(frozen=True)
class Rollouts:
    """Two groups; what TRL samples and rewards, and what we do."""

    prompts: list[list[int]]
    completions: list[list[int]]
    rewards: list[float | None]
    sampler_logprobs: list[list[float]]

    @property
    def lengths(self) -> list[int]:
        return [len(completion) for completion in self.completions]

    @property
    def owners(self) -> Tensor:
        return torch.arange(len(self.completions)).repeat_interleave(torch.tensor(self.lengths))

    def loss_mask(self, *, mask_truncated: bool) -> Tensor:
        is_kept = [completion[-1] == EOS or not mask_truncated for completion in self.completions]
        return torch.tensor(is_kept)[self.owners]

    def advantages(self, scale: AdvantageScale) -> Tensor:
        rewards_PG = torch.tensor([float("nan") if r is None else r for r in self.rewards]).view(-1, GROUP_SIZE)
        return torch.cat([group_advantages(rewards_G, ~rewards_G.isnan(), scale=scale) for rewards_G in rewards_PG])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a model of two layers with random weights."""
    path = tmp_path_factory.mktemp("tiny")
    cast("Any", torch).manual_seed(5)
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=EOS,
    )
    cast("Any", LlamaForCausalLM(config)).save_pretrained(path)
    return path


@pytest.fixture
def rollouts() -> Rollouts:
    rng = torch.Generator().manual_seed(11)

    def ids(number: int) -> list[int]:
        return values(torch.randint(2, 32, (number,), generator=rng))

    lengths, truncated = [4, 9, 6, 10, 3, 7, 10, 5], {3, 6}
    prompts = [prompt for prompt in (ids(3), ids(5)) for _ in range(GROUP_SIZE)]
    completions = [ids(n) if i in truncated else [*ids(n - 1), EOS] for i, n in enumerate(lengths)]
    sampler = [values(-3 + torch.randn(n, generator=rng)) for n in lengths]
    return Rollouts(prompts, completions, [1.0, 0.0, None, 0.25, 0.0, 1.0, 1.0, 0.5], sampler)


def make_trainer(folder: Path, rollouts: Rollouts, **settings: Any) -> Any:
    words = {"<pad>": 0, "<eos>": EOS, **{f"w{i}": i for i in range(2, 32)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    cast("Any", tokenizer).pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    size = len(rollouts.completions)
    defaults: dict[str, Any] = {
        "per_device_train_batch_size": size,
        "num_iterations": 2,  # has TRL keep the log-probabilities of the policy that sampled
        "epsilon": CLIPS["clip_low"],
        "epsilon_high": CLIPS["clip_high"],
    }
    arguments = GRPOConfig(
        output_dir=str(folder),
        report_to="none",
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        num_generations=GROUP_SIZE,
        max_completion_length=MAX_TOKENS,
        **(defaults | settings),
    )

    def sample(prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        assert len(prompts) == size
        return {
            "prompt_ids": rollouts.prompts,
            "completion_ids": rollouts.completions,
            "logprobs": rollouts.sampler_logprobs,
        }

    def reward(completions: Sequence[str], **_: Any) -> list[float | None]:
        assert len(completions) == size
        return rollouts.rewards

    with pytest.warns(UserWarning, match="rollout_func"):
        trainer: Any = GRPOTrainer(
            model=str(folder),
            reward_funcs=cast("Any", reward),
            args=arguments,
            train_dataset=cast("Any", Dataset).from_dict({"prompt": ["w2"] * size}),
            processing_class=PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>"),
            rollout_func=cast("Any", sample),
        )
    for model in (trainer.model, trainer.ref_model):
        if model is not None:
            model.double()  # so that what differs is the formula
    trainer.current_gradient_accumulation_steps = arguments.gradient_accumulation_steps
    trainer.model.train()
    return trainer


def score(trainer: Any, rollouts: Rollouts) -> dict[str, Any]:
    return trainer._generate_and_score_completions([{"prompt": "w2"} for _ in rollouts.prompts])


def move_policy(trainer: Any, *, by: float = 0.01) -> None:
    """Stand in for an optimiser step."""
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=rng))


def token_logprobs(model: Any, rollouts: Rollouts) -> Tensor:
    """Run each sequence alone, without padding; flat over all completions."""
    parts: list[Tensor] = []
    for prompt, completion in zip(rollouts.prompts, rollouts.completions, strict=True):
        logits_TV = model(input_ids=torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        parts.append(logits_TV.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0])
    return torch.cat(parts)


def gradients(trainer: Any, loss: Tensor) -> list[Tensor]:
    trainer.model.zero_grad()
    back_propagate(loss)
    return [parameter.grad.clone() for parameter in trainer.model.parameters()]


def assert_same(trainer: Any, ours: Tensor, theirs: Tensor) -> None:
    assert abs(theirs.item()) > 1e-3
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6, check_dtype=False)
    ours_grad, theirs_grad = gradients(trainer, ours), gradients(trainer, theirs)
    assert max(float(grad.abs().max()) for grad in theirs_grad) > 1e-2
    torch.testing.assert_close(ours_grad, theirs_grad, atol=1e-6, rtol=1e-5)


def in_trls_units(advantages_R: Tensor, rollouts: Rollouts, scale: AdvantageScale) -> Tensor:
    """Bring in the epsilon that TRL adds to the standard deviation and we do not."""
    if scale == "none":
        return advantages_R
    rewards_PG = torch.tensor([float("nan") if r is None else r for r in rollouts.rewards]).view(-1, GROUP_SIZE)
    std_P = torch.stack([rewards_G[~rewards_G.isnan()].std() for rewards_G in rewards_PG])
    return advantages_R * (std_P / (std_P + EPSILON)).repeat_interleave(GROUP_SIZE)


def our_loss(
    trainer: Any,
    rollouts: Rollouts,
    old_T: Tensor,
    *,
    aggregate: Aggregate,
    scale: AdvantageScale = "none",
    mask_truncated: bool = False,
    **clips: Any,
) -> tuple[Tensor, LossMetrics]:
    rollouts_T = rollouts.owners
    advantages_R = in_trls_units(rollouts.advantages(scale), rollouts, scale)
    policy_T = token_logprobs(trainer.model, rollouts)
    weights_T = our_weights(rollouts, aggregate, mask_truncated=mask_truncated)
    return policy_loss(policy_T, old_T, advantages_R[rollouts_T].double(), weights_T, **(CLIPS | clips))


def our_weights(rollouts: Rollouts, aggregate: Aggregate, *, mask_truncated: bool = False) -> Tensor:
    mask_T, rollouts_T = rollouts.loss_mask(mask_truncated=mask_truncated), rollouts.owners
    # TRL counts the rollouts that it masks; we do not unless told
    step = StepSize(measure_step(mask_T, rollouts_T).num_tokens, len(rollouts.completions))
    return token_weights(mask_T, rollouts_T, aggregate=aggregate, max_tokens=MAX_TOKENS, step=step)


def logged(trainer: Any, name: str) -> float:
    return trainer._metrics["train"][name][-1]


AGGREGATES: dict[str, Aggregate] = {"dapo": "token", "bnpo": "token", "grpo": "sequence", "dr_grpo": "constant"}


@pytest.mark.parametrize("loss_type", AGGREGATES)
@pytest.mark.parametrize(("scale", "mask_truncated"), [("std", False), ("none", True)])
def test_loss_gradients_and_clip_shares_are_trls(
    folder: Path, rollouts: Rollouts, loss_type: str, scale: AdvantageScale, mask_truncated: bool
) -> None:
    trainer = make_trainer(
        folder,
        rollouts,
        loss_type=loss_type,
        scale_rewards={"std": "group", "none": "none"}[scale],
        mask_truncated_completions=mask_truncated,
    )
    inputs = score(trainer, rollouts)
    old_T = token_logprobs(trainer.model, rollouts).detach()
    move_policy(trainer)

    ours, metrics = our_loss(
        trainer, rollouts, old_T, aggregate=AGGREGATES[loss_type], scale=scale, mask_truncated=mask_truncated
    )
    assert_same(trainer, ours, trainer._compute_loss(trainer.model, inputs))
    assert metrics.num_clipped_low > 0
    assert metrics.num_clipped_high > 0
    assert metrics.clipped_low == pytest.approx(logged(trainer, "clip_ratio/low_mean"))
    assert metrics.clipped_high == pytest.approx(logged(trainer, "clip_ratio/high_mean"))


@pytest.mark.parametrize("is_weighed", [True, False])
def test_kl_penalty_is_trls(folder: Path, rollouts: Rollouts, is_weighed: bool) -> None:
    trainer = make_trainer(folder, rollouts, scale_rewards="none", beta=0.3, use_bias_correction_kl=is_weighed)
    inputs = score(trainer, rollouts)
    old_T = token_logprobs(trainer.model, rollouts).detach()
    reference_T = token_logprobs(trainer.ref_model, rollouts).detach()
    move_policy(trainer)

    policy, _ = our_loss(trainer, rollouts, old_T, aggregate="token")
    penalty = kl_penalty(
        token_logprobs(trainer.model, rollouts),
        reference_T,
        our_weights(rollouts, "token"),
        old_logprobs_T=old_T if is_weighed else None,
    )
    assert_same(trainer, policy + 0.3 * penalty, trainer._compute_loss(trainer.model, inputs))
    assert penalty.item() == pytest.approx(logged(trainer, "kl"), rel=1e-5)
    assert penalty.item() > 0.01


def test_dual_clip_is_trls_delta(folder: Path, rollouts: Rollouts) -> None:
    trainer = make_trainer(folder, rollouts, scale_rewards="none", delta=1.5)
    inputs = score(trainer, rollouts)
    old_T = token_logprobs(trainer.model, rollouts).detach()
    move_policy(trainer)

    ours, metrics = our_loss(trainer, rollouts, old_T, aggregate="token", dual_clip=1.5)
    assert metrics.num_clipped_dual > 0
    assert_same(trainer, ours, trainer._compute_loss(trainer.model, inputs))


def test_sampler_weights_and_gap_are_trls(folder: Path, rollouts: Rollouts) -> None:
    trainer = make_trainer(
        folder,
        rollouts,
        scale_rewards="none",
        vllm_importance_sampling_mode="token_truncate",
        vllm_importance_sampling_clip_max=2.0,
    )
    # TRL corrects only what vLLM sampled; our rollouts say that they were, and are in step with the weights
    trainer.use_vllm, trainer._last_loaded_step = True, 0
    inputs = score(trainer, rollouts)
    old_T = token_logprobs(trainer.model, rollouts).detach()
    sampler_T = torch.tensor([logprob for logprobs in rollouts.sampler_logprobs for logprob in logprobs]).double()
    weights_T = sampler_weights(old_T, sampler_T, cap=2.0)
    mask_BT = inputs["completion_mask"].bool()
    torch.testing.assert_close(
        weights_T, inputs["importance_sampling_ratio"][mask_BT], atol=1e-6, rtol=1e-6, check_dtype=False
    )

    gap = compare_sampler(old_T, sampler_T, cap=2.0)
    assert gap.mean_difference == pytest.approx(logged(trainer, "sampling/sampling_logp_difference/mean"), rel=1e-5)
    assert gap.max_difference == pytest.approx(logged(trainer, "sampling/sampling_logp_difference/max"), rel=1e-5)
    assert 0 < gap.truncated < 1

    move_policy(trainer)
    ours, _ = our_loss(trainer, rollouts, old_T, aggregate="token", sampler_weights_T=weights_T)
    assert_same(trainer, ours, trainer._compute_loss(trainer.model, inputs))


@pytest.mark.parametrize("loss_type", AGGREGATES)
def test_micro_batches_of_trl_add_up_to_our_step_but_for_bnpo(folder: Path, rollouts: Rollouts, loss_type: str) -> None:
    trainer = make_trainer(
        folder,
        rollouts,
        scale_rewards="none",
        loss_type=loss_type,
        per_device_train_batch_size=GROUP_SIZE,
        gradient_accumulation_steps=2,
        num_iterations=3,
    )
    inputs = score(trainer, rollouts)
    old_T = token_logprobs(trainer.model, rollouts).detach()
    move_policy(trainer)
    halves = [{k: v if v.dim() == 0 else v[part] for k, v in inputs.items()} for part in (slice(0, 4), slice(4, 8))]
    theirs = torch.stack([trainer._compute_loss(trainer.model, half) for half in halves]).sum()

    ours, _ = our_loss(trainer, rollouts, old_T, aggregate=AGGREGATES[loss_type])
    if loss_type == "bnpo":  # each micro-batch divides by its own tokens, 29 and 25: the cut changes the loss
        assert abs((ours - theirs).item()) > 1e-3
    else:
        assert_same(trainer, ours, theirs)


@pytest.mark.parametrize("scale", ["none", "std"])
def test_advantages_are_trls_but_for_its_epsilon(folder: Path, rollouts: Rollouts, scale: AdvantageScale) -> None:
    trainer = make_trainer(folder, rollouts, scale_rewards={"std": "group", "none": "none"}[scale])
    theirs = score(trainer, rollouts)["advantages"]
    ours = rollouts.advantages(scale)
    torch.testing.assert_close(in_trls_units(ours, rollouts, scale), theirs, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours, theirs, atol=5e-4, rtol=5e-4)
    assert theirs[2] == ours[2] == 0  # had no reward


def test_a_group_with_a_single_reward_or_equal_ones_teaches_neither_us_nor_trl(
    folder: Path, rollouts: Rollouts
) -> None:
    quiet = replace(rollouts, rewards=[None, None, 1.0, None, 0.5, 0.5, 0.5, 0.5])
    theirs = score(make_trainer(folder, quiet, scale_rewards="group"), quiet)["advantages"]
    assert values(theirs) == values(quiet.advantages("std")) == [0.0] * 8
