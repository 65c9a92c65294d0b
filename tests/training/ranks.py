"""Trains toys by several processes that find each other as those of torchrun do; modules are loaded once and forked."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType, PartialState
from torch import distributed

from abruzzi.training.processes import join_processes
from abruzzi.training.sft import train_sft
from tests.training.killed import die_at, make_sft, start
from tests.training.toys import make_lora_policy, make_policy

FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "LlamaDecoderLayer",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
}
"""What ``accelerate launch`` makes of recipes/k2-think-32b/fsdp2.yaml, for our toy's layers."""


@dataclass(frozen=True)
class Place:
    """Of one process among several."""

    rank: int
    count: int
    port: int

    def join(self) -> None:
        """Become that process."""
        own = {"RANK": self.rank, "LOCAL_RANK": self.rank, "WORLD_SIZE": self.count, "LOCAL_WORLD_SIZE": self.count}
        os.environ.update({name: str(value) for name, value in own.items()}, OMP_NUM_THREADS="1")
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(self.port))
        torch.set_num_threads(1)
        join_processes()


def run_rank(place: Place, run: Path, look: int | None, changes: dict[str, Any]) -> None:
    """Train together; ``look`` kills the process as ``die_at`` says, ``base`` puts an adapter on that model."""
    place.join()
    base = changes.pop("base", None)
    policy = make_policy() if base is None else make_lora_policy(base)
    train_sft(make_sft(run, policy=policy, clock=die_at(look), **changes))
    distributed.destroy_process_group()


def run_sharded_rank(place: Place, run: Path, look: int | None, changes: dict[str, Any]) -> None:
    """The same under FSDP2. accelerate shards on GPUs only, so it is told that these processors are some."""
    os.environ.update(FSDP2, ACCELERATE_TORCH_DEVICE="cpu")
    place.join()
    shared: Any = PartialState
    shared._prepare_backend = claim_gpus
    shared._reset_state()
    run_rank(place, run, look, changes)


def claim_gpus(*_: Any) -> tuple[str, DistributedType]:
    """Stand in place of accelerate's own look for devices."""
    return "gloo", DistributedType.MULTI_GPU


def start_ranks(target: Callable[..., None], *arguments: Any) -> list[ForkServerProcess]:
    """Start two processes that call a function with their places."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return [start(target, Place(rank, 2, port), *arguments) for rank in range(2)]


def end_ranks(processes: list[ForkServerProcess]) -> list[int | None]:
    """Wait for processes, and give their exit codes."""
    for process in processes:
        process.join(300)
    return [process.exitcode for process in processes]


def train_by_two(run: Path, *, look: int | None = None, is_sharded: bool = False, **changes: Any) -> list[int | None]:
    """Train by two processes, and give their exit codes."""
    return end_ranks(start_ranks(run_sharded_rank if is_sharded else run_rank, run, look, changes))
