"""GGUF files, read back by two readers that know nothing of ours: gguf-py's, and transformers' loader of models."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader, GGUFWriter, dequantize
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from abruzzi.engine.gguf import inspect
from abruzzi.errors import CheckpointError, ConfigError
from abruzzi.training.gguf import Precision, permute, write_adapter, write_model
from abruzzi.training.gguf_metadata import copy_metadata
from tests.training.small import NUM_ROWS, add_adapter, make_llama, make_qwen, make_tokenizer

# PEFT asks transformers by a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

PROMPT = torch.tensor([[0, 40, 41, 42, 43, 44, 45, 46, 47, 48]])


def read(file: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of a file, dequantised."""
    return {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in GGUFReader(file).tensors}


def kinds(file: Path) -> dict[str, str]:
    return {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(file).tensors}


def load(file: Path) -> Any:
    """Read a model back by transformers' own loader."""
    auto: Any = AutoModelForCausalLM
    return auto.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    ).eval()


def test_one_head_of_four_dimensions_worked_by_hand() -> None:
    # transformers rotates rows (0, 2) and (1, 3) together, llama.cpp rows (0, 1) and (2, 3)
    assert permute(np.array([[0], [1], [2], [3]]), 1).ravel().tolist() == [0, 2, 1, 3]
    two_heads = permute(np.arange(12), 2)
    assert two_heads.tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3))
def test_permuting_moves_whole_rows_within_their_head(num_heads: int, half: int, width: int) -> None:
    rows = np.arange(num_heads * 2 * half * width).reshape(-1, width)
    moved = permute(rows, num_heads)
    for head in range(num_heads):
        part = slice(head * 2 * half, (head + 1) * 2 * half)
        assert sorted(moved[part].tolist()) == rows[part].tolist()
        assert (moved[part][0::2] == rows[part][:half]).all()


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("f32", 0.0), ("f16", 5e-4), ("q8_0", 4.5e-3), ("q4_0", 0.14), ("q4_1", 0.075)]
)
def test_a_model_comes_back_from_its_file(
    tmp_path: Path, is_tied: bool, precision: Precision, tolerance: float
) -> None:
    model, file = make_llama(is_tied=is_tied), tmp_path / "model.gguf"
    write_model(model, file, precision=precision, vocabulary=make_tokenizer())
    assert ("output.weight" in kinds(file)) is not is_tied
    back = load(file)
    assert back.config.tie_word_embeddings is is_tied
    ours, theirs = model.state_dict(), back.state_dict()
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        # A step of the grid is a share of the largest weight in a block of 32; here of the whole tensor.
        assert (weight - theirs[name]).abs().max() <= tolerance * weight.abs().max(), name
    with torch.no_grad():
        difference = (model(PROMPT).logits - back(PROMPT).logits).abs().max()
    if precision == "f32":
        assert difference < 1e-5


def test_biases_and_their_permutation_survive(tmp_path: Path) -> None:
    model, file = make_llama(is_tied=False, attention_bias=True), tmp_path / "model.gguf"
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight)
    write_model(model, file, precision="f32", vocabulary=make_tokenizer())
    tensors, bias = read(file), model.state_dict()["model.layers.1.self_attn.k_proj.bias"].numpy()
    assert (tensors["blk.1.attn_k.bias"][0::2][:8] == bias[:8]).all()


def test_qwen2_is_not_permuted(tmp_path: Path) -> None:
    model, file = make_qwen(), tmp_path / "model.gguf"
    write_model(model, file, precision="f32", vocabulary=make_tokenizer())
    tensors, state = read(file), model.state_dict()
    assert (tensors["blk.1.attn_q.weight"] == state["model.layers.1.self_attn.q_proj.weight"].numpy()).all()
    assert (tensors["blk.1.attn_k.bias"] == state["model.layers.1.self_attn.k_proj.bias"].numpy()).all()
    back = load(file)
    with torch.no_grad():
        assert (model(PROMPT).logits - back(PROMPT).logits).abs().max() < 1e-4


def test_head_and_embeddings_keep_eight_bits_and_vectors_all(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    write_model(make_llama(is_tied=False), file, precision="q4_1", vocabulary=make_tokenizer())
    found = kinds(file)
    assert found["token_embd.weight"] == found["output.weight"] == "Q8_0"
    assert found["blk.0.attn_norm.weight"] == "F32"
    assert found["blk.0.ffn_down.weight"] == found["blk.0.attn_q.weight"] == "Q4_1"
    assert GGUFReader(file).fields["general.file_type"].contents() == 3


def test_rows_that_no_block_fits_into_become_half_precision(tmp_path: Path) -> None:
    model, file = make_llama(is_tied=True, intermediate_size=80), tmp_path / "model.gguf"
    write_model(model, file, precision="q8_0", vocabulary=make_tokenizer())
    assert kinds(file)["blk.0.ffn_down.weight"] == "F16"
    assert kinds(file)["blk.0.ffn_up.weight"] == "Q8_0"
    assert inspect(file).num_tensors == len(kinds(file))


@pytest.mark.parametrize("sets_digits_apart", [True, False])
def test_a_tokenizer_comes_back_from_its_file(tmp_path: Path, sets_digits_apart: bool) -> None:
    tokenizer, file = make_tokenizer(sets_digits_apart=sets_digits_apart), tmp_path / "model.gguf"
    write_model(make_llama(is_tied=True), file, precision="f16", vocabulary=tokenizer)
    fields = {key: field.contents() for key, field in GGUFReader(file).fields.items()}
    assert fields["tokenizer.ggml.pre"] == ("smollm" if sets_digits_apart else "gpt-2")
    assert len(fields["tokenizer.ggml.tokens"]) == NUM_ROWS
    assert fields["tokenizer.ggml.tokens"][:2] == ["<|im_start|>", "<|im_end|>"]
    assert fields["tokenizer.ggml.token_type"][:3] == [3, 3, 1]
    assert fields["tokenizer.ggml.token_type"][tokenizer.convert_tokens_to_ids("<answer>")] == 4
    assert fields["tokenizer.ggml.token_type"][-1] == 5
    assert fields["tokenizer.chat_template"] == tokenizer.chat_template
    auto: Any = AutoTokenizer
    back = auto.from_pretrained(tmp_path, gguf_file=file.name)
    for text in ("the lazy dog<|im_end|>", "what is the answer", "é…"):
        assert back(text)["input_ids"] == tokenizer(text)["input_ids"]


def test_metadata_and_vocabulary_are_the_bases(tmp_path: Path) -> None:
    base, file, tokenizer = tmp_path / "base.gguf", tmp_path / "model.gguf", make_tokenizer()
    write_model(make_llama(is_tied=True), base, precision="q8_0", vocabulary=tokenizer)
    model = make_llama(is_tied=True, seed=5)
    write_model(model, file, precision="f16", vocabulary=base)
    ours, theirs = GGUFReader(file).fields, GGUFReader(base).fields
    assert ours.keys() == theirs.keys()
    changed = {key for key in ours if ours[key].contents() != theirs[key].contents()}
    assert changed == {"general.file_type"}
    assert all(ours[key].types == theirs[key].types for key in ours)
    weight = model.state_dict()["model.layers.0.mlp.up_proj.weight"].numpy()
    assert (read(file)["blk.0.ffn_up.weight"] == weight.astype(np.float16)).all()


def test_tensors_of_the_base_that_are_computed_and_not_trained_are_copied(tmp_path: Path) -> None:
    write_model(make_llama(is_tied=True), tmp_path / "plain.gguf", precision="f16", vocabulary=make_tokenizer())
    plain, base = GGUFReader(tmp_path / "plain.gguf"), GGUFWriter(tmp_path / "base.gguf", "llama")
    copy_metadata(plain, base)
    base.add_tensor("rope_freqs.weight", np.array([1.0, 2.5, 8.0, 8.0], dtype=np.float32))
    base.write_header_to_file()
    base.write_kv_data_to_file()
    base.write_tensors_to_file()
    base.close()
    write_model(make_llama(is_tied=True), tmp_path / "m.gguf", precision="q8_0", vocabulary=tmp_path / "base.gguf")
    tensors = read(tmp_path / "m.gguf")
    assert tensors["rope_freqs.weight"].tolist() == [1.0, 2.5, 8.0, 8.0]
    assert tensors.keys() - read(tmp_path / "plain.gguf").keys() == {"rope_freqs.weight"}


def test_a_base_of_another_shape_is_refused(tmp_path: Path) -> None:
    base = tmp_path / "base.gguf"
    write_model(make_llama(is_tied=True, num_hidden_layers=1), base, precision="f16", vocabulary=make_tokenizer())
    with pytest.raises(ConfigError, match=r"block_count is 1 there and 2 here"):
        write_model(make_llama(is_tied=True), tmp_path / "model.gguf", precision="f16", vocabulary=base)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    file, tokenizer = tmp_path / "model.gguf", make_tokenizer()
    model = make_llama(is_tied=True)
    model.config.model_type = "gemma"
    with pytest.raises(ConfigError, match="'gemma' cannot be written as GGUF; these can: llama, qwen2"):
        write_model(model, file, precision="f16", vocabulary=tokenizer)
    scaled = make_llama(is_tied=True, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4})
    with pytest.raises(ConfigError, match="'linear' stand in the base's GGUF file"):
        write_model(scaled, file, precision="f16", vocabulary=tokenizer)
    with pytest.raises(ConfigError, match=r"has 3\d\d tokens and the model 300: they do not belong together"):
        write_model(make_llama(is_tied=True, vocab_size=300), file, precision="f16", vocabulary=tokenizer)
    spaced = make_tokenizer()
    spaced.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ConfigError, match=r"no name is known here for splitting text by .*Whitespace"):
        write_model(make_llama(is_tied=True), file, precision="f16", vocabulary=spaced)
    with torch.no_grad():
        broken = make_llama(is_tied=True)
        broken.model.layers[0].mlp.up_proj.weight[3, 4] = float("nan")
    with pytest.raises(CheckpointError, match=r"layers\.0\.mlp\.up_proj\.weight holds numbers that are not finite"):
        write_model(broken, file, precision="f16", vocabulary=tokenizer)


def test_base_plus_adapter_is_the_merged_model_tensor_by_tensor(tmp_path: Path) -> None:
    """In llama.cpp's layout: W + alpha / rank · B A, with A and B from the adapter's file."""
    tokenizer = make_tokenizer()
    write_model(make_llama(is_tied=True), tmp_path / "base.gguf", precision="f32", vocabulary=tokenizer)
    wrapped = add_adapter(make_llama(is_tied=True))
    wrapped.save_pretrained(tmp_path / "adapter")
    write_adapter(tmp_path / "adapter", wrapped.config, tmp_path / "adapter.gguf", precision="f32")
    write_model(wrapped.merge_and_unload(), tmp_path / "merged.gguf", precision="f32", vocabulary=tokenizer)
    base, merged, adapter = (read(tmp_path / f"{name}.gguf") for name in ("base", "merged", "adapter"))
    assert len(adapter) == 2 * 2 * 7
    for name, weight in base.items():
        change = np.zeros_like(weight)
        if f"{name}.lora_a" in adapter:
            change = 8 / 4 * adapter[f"{name}.lora_b"] @ adapter[f"{name}.lora_a"]
            assert np.abs(change).max() > 0.05
        np.testing.assert_allclose(weight + change, merged[name], atol=1e-5)


@pytest.mark.parametrize(("is_rank_stabilised", "alpha"), [(False, 8.0), (True, 16.0)])
def test_an_adapter_says_what_llama_cpp_looks_for(tmp_path: Path, is_rank_stabilised: bool, alpha: float) -> None:
    wrapped = add_adapter(make_llama(is_tied=True), use_rslora=is_rank_stabilised)
    wrapped.save_pretrained(tmp_path)
    file = tmp_path / "adapter.gguf"
    write_adapter(tmp_path, wrapped.config, file)
    fields = GGUFReader(file).fields
    assert fields["general.type"].contents() == "adapter"
    assert fields["adapter.type"].contents() == "lora"
    assert fields["general.architecture"].contents() == "llama"
    assert fields["adapter.lora.alpha"].contents() == alpha
    assert set(kinds(file).values()) == {"F16"}
    assert inspect(file).is_adapter


def test_adapters_that_are_more_than_two_matrices_are_refused(tmp_path: Path) -> None:
    def refuse(name: str, match: str, *, is_tied: bool = True, **settings: Any) -> None:
        wrapped = add_adapter(make_llama(is_tied=is_tied), **settings)
        wrapped.save_pretrained(tmp_path / name)
        with pytest.raises(ConfigError, match=match):
            write_adapter(tmp_path / name, wrapped.config, tmp_path / "out.gguf")

    refuse("dora", "uses use_dora", use_dora=True)
    refuse("modules", "uses modules_to_save", is_tied=False, modules_to_save=["lm_head"])
    refuse("ranks", "uses rank_pattern", rank_pattern={"q_proj": 2})


def test_a_broken_adapter_is_refused(tmp_path: Path) -> None:
    wrapped = add_adapter(make_llama(is_tied=True))
    wrapped.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "adapter_model.safetensors")
    other = weights.pop("base_model.model.model.layers.0.mlp.up_proj.lora_B.weight")
    save_file(weights, tmp_path / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match=r"mlp\.up_proj has a matrix A and not the other"):
        write_adapter(tmp_path, wrapped.config, tmp_path / "out.gguf")
    save_file(
        {**weights, "base_model.model.model.embed_tokens.lora_embedding_B": other},
        tmp_path / "adapter_model.safetensors",
    )
    with pytest.raises(ConfigError, match=r"embed_tokens\.lora_embedding_B' is no LoRA matrix of a linear layer"):
        write_adapter(tmp_path, wrapped.config, tmp_path / "out.gguf")
    with pytest.raises(CheckpointError, match="not an adapter that can be read"):
        write_adapter(tmp_path / "nowhere", wrapped.config, tmp_path / "out.gguf")
