"""Trains toys in processes of their own, which are there to be killed; modules are loaded once and then forked."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from abruzzi.data.examples import Example
from abruzzi.nouns import Message
from abruzzi.training.grpo.torch_sampler import TorchSampler
from abruzzi.training.grpo.train import Grpo, train_grpo
from abruzzi.training.policy import Policy
from abruzzi.training.recipe import SftSettings
from abruzzi.training.sft import Sft, train_sft
from abruzzi.training.tokens import Tokens, encode_examples
from tests.training.toys import grpo_settings, make_policy, make_prompts, verify_even

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.training.killed"])


def end_tokens(policy: Policy) -> list[int]:
    """A quarter of the vocabulary, so that a model with random weights comes to an end."""
    return list(range(0, len(policy.tokenizer), 4))


def make_grpo(run: Path, *, policy: Policy | None = None, **changes: Any) -> Grpo:
    """A run on a model with random weights; what is no field of ``Grpo`` changes the settings."""
    policy = policy or make_policy()
    prompts = make_prompts(policy.tokenizer, 12)
    names = ("held_out", "verify", "on_row", "clock")
    fields: dict[str, Any] = {"held_out": prompts[9:], "verify": verify_even}
    fields |= {key: changes.pop(key) for key in names if key in changes}
    small = {"learning_rate": 1e-3, "warmup_steps": 2, "eval_every": 3, "eval_samples": 2, "save_every": 2, "rows": 16}
    run.mkdir(exist_ok=True)
    return Grpo(
        policy=policy,
        sampler=TorchSampler(policy.model, end_tokens(policy), max_rows=16),
        prompts=prompts[:9],
        settings=grpo_settings(**small | changes),
        run=run,
        **fields,
    )


def die_at(look: int | None) -> Callable[[], float]:
    """A clock that kills its process at the n-th look at it; None never does."""
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        if looks == look:
            os.kill(os.getpid(), signal.SIGKILL)
        return perf_counter()

    return clock


def run_grpo(run: Path, steps: int, look: int | None) -> None:
    torch.set_num_threads(1)
    train_grpo(make_grpo(run, steps=steps, clock=die_at(look)))


def make_tokens(count: int) -> list[Tokens]:
    """Sums with their answers, of different lengths."""
    policy = make_policy()
    questions = [f"What is {n} + {10 ** (n % 5)}?" for n in range(count)]
    examples = [
        Example(q, (Message("user", q),), f"<answer>{len(q)} {'so' * (n % 3)}</answer>")
        for n, q in enumerate(questions)
    ]
    return list(encode_examples(policy.tokenizer, examples, max_tokens=128).kept)


def make_sft(run: Path, *, policy: Policy | None = None, **changes: Any) -> Sft:
    """A run on a model with random weights; what is no field of ``Sft`` changes the settings."""
    fields: dict[str, Any] = {"examples": make_tokens(16)}
    fields |= {key: changes.pop(key) for key in ("examples", "on_row", "clock") if key in changes}
    small: dict[str, Any] = {"max_steps": 6, "max_tokens": 80, "accumulation": 2, "save_every": 2}
    run.mkdir(exist_ok=True)
    return Sft(
        policy=policy or make_policy(),
        settings=SftSettings.model_validate(small | changes),
        run=run,
        **fields,
    )


def run_sft(run: Path, look: int | None) -> None:
    torch.set_num_threads(1)
    train_sft(make_sft(run, clock=die_at(look)))


def start(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    process = CONTEXT.Process(target=target, args=arguments)
    process.start()
    return process
