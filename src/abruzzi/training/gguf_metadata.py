"""A GGUF file's metadata and vocabulary: copied from the base's file, or made from configuration and tokenizer.

Made they can be for the llama and qwen2 architectures with plain rotary positions, and for a byte-level BPE whose way
of splitting text before merging llama.cpp knows: GPT-2's, alone or after setting each digit apart (SmolLM's). Anything
else needs the file of the base, where llama.cpp's own converter has put it right.
"""

import json
from typing import Any, cast

from gguf import GGUFReader, GGUFValueType, GGUFWriter, TokenType
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from abruzzi.errors import ConfigError

_OWN_KEYS = frozenset({"general.architecture", "general.file_type", "general.quantization_version"})
"""Not copied: the writer says these of its own file."""
_DIGITS = frozenset({r"\d", r"\p{N}", "[0-9]"})
"""Equal for the digits 0 to 9; llama.cpp sets those of other scripts apart as well."""


def read_value(reader: GGUFReader, key: str) -> Any:
    """Read a metadata value; None where there is none."""
    field = reader.get_field(key)
    return None if field is None else field.contents()


def copy_metadata(reader: GGUFReader, writer: GGUFWriter) -> None:
    """Copy everything that one file says of itself to another, but for its architecture and precision."""
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in _OWN_KEYS:
            continue
        kind = field.types[0]
        sub_kind = field.types[-1] if kind is GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), kind, sub_type=sub_kind)


def add_metadata(writer: GGUFWriter, config: PretrainedConfig) -> None:
    """Say what a model's configuration says.

    Raises:
        ConfigError: its positions are scaled in a way that only the base's own file expresses.
    """
    rope: dict[str, Any] = cast("Any", config).rope_parameters
    if rope.get("rope_type", "default") != "default":
        raise ConfigError(f"positions of type {rope['rope_type']!r} stand in the base's GGUF file: give that file")
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_type("model")
    writer.add_name(config.model_type)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def add_vocabulary(writer: GGUFWriter, tokenizer: PreTrainedTokenizerBase, *, num_rows: int) -> None:
    """Write a byte-level BPE, special tokens and chat template.

    Args:
        writer: gets them.
        tokenizer: a fast one.
        num_rows: of the embedding; rows beyond the tokenizer's own are named and marked unused.

    Raises:
        ConfigError: the tokenizer is of another kind, splits text in a way that llama.cpp has no name for, or has more
            tokens than the model.
    """
    described = json.loads(cast("Any", tokenizer).backend_tokenizer.to_str())
    model = described["model"]
    if model["type"] != "BPE":
        raise ConfigError(f"a tokenizer of type {model['type']!r} cannot be written as GGUF: only byte-level BPE can")
    num_tokens = len(cast("Any", tokenizer))
    if num_tokens > num_rows:
        raise ConfigError(
            f"the tokenizer has {num_tokens} tokens and the model {num_rows}: they do not belong together"
        )
    tokens = [f"[UNUSED{number}]" for number in range(num_rows)]
    kinds = [TokenType.UNUSED] * num_rows
    for token, number in model["vocab"].items():
        tokens[number], kinds[number] = token, TokenType.NORMAL
    for added in described["added_tokens"]:
        kind = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
        tokens[added["id"]], kinds[added["id"]] = added["content"], kind
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_name_split(described["pre_tokenizer"]))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_add_space_prefix(value=False)
    writer.add_add_bos_token(value=False)
    ids: dict[str, Any] = {
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "padding": tokenizer.pad_token_id,
        "unknown": tokenizer.unk_token_id,
    }
    for name, number in ids.items():
        if number is not None:
            writer.add_uint32(f"tokenizer.ggml.{name}_token_id", number)
    template: object = cast("Any", tokenizer).chat_template
    if isinstance(template, str):
        writer.add_chat_template(template)


def _name_split(described: Any) -> str:
    """Name, as llama.cpp does, how a tokenizer splits text before merging.

    Raises:
        ConfigError: in a way that is none of those known here.
    """
    steps: list[Any] = described.get("pretokenizers", [described]) if described else []
    match steps:
        case [{"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]:
            return "gpt-2"
        case [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        ]:
            return "smollm"
        case [
            {"type": "Split", "pattern": {"Regex": str(regex)}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        ] if regex in _DIGITS:
            return "smollm"
        case _:
            how = json.dumps(described)[:200]
            raise ConfigError(f"no name is known here for splitting text by {how}: give the base's GGUF file")
