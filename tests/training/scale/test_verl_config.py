from pathlib import Path
from typing import Any

import pytest

from abruzzi.capacity.shapes import SHAPES, shape_of
from abruzzi.errors import ConfigError
from abruzzi.training.recipe import GrpoSettings
from abruzzi.training.scale.verl_config import (
    MAIN,
    Overrides,
    Value,
    VerlFiles,
    compose_overrides,
    make_command,
    to_arguments,
)
from tests.training.scale.large import FILES, grpo_scale, large_scale, read


def compose(*changes: str, **machines: Any) -> Overrides:
    return compose_overrides(read("grpo", *changes), grpo_scale(**machines), shape_of(large_scale().model.shape), FILES)


def test_the_large_recipe_says_what_the_public_example_says() -> None:
    overrides = compose()
    expected: Overrides = {
        "algorithm.adv_estimator": "grpo",
        "algorithm.use_kl_in_reward": False,
        "algorithm.norm_adv_by_std_in_grpo": True,
        "algorithm.filter_groups.enable": False,
        "actor_rollout_ref.actor.use_kl_loss": False,
        "actor_rollout_ref.actor.clip_ratio_low": 0.2,
        "actor_rollout_ref.actor.clip_ratio_high": 0.2,
        "actor_rollout_ref.actor.clip_ratio_c": 10.0,
        "actor_rollout_ref.actor.loss_agg_mode": "token-mean",
        "actor_rollout_ref.actor.entropy_coeff": 0.0,
        "actor_rollout_ref.actor.ppo_mini_batch_size": 64,
        "actor_rollout_ref.actor.optim.lr": 1e-6,
        "actor_rollout_ref.actor.optim.lr_scheduler_type": "constant",
        "actor_rollout_ref.actor.optim.lr_warmup_steps": 10,
        "actor_rollout_ref.actor.optim.weight_decay": 0.1,
        "actor_rollout_ref.actor.optim.clip_grad": 1.0,
        "actor_rollout_ref.rollout.n": 16,
        "actor_rollout_ref.rollout.temperature": 1.0,
        "actor_rollout_ref.rollout.top_p": 1.0,
        "actor_rollout_ref.rollout.top_k": -1,
        "data.max_prompt_length": 4096,
        "trainer.save_freq": 10,
        "trainer.test_freq": 10,
    }
    assert {key: overrides[key] for key in expected} == expected


def test_the_reward_is_ours_and_exists() -> None:
    overrides = compose()
    module, name = (overrides[f"reward.custom_reward_function.{key}"] for key in ("path", "name"))
    from importlib import import_module

    assert callable(getattr(import_module(str(module).removeprefix("pkg://")), str(name)))
    assert overrides["+reward.custom_reward_function.reward_kwargs.unjudged_dir"] == "/runs/it/unjudged"
    assert compose(grader=None)["+reward.custom_reward_function.reward_kwargs.grader"] is None
    assert overrides["reward.num_workers"] == 16, "one a node, with a pool over its cores"
    grader = "http://other:8000/v1"
    assert compose(grader=grader)["+reward.custom_reward_function.reward_kwargs.grader"] == grader


CHANGED: dict[str, tuple[str, dict[str, Value]]] = {
    "steps": ("7", {"trainer.total_training_steps": 7}),
    "prompts_per_step": ("512", {"data.train_batch_size": 512, "actor_rollout_ref.actor.ppo_mini_batch_size": 128}),
    "group_size": ("32", {"actor_rollout_ref.rollout.n": 32}),
    "max_tokens": ("8192", {"data.max_response_length": 8192, "actor_rollout_ref.rollout.max_model_len": 12288}),
    "temperature": ("1.1", {"actor_rollout_ref.rollout.temperature": 1.1}),
    "learning_rate": ("2e-6", {"actor_rollout_ref.actor.optim.lr": 2e-6}),
    "warmup_steps": ("3", {"actor_rollout_ref.actor.optim.lr_warmup_steps": 3}),
    "weight_decay": ("0.2", {"actor_rollout_ref.actor.optim.weight_decay": 0.2}),
    "max_grad_norm": ("0.1", {"actor_rollout_ref.actor.optim.clip_grad": 0.1}),
    "updates_per_step": ("8", {"actor_rollout_ref.actor.ppo_mini_batch_size": 32}),
    "clip_low": ("0.1", {"actor_rollout_ref.actor.clip_ratio_low": 0.1}),
    "dual_clip": ("3.0", {"actor_rollout_ref.actor.clip_ratio_c": 3.0}),
    "clip_high": ("0.28", {"actor_rollout_ref.actor.clip_ratio_high": 0.28}),
    "advantage_scale": ('"none"', {"algorithm.norm_adv_by_std_in_grpo": False}),
    "aggregate": (
        '"constant"',
        {
            "actor_rollout_ref.actor.loss_agg_mode": "seq-mean-token-sum-norm",
            "actor_rollout_ref.actor.loss_scale_factor": 32768,
        },
    ),
    "kl_coef": ("0.001", {"actor_rollout_ref.actor.use_kl_loss": True, "actor_rollout_ref.actor.kl_loss_coef": 0.001}),
    "dynamic_sampling": ("true", {"algorithm.filter_groups.enable": True}),
    "correction_cap": ("3.0", {"algorithm.rollout_correction.rollout_is_threshold": 3.0}),
    "eval_every": ("20", {"trainer.test_freq": 20}),
    "eval_on_start": ("false", {"trainer.val_before_train": False}),
    "eval_samples": ("8", {"actor_rollout_ref.rollout.val_kwargs.n": 8}),
    "eval_temperature": (
        "0.0",
        {
            "actor_rollout_ref.rollout.val_kwargs.temperature": 0.0,
            "actor_rollout_ref.rollout.val_kwargs.do_sample": False,
        },
    ),
    "save_every": ("20", {"trainer.save_freq": 20}),
    "keep": ("1", {"trainer.max_actor_ckpt_to_keep": 1}),
    "seed": ("5", {"data.seed": 5, "actor_rollout_ref.rollout.seed": 5}),
}
REFUSED = {"mask_truncated", "shuffle_rewards"}
OURS_ALONE = {"sampler", "rows", "pack_tokens", "max_rounds"}


@pytest.mark.parametrize("field", CHANGED)
def test_each_setting_reaches_verl(field: str) -> None:
    value, expected = CHANGED[field]
    once = ["grpo.updates_per_step=1"] if field == "temperature" else []  # our own trainer takes one or the other
    before, after = compose(*once), compose(*once, f"grpo.{field}={value}")
    assert {key: after[key] for key in expected} == expected
    assert all(before[key] != after[key] for key in expected)


def test_no_setting_is_forgotten() -> None:
    assert set(GrpoSettings.model_fields) == CHANGED.keys() | REFUSED | OURS_ALONE


def test_the_machines_reach_verl() -> None:
    overrides = compose(
        nodes=8, engine="sglang", tensor_parallel=8, sequence_parallel=4, tokens_per_gpu=16384, offload=True
    )
    assert overrides["trainer.nnodes"] == 8
    assert overrides["actor_rollout_ref.rollout.name"] == "sglang"
    assert overrides["actor_rollout_ref.rollout.tensor_model_parallel_size"] == 8
    assert overrides["actor_rollout_ref.actor.fsdp_config.ulysses_sequence_parallel_size"] == 4
    assert overrides["actor_rollout_ref.actor.ppo_max_token_len_per_gpu"] == 16384
    assert overrides["actor_rollout_ref.actor.fsdp_config.param_offload"] is True


@pytest.mark.parametrize(
    ("change", "machines", "message"),
    [
        ("grpo.mask_truncated=true", {}, "set grpo.mask_truncated = false"),
        ("grpo.shuffle_rewards=true", {}, "shuffle_rewards is a control"),
        ('model.method="lora"', {}, "model.method 'lora'"),
        ("grpo.updates_per_step=3", {}, r"prompts_per_step \(256\) must be a multiple of grpo.updates_per_step \(3\)"),
        ("grpo.steps=1", {"tensor_parallel": 3}, r"tensor_parallel \(3\)"),
        ("grpo.steps=1", {"sequence_parallel": 16}, r"attention heads \(40\) must be a multiple of sequence_parallel"),
        ("grpo.steps=1", {"nodes": 17}, r"rollouts of an update \(1024\) must be a multiple of data-parallel ranks"),
        ("grpo.steps=1", {"grader": "embedded"}, "grader 'embedded' must be an endpoint's address"),
        ("grpo.max_tokens=65536", {}, "a sequence of 69632 tokens .* does not fit in a micro-batch of 65536"),
    ],
)
def test_what_verl_cannot_do_is_refused(change: str, machines: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(change, **machines)


def test_an_sft_recipe_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no GRPO recipe; write a table \[grpo\]"):
        compose_overrides(read("sft"), grpo_scale(), SHAPES["Qwen/Qwen2.5-32B"], FILES)


def test_values_are_written_in_the_grammar_of_hydra() -> None:
    overrides: Overrides = {
        "a": "text, with {all} [sorts]=of it's",
        "b": True,
        "c": None,
        "d": 1e-6,
        "+e.f": ["x", "it's"],
        "g": 16,
    }
    assert to_arguments(overrides) == [
        r"a='text, with {all} [sorts]=of it\'s'",
        "b=true",
        "c=null",
        "d=1e-06",
        r"+e.f=['x','it\'s']",
        "g=16",
    ]


@pytest.mark.parametrize("value", ["${oc.env:HOME}", "back\\slash"])
def test_what_cannot_be_quoted_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="cannot be said on Hydra's command line"):
        to_arguments({"a": value})


def test_the_command_runs_verl_with_this_interpreter() -> None:
    command = make_command(compose())
    assert command[1:3] == ["-m", MAIN]
    assert f"data.train_files=['{FILES.train}']" in command
    assert len(command) == 3 + len(compose())


def test_files_of_a_run_lie_in_its_folder() -> None:
    files = VerlFiles(Path("m"), Path("t"), Path("h"), Path("out"))
    assert files.unjudged == Path("out/unjudged")
    assert compose()["trainer.default_local_dir"] == "/runs/it/checkpoints"
