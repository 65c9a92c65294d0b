"""The shape of a model: how many numbers it has, and where; all that an estimate knows of it.

Covered are dense decoders of the Llama and Qwen2 family: grouped-query attention, gated MLP, RMSNorm. Mixtures of
experts are not: they are refused, not estimated wrongly.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from abruzzi.config import suggest
from abruzzi.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A dense decoder."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    is_tied: bool
    """The head is the input embedding."""
    has_qkv_bias: bool

    @property
    def query_width(self) -> int:
        """Numbers in one token's queries."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Numbers in one token's keys, and as many in its values."""
        return self.kv_heads * self.head_dim

    @property
    def layer_parameters(self) -> int:
        """Of one layer: four attention matrices, three of the MLP, two norms, and biases."""
        attention = 2 * self.hidden * self.query_width + 2 * self.hidden * self.kv_width
        bias = self.query_width + 2 * self.kv_width if self.has_qkv_bias else 0
        return attention + bias + 3 * self.hidden * self.intermediate + 2 * self.hidden

    @property
    def head_parameters(self) -> int:
        """Of the output head; as many has the input embedding."""
        return self.vocabulary * self.hidden

    @property
    def num_parameters(self) -> int:
        """All of them, tied ones once."""
        embeddings = self.head_parameters if self.is_tied else 2 * self.head_parameters
        return self.layers * self.layer_parameters + embeddings + self.hidden

    @property
    def active_parameters(self) -> int:
        """Those that a token is multiplied by: all but the input embedding, which is looked up."""
        return self.layers * self.layer_parameters + self.head_parameters + self.hidden

    @property
    def kv_bytes_per_token(self) -> int:
        """Of the key-value cache in 16 bits."""
        return 2 * self.layers * self.kv_width * 2


SHAPES: Mapping[str, ModelShape] = {
    "Qwen/Qwen2.5-32B": ModelShape(64, 5120, 40, 8, 128, 27648, 152064, is_tied=False, has_qkv_bias=True),
    "Qwen/Qwen2.5-7B": ModelShape(28, 3584, 28, 4, 128, 18944, 152064, is_tied=False, has_qkv_bias=True),
    "Qwen/Qwen2.5-1.5B": ModelShape(28, 1536, 12, 2, 128, 8960, 151936, is_tied=True, has_qkv_bias=True),
    "meta-llama/Llama-2-7b-hf": ModelShape(32, 4096, 32, 32, 128, 11008, 32000, is_tied=False, has_qkv_bias=False),
    "meta-llama/Llama-2-70b-hf": ModelShape(80, 8192, 64, 8, 128, 28672, 32000, is_tied=False, has_qkv_bias=False),
    "meta-llama/Llama-3.1-8B": ModelShape(32, 4096, 32, 8, 128, 14336, 128256, is_tied=False, has_qkv_bias=False),
    "meta-llama/Llama-3.1-70B": ModelShape(80, 8192, 64, 8, 128, 28672, 128256, is_tied=False, has_qkv_bias=False),
    "embedded": ModelShape(30, 576, 9, 3, 64, 1536, 49152, is_tied=True, has_qkv_bias=False),
}
"""By the name that recipes call them by."""


def shape_of(model: str) -> ModelShape:
    """Find a model's shape.

    Args:
        model: a name in ``SHAPES``, that name as ``hf:NAME@REVISION``, or a Hugging Face folder.

    Raises:
        ConfigError: it is neither, or no dense decoder.
    """
    name = model.removeprefix("hf:").partition("@")[0]
    if name in SHAPES:
        return SHAPES[name]
    config = Path(model) / "config.json"
    if not config.is_file():
        raise ConfigError(
            f"the shape of {model!r} is not known{suggest(name, SHAPES)}; a folder with config.json will do"
        )
    return _read_shape(config)


def _read_shape(path: Path) -> ModelShape:
    try:
        config = cast("dict[str, Any]", json.loads(path.read_text("utf-8")))
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        shape = ModelShape(
            layers=int(config["num_hidden_layers"]),
            hidden=hidden,
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            intermediate=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            is_tied=bool(config.get("tie_word_embeddings", False)),
            has_qkv_bias=bool(config.get("attention_bias", config.get("model_type") == "qwen2")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} describes no dense decoder: {type(error).__name__}: {error}") from error
    if any("expert" in key for key in config):
        raise ConfigError(f"{path} describes a mixture of experts; only dense models are estimated")
    return shape
