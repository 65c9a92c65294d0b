"""The policy: a causal language model with the weights that are trained, opened from a recipe and saved again.

With LoRA only the adapter is trained and saved; a full fine-tune saves all weights. Both save the tokenizer, so that a
checkpoint can be opened by itself. How weights become a GGUF file is ``export``'s business.
"""

import contextlib
import errno
import warnings
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from abruzzi.errors import CheckpointError, ConfigError
from abruzzi.training.base import load_base
from abruzzi.training.checkpoint import resolve_checkpoint
from abruzzi.training.recipe import ModelSettings
from abruzzi.training.scratch import make_model
from abruzzi.training.seeds import seed_torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
ADAPTER_FILE = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is trained."""

    model: Any
    """A ``PreTrainedModel``, or a ``PeftModel`` around one."""
    tokenizer: Any
    identity: str
    """Of the base: sha256 over its configuration and weights."""

    @property
    def core(self) -> Any:
        """The causal language model itself, adapters inside."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return next(iter(self.core.parameters())).device

    def trained(self) -> dict[str, Tensor]:
        """The weights that are trained, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}


def pick_device() -> torch.device:
    """The first GPU, or the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def open_policy(
    settings: ModelSettings, *, cache_dir: Path, seed: int, tokenizer: Any = None, device: torch.device | None = None
) -> Policy:
    """Open the model that a recipe trains.

    Args:
        settings: the recipe's ``[model]``.
        cache_dir: where bases are kept.
        seed: of fresh weights.
        tokenizer: of a model from scratch that starts nowhere.
        device: None takes the first GPU, or the processor.

    Raises:
        ConfigError: the base cannot be had, or the start does not fit it.
        CheckpointError: the start is no checkpoint.
    """
    disable_progress_bar()
    device = pick_device() if device is None else device
    dtype = DTYPES[settings.dtype]
    start = None if settings.start is None else resolve_checkpoint(settings.start)
    identity = "scratch"
    model: Any
    if settings.base == "scratch":
        if start is not None:
            model, tokenizer = _open_folder(start, dtype)
        elif tokenizer is None:
            raise ConfigError("a model from scratch needs texts to make its tokenizer from, or a start")
        else:
            model = cast("Any", make_model(settings.scratch, tokenizer, seed=seed)).to(dtype)
    else:
        base = load_base(settings.base, cache_dir=cache_dir, dtype=dtype, device="cpu")
        model, tokenizer, identity = cast("Any", base.model), base.tokenizer, base.identity
        if start is not None and not _is_adapter(start):
            model, tokenizer = _open_folder(start, dtype)
    model.set_attn_implementation(settings.attention)
    model.config.use_cache = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT reads names that transformers has replaced
        model = _choose_trained(model, settings, start if _is_adapter(start) else None, seed)
    return Policy(model.to(device), tokenizer, identity)


def save_policy(policy: Policy, folder: Path) -> None:
    """Write what is trained, and the tokenizer, into a folder.

    Raises:
        OSError: there is no room.
    """
    try:
        policy.model.save_pretrained(folder, safe_serialization=True)
        policy.tokenizer.save_pretrained(folder)
    except Exception as error:  # of a full disk, tokenizers says no more than this
        if type(error) not in (SafetensorError, Exception):
            raise
        raise OSError(errno.EIO, str(error)) from error


def load_weights(policy: Policy, weights: Mapping[str, Tensor]) -> None:
    """Put saved values into the weights that are trained.

    Raises:
        CheckpointError: names or shapes differ.
    """
    own = policy.trained()
    if own.keys() != weights.keys():
        odd = sorted(own.keys() ^ weights.keys())[:3]
        raise CheckpointError(f"the checkpoint is of another model: {', '.join(odd)} do not match; check [model]")
    for name, weight in own.items():
        if weight.shape != weights[name].shape:
            raise CheckpointError(
                f"the checkpoint is of another model: {name} has shape {tuple(weights[name].shape)} and not "
                f"{tuple(weight.shape)}; check [model]"
            )
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(weights[name])


@contextlib.contextmanager
def weights_of(policy: Policy, weights: Mapping[str, Tensor]) -> Generator[None]:
    """Have the policy hold other weights for a while, e.g. those it started from."""
    own = {name: weight.detach().clone() for name, weight in policy.trained().items()}
    load_weights(policy, weights)
    try:
        yield
    finally:
        load_weights(policy, own)


def _choose_trained(model: Any, settings: ModelSettings, adapter: Path | None, seed: int) -> Any:
    """Have all weights trained, or an adapter: the one that it starts from, or a fresh one."""
    if adapter is not None:
        model = cast("Any", PeftModel).from_pretrained(model, str(adapter), is_trainable=True)
    if settings.method == "full":
        return (model if adapter is None else model.merge_and_unload()).requires_grad_(True)
    if adapter is None:
        seed_torch(seed)
        return get_peft_model(model, _lora_config(settings))
    return model


def _is_adapter(start: Path | None) -> bool:
    return start is not None and (start / ADAPTER_FILE).is_file()


def _open_folder(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} holds an adapter and not a whole model; name its base in model.base")
    models, tokenizers = cast("Any", AutoModelForCausalLM), cast("Any", AutoTokenizer)
    return models.from_pretrained(folder, dtype=dtype), tokenizers.from_pretrained(folder)


def _lora_config(settings: ModelSettings) -> LoraConfig:
    lora = settings.lora
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
