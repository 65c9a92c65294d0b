"""Samples rollouts from the policy in this process: batched decoding over transformers' own forward pass.

What makes it faster than ``generate``, where rollouts differ in length and share prompts:

- a prompt is computed once for its whole group, and its keys and values are copied to the members;
- a rollout that ended leaves the batch at once, and whole groups that wait take the freed rows;
- keys and values lie in one slab that a step writes a column of, so that nothing is concatenated (``slab``);
- the head is applied to the last position only, and adapters are merged for the time (``merging``).

Each rollout has a random generator of its own (of seed, prompt and member) and one number of it for each token
(``drawing``). So what is sampled depends neither on ``max_rows`` nor on what is decoded beside it, up to the rounding
of matrix products of another shape.

It does not sample with top-p or penalties, because the importance ratio knows only the policy's own distribution. It
takes models that lie whole on one device, and refuses those with sliding windows or states, whose cache is no slab.
Products in eight bits were tried and left out: on AVX2 they take half the time, but overflow unless activations keep
to seven bits, and then the next token's distribution moves by 0.15 nats (by 0.04 with eight; ``EngineSampler``'s 0.01).
"""

import contextlib
from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor
from transformers import Cache, DynamicCache

from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import FinishReason
from abruzzi.training.grpo.drawing import draw_tokens
from abruzzi.training.grpo.merging import lora_merged
from abruzzi.training.grpo.rollouts import Sampled
from abruzzi.training.grpo.slab import Slab


@dataclass(slots=True, eq=False)
class _Row:
    """A rollout under way."""

    prompt_ids: Sequence[int]
    noise: np.random.Generator
    ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])
    finish_reason: FinishReason | None = None
    """None while it goes on."""


class TorchSampler:
    """Samples from a causal language model of transformers, with or without LoRA adapters of PEFT.

    It always samples from the weights as they are, and leaves a model in the middle of training as it found it.

    Args:
        policy: a ``PreTrainedModel``, or a ``PeftModel`` around one.
        eos_ids: tokens that end a completion; they are kept as its last id.
        max_rows: completions decoded side by side; more are faster, and need memory.
        merges_lora: whether adapters are merged for the time; costs a copy of the weights that they adapt.
    """

    name = "torch"

    def __init__(self, policy: Any, eos_ids: Collection[int], *, max_rows: int = 64, merges_lora: bool = True) -> None:
        if max_rows < 1:
            raise ConfigError(f"max_rows is {max_rows}; it must be at least 1")
        self._core: Any = policy.get_base_model() if isinstance(policy, PeftModel) else policy
        self._eos_ids = frozenset(eos_ids)
        self._max_rows = max_rows
        self._merges_lora = merges_lora
        config = self._core.config.get_text_config()
        odd = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
        if odd or getattr(config, "sliding_window", None):
            what = ", ".join(sorted(odd)) or f"a sliding window of {config.sliding_window} tokens"
            raise ConfigError(f"the model has {what}; the torch sampler needs full attention: use another sampler")

    def sync(self) -> None:
        """Do nothing: the weights are the policy's own."""

    def sample(
        self, prompts_P: Sequence[Sequence[int]], *, group_size: int, max_tokens: int, temperature: float, seed: int
    ) -> list[list[Sampled]]:
        """Sample completions; see ``Sampler.sample``.

        Raises:
            ConfigError: a number is out of range.
            DataError: a prompt is empty.
        """
        for name, value, least in (("group_size", group_size, 1), ("max_tokens", max_tokens, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} is {value}; it must be at least {least}")
        if not 0 <= temperature < float("inf"):
            raise ConfigError(f"temperature is {temperature}; it must be 0 (greedy) or more")
        if (empty := next((p for p, prompt in enumerate(prompts_P) if not prompt), None)) is not None:
            raise DataError(f"prompt {empty} has no tokens; render it with the chat template first")
        groups = [
            [_Row(prompt, np.random.default_rng((seed, p, g))) for g in range(group_size)]
            for p, prompt in enumerate(prompts_P)
        ]
        waiting = deque(_split(groups, self._max_rows))
        merged = lora_merged(self._core) if self._merges_lora else contextlib.nullcontext()
        with _sampling(self._core), merged, torch.inference_mode():
            batch = _Batch(self._core, self._eos_ids, max_tokens, temperature)
            while waiting or batch.rows:
                joining: list[list[_Row]] = []
                room = self._max_rows - len(batch.rows)
                while waiting and len(waiting[0]) <= room:
                    room -= len(waiting[0])
                    joining.append(waiting.popleft())
                if joining:
                    batch.admit(joining)
                if batch.rows:
                    batch.step()
        return [[_finish(row) for row in group] for group in groups]


class _Batch:
    """The rows that are decoded side by side, and their keys and values."""

    def __init__(self, core: Any, eos_ids: frozenset[int], max_tokens: int, temperature: float) -> None:
        self.rows: list[_Row] = []
        self._core = core
        self._device: torch.device = core.device
        self._eos_ids = eos_ids
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._slab: Slab | None = None

    def admit(self, groups: list[list[_Row]]) -> None:
        """Compute the prompt of each group, draw its rows' first tokens, and take in the rows that go on."""
        prompts = [group[0].prompt_ids for group in groups]
        pads = [max(map(len, prompts)) - len(prompt) for prompt in prompts]
        ids = torch.tensor([[0] * pad + list(prompt) for pad, prompt in zip(pads, prompts, strict=True)])
        positions = torch.arange(ids.shape[1]) - torch.tensor(pads)[:, None]
        cache = DynamicCache()
        logits_PV = self._forward(ids, (positions >= 0).long(), positions.clamp(min=0), cache)
        rows = [row for group in groups for row in group]
        sources = [number for number, group in enumerate(groups) for _ in group]
        self._draw(logits_PV[sources], rows)
        going_on = [number for number, row in enumerate(rows) if row.finish_reason is None]
        if self._slab is None:
            self._slab = Slab(cache)
        self._slab.append(cache, [sources[number] for number in going_on], pads)
        self.rows += [rows[number] for number in going_on]

    def step(self) -> None:
        """Draw the next token of each row, and let go of those that end with it."""
        assert self._slab is not None, "rows were admitted"
        last = torch.tensor([[row.ids[-1]] for row in self.rows])
        mask, positions = self._slab.open_column(self._core.dtype)
        self._draw(self._forward(last, mask, positions, self._slab), self.rows)
        # The last of those that go on move into the places of those that end.
        alive = [number for number, row in enumerate(self.rows) if row.finish_reason is None]
        count = len(alive)
        holes = [number for number, row in enumerate(self.rows[:count]) if row.finish_reason is not None]
        movers = [number for number in alive if number >= count]
        for hole, mover in zip(holes, movers, strict=True):
            self.rows[hole] = self.rows[mover]
        del self.rows[count:]
        self._slab.close_column(holes, movers, count)

    def _forward(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        """Return the logits after the last column of ids (rows, V)."""
        return self._core(
            input_ids=ids.to(self._device),
            attention_mask=mask.to(self._device),
            position_ids=positions.to(self._device),
            cache=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def _draw(self, logits_BV: Tensor, rows: list[_Row]) -> None:
        uniforms_B = torch.tensor([row.noise.random() for row in rows], dtype=torch.float64)
        ids_B, logprobs_B = draw_tokens(logits_BV, uniforms_B, self._temperature)
        ids, logprobs = ids_B.numpy(force=True), logprobs_B.numpy(force=True)
        for row, token, logprob in zip(rows, ids.tolist(), logprobs.tolist(), strict=True):
            row.ids.append(token)
            row.logprobs.append(logprob)
            if token in self._eos_ids:
                row.finish_reason = FinishReason.STOP
            elif len(row.ids) == self._max_tokens:
                row.finish_reason = FinishReason.LENGTH


def _finish(row: _Row) -> Sampled:
    assert row.finish_reason is not None, "decoding goes on until every row ends"
    return Sampled(tuple(row.ids), tuple(row.logprobs), row.finish_reason)


def _split(groups: list[list[_Row]], size: int) -> Iterator[list[_Row]]:
    """Cut groups larger than the batch into parts that fit."""
    for group in groups:
        for start in range(0, len(group), size):
            yield group[start : start + size]


@contextlib.contextmanager
def _sampling(core: Any) -> Generator[None]:
    """Have a model in the state for sampling, and as it was afterwards."""
    modes: list[tuple[Any, bool]] = [(module, module.training) for module in core.modules()]
    attention = core.config._attn_implementation
    core.eval()
    core.set_attn_implementation("sdpa")  # takes a mask of any shape
    try:
        yield
    finally:
        core.set_attn_implementation(attention)
        for module, mode in modes:
            module.training = mode
