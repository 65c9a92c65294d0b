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
from safetensors import torch as safetensors_torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from abruzzi.errors import CheckpointError, ConfigError, WeightsError
from abruzzi.training.base import identify, load_base, weight_files
from abruzzi.training.lineage import check_trained_on, find_start, is_adapter
from abruzzi.training.recipe import ModelSettings
from abruzzi.training.scratch import make_model
from abruzzi.training.seeds import seed_torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
HOST = torch.device("cpu")
"""Where a model waits for a trainer that puts it, or its shards, where accelerate says."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is trained."""

    model: Any
    """A ``PreTrainedModel``, or a ``PeftModel`` around one."""
    tokenizer: Any
    identity: str
    """Of the base: sha256 over its configuration and weights."""
    trained_on: str = ""
    """Of what an adapter lies on: the base's identity, or that of the whole weights that training started from."""

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
        ConfigError: the base cannot be had, the start was trained on another, or the tokenizer has no such end of turn.
        CheckpointError: the start is no checkpoint and no exported adapter.
    """
    disable_progress_bar()
    device = pick_device() if device is None else device
    dtype = DTYPES[settings.dtype]
    start = None if settings.start is None else find_start(settings.start)
    starts_whole = start is not None and not is_adapter(start)
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
        if start is not None and starts_whole:
            model, tokenizer = _open_folder(start, dtype)
        elif start is not None:
            check_trained_on(start, identity, settings.base)
            if (start / "tokenizer.json").is_file():  # an exported adapter has none
                tokenizer = cast("Any", AutoTokenizer).from_pretrained(start)
    if settings.end_of_turn is not None:
        _end_turns(model, tokenizer, settings.end_of_turn)
    model.set_attn_implementation(settings.attention)
    model.config.use_cache = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT reads names that transformers has replaced
        model = _choose_trained(model, settings, None if starts_whole else start, seed)
    trained_on = identify(start) if start is not None and starts_whole and settings.method == "lora" else identity
    return Policy(model.to(device), tokenizer, identity, trained_on)


def save_policy(policy: Policy, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write what is trained, and the tokenizer, into a folder.

    Args:
        policy: what is trained.
        folder: where it goes.
        weights: all of the model's, where the policy itself holds but a share of each.

    Raises:
        OSError: there is no room.
    """
    try:
        policy.model.save_pretrained(folder, safe_serialization=True, state_dict=weights)
        policy.tokenizer.save_pretrained(folder)
    except Exception as error:  # of a full disk, tokenizers says no more than this
        if type(error) not in (SafetensorError, Exception):
            raise
        raise OSError(errno.EIO, str(error)) from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights that ``save_policy`` wrote, under the names that they have in the model.

    Raises:
        CheckpointError: there are none, or they cannot be read.
    """
    weights: dict[str, Tensor] = {}
    try:
        for file in weight_files(folder):
            weights.update(cast("Any", safetensors_torch).load_file(file))
    except (OSError, SafetensorError, WeightsError) as error:
        raise CheckpointError(f"the weights of {folder} cannot be read: {error}; take an older checkpoint") from error
    return {_name_in_model(name): weight for name, weight in weights.items()}


def _name_in_model(name: str) -> str:
    """PEFT leaves the adapter's own name out of files: ``q_proj.lora_A.default.weight``."""
    module, _, kind = name.rpartition(".")
    return f"{module}.default.{kind}" if "lora_" in module else name


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


def _end_turns(model: Any, tokenizer: Any, token: str) -> None:
    """Have a token end the model's turns: in what it is taught, in what is sampled from it, and in what is saved."""
    number = tokenizer.get_vocab().get(token)
    if number is None:
        raise ConfigError(
            f"model.end_of_turn is {token!r}, which is no token of {tokenizer.name_or_path!r}; name the one that its "
            "chat template writes after a turn"
        )
    tokenizer.eos_token = token
    model.config.eos_token_id = number
    model.generation_config.eos_token_id = number


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
