"""Run by ``accelerate launch``: trains a tiny Qwen2 whole and sharded as the launch says, and prints both as JSON.

accelerate shards on GPUs only, so its own function is called here with the plugin that it makes of the environment.
"""

import json
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from transformers import Qwen2Config, Qwen2ForCausalLM


def make_model() -> Any:
    torch.default_generator.manual_seed(0)
    config = Qwen2Config(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return Qwen2ForCausalLM(config)


def train(model: Any) -> list[float]:
    optimiser: Any = torch.optim.AdamW(model.parameters(), lr=1e-2)
    ids = torch.randint(0, 100, (2, 16), generator=torch.Generator().manual_seed(1))
    losses: list[float] = []
    for _ in range(3):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    return losses


def main() -> None:
    distributed.init_process_group("gloo")
    plugin = import_module("accelerate.utils").FullyShardedDataParallelPlugin()
    plugin.set_mixed_precision("bf16")
    names = ["dp_shard"]
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),), mesh_dim_names=tuple(names))
    accelerator = SimpleNamespace(
        state=SimpleNamespace(fsdp_plugin=plugin),
        device=torch.device("cpu"),
        is_main_process=distributed.get_rank() == 0,
        mixed_precision="bf16",
        torch_device_mesh={tuple(names): mesh},
        parallelism_config=SimpleNamespace(fsdp_dim_names=names),
    )
    sharded = import_module("accelerate.utils.fsdp_utils").fsdp2_prepare_model(accelerator, make_model())
    weight = sharded.model.layers[0].mlp.up_proj.weight
    found = {
        "whole": train(make_model()),
        "sharded": train(sharded),
        "shape": list(weight.shape),
        "local": list(weight.to_local().shape),
        "dtype": str(weight.dtype),
        "recomputed": plugin.activation_checkpointing,
    }
    if distributed.get_rank() == 0:
        sys.stdout.write(json.dumps(found) + "\n")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
