"""The processes that train one model together, one a GPU, as torchrun or ``accelerate launch`` started them.

All of them compute; the main one alone writes what there is one of: the run's record, its curves, a checkpoint's place.
What one process cannot do ends them all with the same error, so that none waits for another that is gone. A process
that was started by itself is the main one, alone, and waits for nobody.

How the model is spread over them, and which device each has, is accelerate's to say.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from accelerate import DeepSpeedPlugin, PartialState
from torch import distributed

from abruzzi.errors import AbruzziError

T = TypeVar("T")
PATIENCE = timedelta(hours=1)
"""How long a process waits for the others: the main one may write a large model to a slow disk meanwhile."""
_SHARED = (OSError, AbruzziError)
"""What may befall one process; anything else is a fault of ours, and the launcher ends the others."""


@dataclass(frozen=True, slots=True)
class Processes:
    """This process, and how many there are."""

    rank: int = 0
    count: int = 1
    is_on_cpu: bool = False
    """Whether accelerate is to be told that there is no GPU, without which it leaves each process to itself."""
    is_fsdp: bool = False
    """Whether the launch asks for FSDP."""
    sharding: Any = None
    """Held while a model is opened: has transformers give each process its share of it (DeepSpeed's ZeRO-3)."""

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def by_main(self, action: Callable[[], T]) -> T:
        """Have the main process do something, and all take what it returns.

        Raises:
            OSError, AbruzziError: what it raised, in all of them.
        """
        if self.count == 1:
            return action()
        result, error = _attempt(action) if self.is_main else (None, None)
        told: list[Any] = [result, error]
        distributed.broadcast_object_list(told, src=0)
        if told[1] is not None:
            raise told[1]
        return told[0]

    def together(self, action: Callable[[], T]) -> T:
        """Have all processes do something, and wait for the last.

        Raises:
            OSError, AbruzziError: what the first of those raised that failed, in all of them.
        """
        if self.count == 1:
            return action()
        result, error = _attempt(action)
        errors: list[Any] = [None] * self.count
        cast("Any", distributed).all_gather_object(errors, error)
        for one in errors:
            if one is not None:
                raise one
        return result


ALONE = Processes()


def join_processes() -> Processes:
    """Join the processes that this one was started with; to be called before a model is opened.

    A model that is to be sharded is then loaded in shares, or by one process a machine, as the launch says.
    """
    has_deepspeed = _says("ACCELERATE_USE_DEEPSPEED")  # it knows its own devices
    sharding = None
    if has_deepspeed:
        sharding = DeepSpeedPlugin()
        sharding.set_deepspeed_weakref()
    is_alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    is_on_cpu = _says("ACCELERATE_USE_CPU") or not (is_alone or has_deepspeed or torch.accelerator.is_available())
    state: Any = PartialState(cpu=is_on_cpu, timeout=PATIENCE)
    is_fsdp = _says("ACCELERATE_USE_FSDP")
    return Processes(state.process_index, state.num_processes, is_on_cpu, is_fsdp, sharding)


def _says(flag: str) -> bool:
    """Whether the launch said so, in the environment."""
    return os.environ.get(flag, "").lower() in ("1", "true", "yes", "on", "y", "t")


def _attempt(action: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return action(), None
    except _SHARED as error:
        return None, error
