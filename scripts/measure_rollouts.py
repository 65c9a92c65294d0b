"""Measures how fast rollouts are sampled, side by side in one run; prints a Markdown table.

    .venv/bin/python scripts/measure_rollouts.py HF_FOLDER [--gguf FILE]… [--case natural|full|mixed]… [--only WORD]…
        [--repeats 3] [--threads 1] [--max-tokens 48] [--prompts 8] [--group-size 8]

HF_FOLDER holds the base, each FILE the same base for the engine. The policy is the base with a LoRA adapter of rank 16
on all linear layers, random and so small that it changes little. Prompts are the pipeline's own for the solver, with
sums. ``--only`` keeps the systems whose name holds a word.

Cases: ``natural`` ends where the base ends its turn; ``full`` never ends before the limit; ``mixed`` ends, besides, at
each of 2,000 tokens drawn at random, which makes lengths geometric. The engine knows the natural end alone.
``generate`` takes 48 rows at a time, and gives no log-probabilities.

Systems take turns, repeat by repeat, and medians are told. A CPU second is one of this process or of the engine's; on a
busy machine it is the figure to compare, and wall seconds are the neighbours'.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from abruzzi.data.procedural import generate_items
from abruzzi.engine.settings import EngineSettings
from abruzzi.nouns import Message
from abruzzi.reasoning.prompts import fill, read_prompt
from abruzzi.training.gguf import write_adapter
from abruzzi.training.grpo.engine_sampler import EngineSampler
from abruzzi.training.grpo.torch_sampler import TorchSampler
from abruzzi.training.tokens import encode_prompt

Prompts = list[list[int]]
Sample = Callable[[Prompts, int, int, int], list[int]]
"""Samples (prompts, group size, token limit, seed); returns the completions' lengths."""


def make_policy(folder: str) -> Any:
    """Open the base and put a small random adapter on it."""
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(0)
    policy: Any = get_peft_model(base, LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, weight in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=1e-3)
    return policy.eval()


def make_prompts(tokenizer: Any, count: int) -> Prompts:
    """Ask sums as the pipeline's solver is asked them."""
    system, user = read_prompt("solve")
    questions = [item.question for item in generate_items("chain_sum", count, 1, {})]
    return [
        encode_prompt(tokenizer, [Message("system", system), Message("user", fill(user, question=question))])
        for question in questions
    ]


def with_generate(policy: Any, eos_ids: Sequence[int], rows: int, **settings: Any) -> Sample:
    """Sample with transformers' own loop, prompts padded on the left, ``rows`` completions at a time."""

    def sample(prompts: Prompts, group_size: int, max_tokens: int, seed: int) -> list[int]:
        torch.manual_seed(seed)
        todo = [prompt for prompt in prompts for _ in range(group_size)]
        width, lengths, ends = max(map(len, prompts)), list[int](), set(eos_ids)
        for start in range(0, len(todo), rows):
            batch = todo[start : start + rows]
            generated = policy.generate(
                input_ids=torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in batch]),
                attention_mask=torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch]),
                max_new_tokens=max_tokens,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                eos_token_id=list(eos_ids) or None,
                pad_token_id=0,
                **settings,
            )
            for ids in generated[:, width:].tolist():
                lengths.append(next((n for n, token in enumerate(ids, start=1) if token in ends), len(ids)))
        return lengths

    return sample


def with_sampler(sampler: Any) -> Sample:
    """Sample with one of ours."""

    def sample(prompts: Prompts, group_size: int, max_tokens: int, seed: int) -> list[int]:
        groups = sampler.sample(prompts, group_size=group_size, max_tokens=max_tokens, temperature=1.0, seed=seed)
        return [len(sampled.ids) for group in groups for sampled in group]

    return sample


def cpu_seconds() -> float:
    """Of this process and of its children that run."""
    children = [pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]
    ticks = sum(
        sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) for pid in children
    )
    return time.process_time() + ticks / 100


def measure(name: str, systems: dict[str, Sample], prompts: Prompts, wanted: argparse.Namespace) -> None:
    """Let the systems take turns on one case, and print its rows."""
    found: dict[str, list[tuple[float, float, int]]] = {system: [] for system in systems}
    for repeat in range(wanted.repeats):
        for system, sample in systems.items():
            cpu, wall = cpu_seconds(), time.monotonic()
            lengths = sample(prompts, wanted.group_size, wanted.max_tokens, repeat)
            found[system].append((cpu_seconds() - cpu, time.monotonic() - wall, sum(lengths)))
    rollouts = len(prompts) * wanted.group_size
    for system, runs in found.items():
        cpu, wall = (statistics.median(run[part] for run in runs) for part in (0, 1))
        per_token = statistics.median(1000 * run[0] / run[2] for run in runs)
        spread = max(run[0] for run in runs) - min(run[0] for run in runs)
        tokens = statistics.median(run[2] for run in runs) / rollouts
        cells = (
            f"{rollouts / cpu:.2f}",
            f"{rollouts / wall:.2f}",
            f"{per_token:.1f}",
            f"{tokens:.0f}",
            f"{spread / 2:.1f}",
        )
        sys.stdout.write(f"| {name} | {system} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


def main() -> None:
    """Read the arguments, make the systems and measure each case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--gguf", type=Path, action="append", default=[])
    parser.add_argument("--case", action="append", choices=("natural", "full", "mixed"))
    parser.add_argument("--only", action="append", default=[])
    for option, value in (("repeats", 3), ("threads", 1), ("max-tokens", 48), ("prompts", 8), ("group-size", 8)):
        parser.add_argument(f"--{option}", type=int, default=value)
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    tokenizer: Any = AutoTokenizer.from_pretrained(wanted.folder)
    policy = make_policy(wanted.folder)
    prompts = make_prompts(tokenizer, wanted.prompts)
    frequent = random.Random(0).sample(range(2, len(tokenizer)), 2000)

    def write(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            policy.save_pretrained(folder)
            write_adapter(Path(folder), policy.get_base_model().config, path)

    columns = ("case", "sampler", "rollouts / CPU s", "rollouts / s", "CPU ms / token", "tokens / rollout", "CPU s ±")
    sys.stdout.write(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n")
    for case in wanted.case or ["natural", "full", "mixed"]:
        eos_ids = {"natural": [tokenizer.eos_token_id], "full": [], "mixed": [tokenizer.eos_token_id, *frequent]}[case]
        systems: dict[str, Sample] = {
            "plain generate": with_generate(policy, eos_ids, 48),
            "static generate": with_generate(policy, eos_ids, 48, cache_implementation="static", disable_compile=True),
            "torch, 64 rows": with_sampler(TorchSampler(policy, eos_ids)),
            "torch, 48 rows": with_sampler(TorchSampler(policy, eos_ids, max_rows=48)),
            "torch, LoRA beside": with_sampler(TorchSampler(policy, eos_ids, merges_lora=False)),
        }
        engines = [
            EngineSampler(
                EngineSettings(model=file, slots=16, context_tokens=256, threads=wanted.threads), write_adapter=write
            )
            for file in (wanted.gguf if case == "natural" else ())
        ]
        systems |= {engine.name: with_sampler(engine) for engine in engines}
        kept = {name: one for name, one in systems.items() if not wanted.only or any(w in name for w in wanted.only)}
        for name, sample in kept.items():
            if name.startswith("llama.cpp"):
                sample(prompts[:1], 1, 1, 0)  # starts it
        measure(case, kept, prompts, wanted)
        for engine in engines:
            engine.close()


if __name__ == "__main__":
    main()
