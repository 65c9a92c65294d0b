"""A model of two layers and a few letters, with random weights, that the real engine runs in no time."""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGUFWriter

LETTERS = "abcdefgh"
END = len(LETTERS)
"""The id of the token that ends a text; letters have the ids before it."""

_WIDTH, _HEADS, _INNER, _LAYERS = 32, 2, 64, 2


def write_small_model(folder: Path, name: str = "small.gguf", *, letters: str = LETTERS, seed: int = 0) -> Path:
    """Write it and return its path; logits are wide enough that some letters are likely and others rare."""
    random = np.random.default_rng(seed)
    path = folder / name
    writer = GGUFWriter(path, "llama")
    writer.add_name("small")
    writer.add_context_length(512)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = [*letters, "<|end|>"]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.NORMAL] * len(letters) + [gguf.TokenType.CONTROL]
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{letters[0]} {letters[1]}"])
    writer.add_eos_token_id(len(letters))
    writer.add_bos_token_id(len(letters))
    writer.add_add_bos_token(False)
    # Of a chat, only the letters that it knows are left.
    writer.add_chat_template("{% for message in messages %}{{ message.content }}{% endfor %}")

    def add(name: str, *shape: int, scale: float) -> None:
        writer.add_tensor(name, (scale * random.standard_normal(shape)).astype(np.float32))

    add("token_embd.weight", len(tokens), _WIDTH, scale=1.0)
    add("output.weight", len(tokens), _WIDTH, scale=1.2 * _WIDTH**-0.5)
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    for layer in range(_LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(_WIDTH, np.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{part}.weight", _WIDTH, _WIDTH, scale=1.5 * _WIDTH**-0.5)
        add(f"blk.{layer}.ffn_gate.weight", _INNER, _WIDTH, scale=_WIDTH**-0.5)
        add(f"blk.{layer}.ffn_up.weight", _INNER, _WIDTH, scale=_WIDTH**-0.5)
        add(f"blk.{layer}.ffn_down.weight", _WIDTH, _INNER, scale=_INNER**-0.5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
