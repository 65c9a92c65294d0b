"""Hugging Face ``generate`` on the weights that the embedded engine runs, for the bench to measure itself against.

The weights are the engine's own file, dequantised to float32, which is what transformers computes fastest with on
processors without bfloat16 units; an adapter is merged into them, so that it costs nothing. As many threads as the
engine takes.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from transformers.utils.logging import disable_progress_bar

from abruzzi.cli.wiring import Weights, cache_folder
from abruzzi.engine.cores import physical_cores
from abruzzi.errors import ConfigError
from abruzzi.nouns import Message, Usage
from abruzzi.reasoning.settings import AskSettings
from abruzzi.training.base import Source, convert_gguf, find_base, load_model, load_tokenizer
from abruzzi.training.export import export_adapter_gguf, open_merged
from abruzzi.training.tokens import encode_prompt

Sampler = Callable[[tuple[Message, ...], int, int, int], Usage]
"""(prompt, candidates, tokens of each, seed) → the tokens it took."""


def export_adapter(folder: Path, out: Path) -> Path:
    """Write an exported adapter's folder as the file that the engine loads.

    Raises:
        ConfigError: the folder holds no adapter, or another base's.
        CheckpointError: it cannot be read.
    """
    return export_adapter_gguf(folder, out, base=_find_embedded()).path


def open_sampler(weights: Weights, adapter: Path | None) -> Sampler:
    """Open the model for ``generate``.

    Args:
        weights: what the engine runs.
        adapter: folder of the adapter that the engine has as a file.

    Raises:
        ConfigError: transformers cannot open what the engine runs.
        WeightsError: the weights cannot be read.
    """
    if weights.adapter is not None and adapter is None:
        raise ConfigError(
            f"transformers reads no GGUF adapter like {weights.adapter.name}: give the adapter's folder (--adapter)"
        )
    disable_progress_bar()
    if adapter is not None:
        opened, tokenizer = open_merged(adapter, _find_embedded())
    else:
        folder = convert_gguf(weights.model, cache_folder(os.environ))
        opened, tokenizer = load_model(folder, dtype=torch.float32), load_tokenizer(folder)
    torch.set_num_threads(physical_cores())
    model: Any = opened.eval()
    end_id: int = cast("Any", tokenizer).eos_token_id
    settings = AskSettings()

    def sample(prompt: tuple[Message, ...], n: int, tokens: int, seed: int) -> Usage:
        cast("Any", torch).manual_seed(seed)
        ids = torch.tensor([encode_prompt(tokenizer, prompt)])
        with torch.inference_mode():
            output: torch.Tensor = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=settings.temperature,
                top_p=settings.top_p,
                top_k=0,
                num_return_sequences=n,
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                pad_token_id=end_id,
            )
        length = ids.shape[1]
        return Usage(prompt_tokens=length, completion_tokens=n * (output.shape[1] - length))

    return sample


def _find_embedded() -> Source:
    return find_base("embedded", cache_dir=cache_folder(os.environ))
