"""A recipe in verl's words: overrides of its trainer's configuration (verl 0.9.1, the v1 trainer), and the command.

Every setting of ``[grpo]`` is either said to verl or refused; ``sampler``, ``rows``, ``pack_tokens`` and ``max_rounds``
tell our own trainer how to go about it on one node and have no counterpart. Where verl has several places for one
thing, the one that its engine reads is taken: gradients are clipped by ``optim.clip_grad``, the reward function is
``reward.custom_reward_function`` (the older top-level table of that name is not read by this trainer).

Departures from the public example (see ``recipes/k2-think-32b/grpo.toml``):

1. Token weights policy ÷ sampler, truncated at ``correction_cap``, correct for the engine's difference.
2. Rewards are those of our verifiers; what they cannot judge is left out (``verl_reward``).
3. verl itself, where the example ran a fork of an older version.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from abruzzi.capacity.shapes import ModelShape
from abruzzi.errors import ConfigError
from abruzzi.training.recipe import GrpoSettings, ModelSettings, Recipe
from abruzzi.training.scale.settings import GrpoScale
from abruzzi.training.scale.verl_grader import parse_grader

MAIN = "verl.trainer.main_ppo"
REWARD = "pkg://abruzzi.training.scale.verl_reward"
Value: TypeAlias = str | int | float | bool | list[str] | None
Overrides: TypeAlias = dict[str, Value]
"""Dotted key of verl's configuration → value; ``+`` before a key that verl's own files lack."""

_AGGREGATE = {"token": "token-mean", "sequence": "seq-mean-token-mean", "constant": "seq-mean-token-sum-norm"}


@dataclass(frozen=True, slots=True)
class VerlFiles:
    """Where a run reads and writes; on a cluster, all of it shared by the nodes."""

    model: Path
    """Hugging Face folder of the weights that training starts from, with the chat template."""
    train: Path
    """Rows by ``verl_data``."""
    held_out: Path
    out: Path
    """The run's folder: checkpoints, validation samples, what could not be judged."""

    @property
    def unjudged(self) -> Path:
        """Rollouts without a reward, a file per process."""
        return self.out / "unjudged"


def compose_overrides(recipe: Recipe, scale: GrpoScale, shape: ModelShape, files: VerlFiles) -> Overrides:
    """Say a recipe in verl's words.

    Args:
        recipe: of the stage GRPO.
        scale: the machines.
        shape: of the model, to refuse a layout that it does not divide into.
        files: where the run reads and writes.

    Raises:
        ConfigError: verl cannot do what the recipe asks, or the numbers do not divide.
    """
    grpo = recipe.grpo
    if grpo is None:
        raise ConfigError(f"{recipe.name!r} is no GRPO recipe; write a table [grpo]")
    _refuse(recipe.model, grpo)
    _check_layout(grpo, scale, shape)
    if scale.grader is not None:
        parse_grader(scale.grader)
    return {
        **_data(grpo, scale, files),
        **_actor(recipe.model, grpo, scale, files),
        **_rollout(grpo, scale),
        **_algorithm(grpo),
        **_reward(scale, files),
        **_trainer(recipe, grpo, scale, files),
    }


def to_arguments(overrides: Mapping[str, Value]) -> list[str]:
    """Write overrides as Hydra's command line takes them, one argument each.

    Raises:
        ConfigError: a value holds what cannot be quoted.
    """
    return [f"{key}={_write(value)}" for key, value in overrides.items()]


def make_command(overrides: Mapping[str, Value]) -> list[str]:
    """Write the command that trains, to be run on a node of the Ray cluster with this interpreter."""
    return [sys.executable, "-m", MAIN, *to_arguments(overrides)]


def _refuse(model: ModelSettings, grpo: GrpoSettings) -> None:
    if model.method != "full":
        raise ConfigError(f'model.method {model.method!r} is not set up for verl; use "full", or train on one node')
    if grpo.mask_truncated:
        raise ConfigError(
            "verl's trainer cannot leave cut completions out of the loss; set grpo.mask_truncated = false and a "
            "grpo.max_tokens that few completions reach"
        )
    if grpo.shuffle_rewards:
        raise ConfigError(
            "grpo.shuffle_rewards is a control for small runs; verl's trainer deals rewards out as they are"
        )


def _check_layout(grpo: GrpoSettings, scale: GrpoScale, shape: ModelShape) -> None:
    ranks = scale.num_gpus // scale.sequence_parallel
    longest = scale.max_prompt_tokens + grpo.max_tokens
    budget = scale.tokens_per_gpu * scale.sequence_parallel
    divisions = (
        (grpo.prompts_per_step, "grpo.prompts_per_step", grpo.updates_per_step, "grpo.updates_per_step"),
        (scale.num_gpus, "nodes x gpus_per_node", scale.tensor_parallel, "tensor_parallel"),
        (scale.num_gpus, "nodes x gpus_per_node", scale.sequence_parallel, "sequence_parallel"),
        (shape.heads, "the model's attention heads", scale.sequence_parallel, "sequence_parallel"),
        (shape.heads, "the model's attention heads", scale.tensor_parallel, "tensor_parallel"),
        (
            grpo.prompts_per_step // grpo.updates_per_step * grpo.group_size,
            "rollouts of an update",
            ranks,
            "data-parallel ranks, nodes x gpus_per_node / sequence_parallel",
        ),
    )
    for whole, whole_name, part, part_name in divisions:
        if whole % part:
            raise ConfigError(f"{whole_name} ({whole}) must be a multiple of {part_name} ({part})")
    if longest > budget:
        raise ConfigError(
            f"a sequence of {longest} tokens (max_prompt_tokens + grpo.max_tokens) does not fit in a micro-batch of "
            f"{budget} (tokens_per_gpu x sequence_parallel); raise one of them"
        )


def _data(grpo: GrpoSettings, scale: GrpoScale, files: VerlFiles) -> Overrides:
    return {
        "data.train_files": [str(files.train)],
        "data.val_files": [str(files.held_out)],
        "data.train_batch_size": grpo.prompts_per_step,
        "data.max_prompt_length": scale.max_prompt_tokens,
        "data.max_response_length": grpo.max_tokens,
        "data.filter_overlong_prompts": True,
        "data.truncation": "error",
        "data.shuffle": True,
        "data.seed": grpo.seed,
    }


def _actor(model: ModelSettings, grpo: GrpoSettings, scale: GrpoScale, files: VerlFiles) -> Overrides:
    actor = "actor_rollout_ref.actor"
    return {
        "actor_rollout_ref.model.path": str(files.model),
        "+actor_rollout_ref.model.override_config.attn_implementation": model.attention,
        "actor_rollout_ref.model.use_remove_padding": True,
        "actor_rollout_ref.model.enable_gradient_checkpointing": True,
        f"{actor}.strategy": "fsdp2",
        f"{actor}.fsdp_config.ulysses_sequence_parallel_size": scale.sequence_parallel,
        f"{actor}.fsdp_config.param_offload": scale.offload,
        f"{actor}.fsdp_config.optimizer_offload": scale.offload,
        f"{actor}.fsdp_config.entropy_from_logits_with_chunking": True,
        f"{actor}.use_dynamic_bsz": True,
        f"{actor}.ppo_max_token_len_per_gpu": scale.tokens_per_gpu,
        f"{actor}.ppo_mini_batch_size": grpo.prompts_per_step // grpo.updates_per_step,
        f"{actor}.ppo_epochs": 1,
        f"{actor}.clip_ratio": grpo.clip_low,
        f"{actor}.clip_ratio_low": grpo.clip_low,
        f"{actor}.clip_ratio_high": grpo.clip_high,
        f"{actor}.clip_ratio_c": grpo.dual_clip,
        f"{actor}.loss_agg_mode": _AGGREGATE[grpo.aggregate],
        f"{actor}.loss_scale_factor": grpo.max_tokens if grpo.aggregate == "constant" else None,
        f"{actor}.entropy_coeff": 0.0,
        f"{actor}.use_kl_loss": grpo.kl_coef > 0,
        f"{actor}.kl_loss_coef": grpo.kl_coef,
        f"{actor}.kl_loss_type": "low_var_kl",
        f"{actor}.optim.lr": grpo.learning_rate,
        f"{actor}.optim.lr_scheduler_type": "constant",
        f"{actor}.optim.lr_warmup_steps": grpo.warmup_steps,
        f"{actor}.optim.weight_decay": grpo.weight_decay,
        f"{actor}.optim.clip_grad": grpo.max_grad_norm,
    }


def _rollout(grpo: GrpoSettings, scale: GrpoScale) -> Overrides:
    rollout = "actor_rollout_ref.rollout"
    return {
        f"{rollout}.name": scale.engine,
        f"{rollout}.n": grpo.group_size,
        f"{rollout}.temperature": grpo.temperature,
        f"{rollout}.top_p": 1.0,
        f"{rollout}.top_k": -1,
        f"{rollout}.seed": grpo.seed,
        f"{rollout}.tensor_model_parallel_size": scale.tensor_parallel,
        f"{rollout}.gpu_memory_utilization": scale.engine_memory,
        f"{rollout}.max_model_len": scale.max_prompt_tokens + grpo.max_tokens,
        f"{rollout}.calculate_log_probs": True,
        f"{rollout}.agent.num_workers": scale.nodes,
        f"{rollout}.val_kwargs.n": grpo.eval_samples,
        f"{rollout}.val_kwargs.temperature": grpo.eval_temperature,
        f"{rollout}.val_kwargs.do_sample": grpo.eval_temperature > 0,
    }


def _algorithm(grpo: GrpoSettings) -> Overrides:
    return {
        "algorithm.adv_estimator": "grpo",
        "algorithm.norm_adv_by_std_in_grpo": grpo.advantage_scale == "std",
        "algorithm.use_kl_in_reward": False,
        "algorithm.filter_groups.enable": grpo.dynamic_sampling,
        "algorithm.filter_groups.metric": "reward",
        "algorithm.rollout_correction.rollout_is": "token",
        "algorithm.rollout_correction.rollout_is_threshold": grpo.correction_cap,
    }


def _reward(scale: GrpoScale, files: VerlFiles) -> Overrides:
    return {
        "reward.num_workers": scale.nodes,
        "reward.reward_manager.source": "register",
        "reward.reward_manager.name": "naive",
        "reward.custom_reward_function.path": REWARD,
        "reward.custom_reward_function.name": "compute_reward",
        "+reward.custom_reward_function.reward_kwargs.unjudged_dir": str(files.unjudged),
        "+reward.custom_reward_function.reward_kwargs.grader": scale.grader,
    }


def _trainer(recipe: Recipe, grpo: GrpoSettings, scale: GrpoScale, files: VerlFiles) -> Overrides:
    tracker = [] if recipe.watch.tracker == "none" else [recipe.watch.tracker]
    return {
        "trainer.use_v1": True,
        "trainer.v1.trainer_mode": "sync",
        "trainer.nnodes": scale.nodes,
        "trainer.n_gpus_per_node": scale.gpus_per_node,
        "trainer.total_training_steps": grpo.steps,
        "trainer.total_epochs": grpo.steps,
        "trainer.save_freq": grpo.save_every,
        "trainer.max_actor_ckpt_to_keep": grpo.keep,
        "trainer.test_freq": grpo.eval_every,
        "trainer.val_before_train": grpo.eval_on_start,
        "trainer.resume_mode": "auto",
        "trainer.project_name": recipe.watch.project,
        "trainer.experiment_name": recipe.name,
        "trainer.logger": ["console", *tracker],
        "trainer.default_local_dir": str(files.out / "checkpoints"),
        "trainer.validation_data_dir": str(files.out / "validation"),
    }


def _write(value: Value) -> str:
    """Write one value in Hydra's grammar; text is always quoted, so that nothing in it is taken for syntax."""
    if isinstance(value, str):
        if "${" in value or "\\" in value:
            raise ConfigError(
                f"{value!r} cannot be said on Hydra's command line; use names without backslashes and ${{"
            )
        return "'" + value.replace("'", "\\'") + "'"
    if isinstance(value, list):
        return "[" + ",".join(_write(part) for part in value) + "]"
    return json.dumps(value)
