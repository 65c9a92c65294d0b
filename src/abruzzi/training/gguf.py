"""Write trained weights as GGUF files, which llama.cpp runs: a LoRA adapter, or a whole model.

Names, shapes and metadata follow the GGUF specification and what llama.cpp (b11549) looks up; quantising is done by
the package ``gguf`` of the same project. Two things are easily got wrong:

- llama.cpp rotates neighbouring pairs of a head's dimensions, transformers the two halves of a head. So in the llama
  architecture the rows of the query and key projections change places, which for an adapter means those of B alone.
  Qwen2 is rotated by halves in both, and stays as it is.
- llama.cpp scales an adapter by alpha / rank, always. Another scaling (rsLoRA) is written as another alpha.

Embeddings and head keep eight bits where the rest gets four. Metadata and vocabulary are ``gguf_metadata``'s.

Not here: adapters that are more than a product of two matrices (DoRA, biases, whole modules), mixtures of experts,
multimodal models, K-quants (the package cannot make them).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFReader, GGUFWriter, LlamaFileType
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import torch as safetensors_torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from abruzzi.errors import CheckpointError, ConfigError
from abruzzi.training.gguf_metadata import add_metadata, add_vocabulary, copy_metadata, read_value

Precision = Literal["f32", "f16", "q8_0", "q4_0", "q4_1"]
Array = NDArray[Any]

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_KINDS: dict[Precision, tuple[Kind, LlamaFileType]] = {
    "f32": (Kind.F32, LlamaFileType.ALL_F32),
    "f16": (Kind.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (Kind.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (Kind.Q4_0, LlamaFileType.MOSTLY_Q4_0),
    "q4_1": (Kind.Q4_1, LlamaFileType.MOSTLY_Q4_1),
}
_WIDE = frozenset({"token_embd.weight", "output.weight"})
_ROPE_TENSORS = frozenset({"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"})
"""Computed from the configuration, not trained: copied from the base's file."""
_LORA_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_UNSUPPORTED = ("use_dora", "modules_to_save", "lora_bias", "fan_in_fan_out", "rank_pattern", "alpha_pattern",
                "trainable_token_indices", "target_parameters")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Architecture:
    """A family of models, as both sides know it."""

    kind: gguf.MODEL_ARCH
    name: str
    """In GGUF metadata."""
    is_permuted: bool
    """True where llama.cpp rotates pairs and transformers halves."""


ARCHITECTURES = {
    "llama": Architecture(gguf.MODEL_ARCH.LLAMA, "llama", is_permuted=True),
    "qwen2": Architecture(gguf.MODEL_ARCH.QWEN2, "qwen2", is_permuted=False),
}
"""``model_type`` of a configuration -> its architecture."""


def write_adapter(
    adapter: Path, config: PretrainedConfig, file: Path, *, precision: Literal["f32", "f16"] = "f16"
) -> None:
    """Write a PEFT LoRA adapter as a GGUF adapter.

    Args:
        adapter: folder with ``adapter_config.json`` and ``adapter_model.safetensors``.
        config: of the base model.
        file: what is written; overwritten if it is there.
        precision: of the matrices; with 16 bits the next token's distribution moves by less than 3e-4 nats.

    Raises:
        ConfigError: the architecture or something in the adapter cannot be expressed.
        CheckpointError: the folder cannot be read, or holds numbers that are not finite.
        OSError: the file cannot be written.
    """
    architecture = find_architecture(config)
    settings, weights = _read_adapter(adapter)
    alpha = _effective_alpha(settings)
    writer = GGUFWriter(file, architecture.name)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    kind = _KINDS[precision][0]
    tensors: list[tuple[str, Array, Kind]] = []
    for module, pair in _pair(weights, adapter).items():
        name = _gguf_name(f"{module}.weight", config, architecture)
        if name == "token_embd.weight" or (name == "output.weight" and config.tie_word_embeddings):
            raise ConfigError(f"{adapter} changes {module}, which a GGUF adapter cannot: export the merged model")
        for side in "AB":
            rows = _to_numpy(pair[side], f"{module}.lora_{side}")
            if side == "B":
                rows = _permute_rows(rows, name, config, architecture)
            tensors.append((f"{name}.lora_{side.lower()}", rows, kind))
    _write(writer, tensors)


def write_model(
    model: PreTrainedModel, file: Path, *, precision: Precision, vocabulary: Path | PreTrainedTokenizerBase
) -> None:
    """Write a whole model as a GGUF file.

    Args:
        model: adapters merged.
        file: what is written; overwritten if it is there.
        precision: of the matrices; vectors stay float32. Rows that no quantised block fits into become float16.
        vocabulary: the GGUF file of the base, whose metadata and vocabulary are copied; or, for a model that has none,
            its tokenizer.

    Raises:
        ConfigError: the architecture or the tokenizer cannot be expressed, or the base is of another shape.
        CheckpointError: a weight is not finite.
        OSError: a file cannot be read or written.
    """
    config = model.config
    architecture = find_architecture(config)
    kind, file_type = _KINDS[precision]
    writer = GGUFWriter(file, architecture.name)
    extras: list[tuple[str, Array, Kind]] = []
    if isinstance(vocabulary, Path):
        reader = GGUFReader(vocabulary)
        _check_base(reader, vocabulary, config, architecture)
        copy_metadata(reader, writer)
        extras = [(t.name, np.array(t.data), t.tensor_type) for t in reader.tensors if t.name in _ROPE_TENSORS]
    else:
        add_metadata(writer, config)
        add_vocabulary(writer, vocabulary, num_rows=config.vocab_size)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _write(writer, _StateTensors(model, architecture, kind, extras))


def find_architecture(config: PretrainedConfig) -> Architecture:
    """Find how a model is called and laid out in GGUF.

    Raises:
        ConfigError: we do not know.
    """
    architecture = ARCHITECTURES.get(config.model_type)
    if architecture is None:
        known = ", ".join(ARCHITECTURES)
        raise ConfigError(f"a model of type {config.model_type!r} cannot be written as GGUF; these can: {known}")
    return architecture


def permute(rows: Array, num_heads: int) -> Array:
    """Reorder the rows of a query or key projection from halves to pairs.

    Args:
        rows: shape (num_heads × head_dim, …); in each head, row i and row i + head_dim / 2 are rotated together.
        num_heads: heads that these rows belong to (for keys: key-value heads).

    Returns:
        The same shape; in each head, rows 2i and 2i + 1 are rotated together.

    Source: the layout of rotary embeddings (arXiv:2104.09864), as against the one that transformers keeps weights in.
    """
    halves = rows.reshape(num_heads, 2, -1, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


class _StateTensors:
    """A model's tensors in the order of its file, converted one at a time: only one is held twice."""

    def __init__(
        self, model: PreTrainedModel, architecture: Architecture, kind: Kind, extras: list[tuple[str, Array, Kind]]
    ) -> None:
        self._config = model.config
        self._architecture = architecture
        self._kind = kind
        self._extras = extras
        state = cast("dict[str, torch.Tensor]", model.state_dict())
        if self._config.tie_word_embeddings:
            state.pop("lm_head.weight", None)
        self._state = state

    def __iter__(self) -> Iterator[tuple[str, Array, Kind]]:
        yield from self._extras
        for key, tensor in self._state.items():
            name = _gguf_name(key, self._config, self._architecture)
            rows = _permute_rows(_to_numpy(tensor, key), name, self._config, self._architecture)
            yield name, rows, _choose_kind(name, rows.shape, self._kind)


def _choose_kind(name: str, shape: tuple[int, ...], kind: Kind) -> Kind:
    if len(shape) < 2:
        return Kind.F32
    if name in _WIDE and kind in (Kind.Q4_0, Kind.Q4_1):
        kind = Kind.Q8_0
    return kind if shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0 else Kind.F16


def _write(writer: GGUFWriter, tensors: Any) -> None:
    """Write everything; the tensors are gone through twice, first for their places and then for their values."""
    try:
        for name, rows, kind in tensors:
            if rows.dtype == np.uint8:  # copied as it is
                writer.add_tensor_info(name, rows.shape, rows.dtype, rows.nbytes, raw_dtype=kind)
                continue
            block_weights, block_bytes = gguf.GGML_QUANT_SIZES[kind]
            num_bytes = rows.size // block_weights * block_bytes
            writer.add_tensor_info(name, rows.shape, rows.dtype, num_bytes, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for _, rows, kind in tensors:
            writer.write_tensor_data(rows if rows.dtype == np.uint8 else gguf.quantize(rows, kind))
    finally:
        writer.close()


def _gguf_name(key: str, config: PretrainedConfig, architecture: Architecture) -> str:
    names = gguf.get_tensor_name_map(architecture.kind, config.num_hidden_layers)
    name = names.get_name(key, try_suffixes=(".weight", ".bias"))
    if name is None:
        raise ConfigError(f"{key!r} has no place in a GGUF file of a {architecture.name}: export a Hugging Face folder")
    return name


def _permute_rows(rows: Array, name: str, config: PretrainedConfig, architecture: Architecture) -> Array:
    """Reorder rows where this tensor's have another order in llama.cpp."""
    if not architecture.is_permuted:
        return rows
    if ".attn_q." in name:
        return permute(rows, config.num_attention_heads)
    if ".attn_k." in name:
        return permute(rows, config.num_key_value_heads)
    return rows


def _to_numpy(tensor: torch.Tensor, key: str) -> Array:
    rows = tensor.detach().to("cpu", torch.float32).numpy()
    if not np.isfinite(rows).all():
        raise CheckpointError(f"{key} holds numbers that are not finite: take an older checkpoint")
    return rows


def _read_adapter(adapter: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        settings = json.loads((adapter / ADAPTER_CONFIG).read_text("utf-8"))
        weights = cast("Any", safetensors_torch).load_file(adapter / ADAPTER_WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{adapter} is not an adapter that can be read: {error}") from error
    odd = [name for name in _UNSUPPORTED if settings.get(name)]
    if settings.get("peft_type") != "LORA" or settings.get("bias", "none") != "none" or odd:
        what = ", ".join(odd) or f"peft_type {settings.get('peft_type')!r}, bias {settings.get('bias')!r}"
        raise ConfigError(f"{adapter} uses {what}, which a GGUF adapter cannot express: export the merged model")
    return settings, weights


def _effective_alpha(settings: dict[str, Any]) -> float:
    """Give the alpha that, divided by the rank, is the adapter's scale."""
    alpha, rank = float(settings["lora_alpha"]), float(settings["r"])
    return alpha * rank**0.5 if settings.get("use_rslora") else alpha


def _pair(weights: dict[str, torch.Tensor], adapter: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Bring the two matrices of each module together."""
    pairs: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in weights.items():
        match = _LORA_KEY.fullmatch(key)
        if match is None:
            raise ConfigError(f"{adapter}: {key!r} is no LoRA matrix of a linear layer: export the merged model")
        pairs.setdefault(match["module"], {})[match["side"]] = tensor
    for module, pair in pairs.items():
        if len(pair) != 2:
            raise CheckpointError(f"{adapter}: {module} has a matrix {next(iter(pair))} and not the other one")
    return pairs


def _check_base(reader: GGUFReader, file: Path, config: PretrainedConfig, architecture: Architecture) -> None:
    """Refuse a base file that the model cannot have come from."""
    name = architecture.name
    wanted = {
        "general.architecture": name,
        f"{name}.block_count": config.num_hidden_layers,
        f"{name}.embedding_length": config.hidden_size,
        f"{name}.feed_forward_length": config.intermediate_size,
        f"{name}.attention.head_count": config.num_attention_heads,
        f"{name}.attention.head_count_kv": config.num_key_value_heads,
    }
    found = {key: read_value(reader, key) for key in wanted}
    found["tokens"], wanted["tokens"] = len(read_value(reader, "tokenizer.ggml.tokens") or ()), config.vocab_size
    for key, value in wanted.items():
        if found[key] != value:
            raise ConfigError(f"{file} is not the base of this model: {key} is {found[key]!r} there and {value!r} here")
