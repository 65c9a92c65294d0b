"""The files that start the large runs: those for accelerate are read by accelerate itself, and do what they say."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.training.scale.large import FOLDER, grpo_scale, read, sft_scale

FSDP2, ZERO3 = FOLDER / "fsdp2.yaml", FOLDER / "zero3.yaml"
ACCELERATE = [FSDP2, ZERO3]
CLUSTER = ["--machine_rank", "3", "--main_process_ip", "10.0.0.1", "--main_process_port", "29500"]
ROOT = FOLDER.parents[1]


def launch_settings(file: Path) -> Any:
    """Let accelerate merge a file with a command line, as ``accelerate launch`` does on the fourth of its nodes."""
    launch: Any = import_module("accelerate.commands.launch")
    command = ["--config_file", str(file), *CLUSTER, "-m", "abruzzi", "train", "sft", "recipe.toml"]
    settings, _, _ = launch._validate_launch_command(launch.launch_command_parser().parse_args(command))
    return settings


@pytest.mark.parametrize("file", ACCELERATE, ids=lambda file: file.name)
def test_accelerate_starts_a_process_for_each_gpu_of_the_machines(file: Path) -> None:
    settings = launch_settings(file)
    assert (settings.num_machines, settings.num_processes) == (sft_scale().nodes, sft_scale().num_gpus)
    assert settings.mixed_precision == "bf16"
    assert (settings.training_script, settings.module) == ("abruzzi", True)


def test_the_recipe_makes_512_packs_of_32k_on_them() -> None:
    sft = read("sft").sft
    assert sft is not None
    assert sft.packs_per_device * sft.accumulation * launch_settings(FSDP2).num_processes == 512
    assert (sft.max_tokens, sft.packing) == (32768, True)
    assert (sft.learning_rate, sft.schedule, sft.warmup, sft.epochs) == (1e-4, "cosine", 0.05, 2)
    assert read("sft").model.method == "full"
    assert sft.recompute, "DeepSpeed has no recomputation but the trainer's"
    assert read("sft").model.end_of_turn == "<|im_end|>"


def test_fsdp2_arrives_in_the_processes() -> None:
    launch: Any = import_module("accelerate.utils.launch")
    settings = launch_settings(FSDP2)
    environment = launch.prepare_multi_gpu_env(settings)
    assert (settings.nproc_per_node, settings.nnodes, settings.node_rank) == ("8", "32", 3)
    expected = {
        "ACCELERATE_USE_FSDP": "true",
        "ACCELERATE_MIXED_PRECISION": "bf16",
        "FSDP_VERSION": "2",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_TRANSFORMER_CLS_TO_WRAP": "Qwen2DecoderLayer",
        "FSDP_ACTIVATION_CHECKPOINTING": "true",
        "FSDP_OFFLOAD_PARAMS": "false",
    }
    assert {key: environment[key] for key in expected} == expected


def test_zero3_leaves_batch_and_clipping_to_the_recipe() -> None:
    settings = launch_settings(ZERO3)
    assert settings.use_deepspeed
    assert (settings.zero_stage, settings.zero3_init_flag) == (3, True)
    assert (settings.gradient_accumulation_steps, settings.gradient_clipping) == ("auto", "auto")
    assert settings.deepspeed_multinode_launcher == "standard"


def test_the_layer_that_is_wrapped_is_the_models() -> None:
    name = yaml.safe_load(FSDP2.read_text())["fsdp_config"]["fsdp_transformer_layer_cls_to_wrap"]
    assert hasattr(import_module("transformers.models.qwen2.modeling_qwen2"), name)


@pytest.mark.slow
def test_two_processes_shard_a_qwen2_as_the_file_says_and_learn_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(FSDP2)]
    command += ["--num_machines", "1", "--num_processes", "2", "--main_process_port", "0"]
    script = Path(__file__).with_name("shard_tiny.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert (found["shape"], found["local"], found["dtype"]) == ([64, 32], [32, 32], "torch.float32")
    assert found["recomputed"] is True
    assert found["sharded"] == pytest.approx(found["whole"], rel=0.01)  # bfloat16 has three digits
    assert found["sharded"][2] < found["sharded"][0] - 0.5


SCRIPTS = sorted(FOLDER.glob("*.slurm"))
MANIFESTS = sorted(FOLDER.glob("*.k8s.yaml"))


def named_files(text: str) -> set[str]:
    return set(re.findall(r"recipes/k2-think-32b/[\w.-]+\w", text))


@pytest.mark.parametrize("path", [*SCRIPTS, *MANIFESTS, *FOLDER.glob("*.toml")], ids=lambda path: path.name)
def test_files_name_only_what_is_there(path: Path) -> None:
    for name in named_files(path.read_text("utf-8")):
        assert (ROOT / name).is_file(), name


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_shell_and_ask_for_the_machines_of_the_scale(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    scale = sft_scale() if path.name.startswith("sft") else grpo_scale()
    text = path.read_text("utf-8")
    assert f"#SBATCH --nodes={scale.nodes}\n" in text
    assert f"#SBATCH --gpus-per-node={scale.gpus_per_node}\n" in text


def values(node: Any, key: str) -> Iterator[Any]:
    """Find what stands under a key, anywhere."""
    parts = cast("dict[str, Any]", node) if isinstance(node, dict) else {}
    if key in parts:
        yield parts[key]
    inner = cast("list[Any]", node) if isinstance(node, list) else [*parts.values()]
    for part in inner:
        yield from values(part, key)


def test_manifests_ask_for_the_machines_of_the_scale() -> None:
    sft, grpo = (yaml.safe_load((FOLDER / f"{stage}.k8s.yaml").read_text()) for stage in ("sft", "grpo"))
    assert (sft["kind"], sft["apiVersion"]) == ("JobSet", "jobset.x-k8s.io/v1alpha2")
    assert list(values(sft, "parallelism")) == list(values(sft, "completions")) == [sft_scale().nodes]
    assert set(values(sft, "nvidia.com/gpu")) == {sft_scale().gpus_per_node}
    assert (grpo["kind"], grpo["apiVersion"]) == ("RayJob", "ray.io/v1")
    assert 1 + sum(values(grpo, "replicas")) == grpo_scale().nodes, "the head trains too"
    assert set(values(grpo, "nvidia.com/gpu")) == {grpo_scale().gpus_per_node}
