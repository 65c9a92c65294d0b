import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from abruzzi.capacity.shapes import SHAPES, ModelShape, shape_of
from abruzzi.errors import ConfigError

SMALL = ModelShape(2, 8, 4, 2, 2, 16, 10, is_tied=False, has_qkv_bias=True)


def config_of(shape: ModelShape) -> dict[str, Any]:
    return {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.intermediate,
        "vocab_size": shape.vocabulary,
        "tie_word_embeddings": shape.is_tied,
    }


def count_in_transformers(shape: ModelShape) -> int:
    """Build the model without memory for its weights, and count them."""
    make = Qwen2Config if shape.has_qkv_bias else LlamaConfig
    with torch.device("meta"):
        model = cast("Any", AutoModelForCausalLM).from_config(make(**config_of(shape)))
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_of_a_small_model_by_hand() -> None:
    # Attention: q and o 8 x 8 each, k and v 8 x 4 each: 192. Biases 8 + 4 + 4. MLP 3 x 8 x 16 = 384. Two norms of 8.
    assert SMALL.layer_parameters == 192 + 16 + 384 + 16
    # Two layers, embedding and head of 10 x 8 each, the last norm of 8.
    assert SMALL.num_parameters == 2 * 608 + 2 * 80 + 8
    assert SMALL.active_parameters == 2 * 608 + 80 + 8
    # Keys and values of 4 numbers in two layers, 2 bytes each.
    assert SMALL.kv_bytes_per_token == 2 * 2 * 4 * 2


@pytest.mark.parametrize("name", SHAPES)
def test_parameters_agree_with_the_model_that_transformers_builds(name: str) -> None:
    assert SHAPES[name].num_parameters == count_in_transformers(SHAPES[name])


def test_the_large_model_has_its_published_size() -> None:
    assert SHAPES["Qwen/Qwen2.5-32B"].num_parameters == 32_763_876_352
    assert SHAPES["Qwen/Qwen2.5-32B"].kv_bytes_per_token == 256 * 1024


@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-32B", "hf:Qwen/Qwen2.5-32B@1818d35"])
def test_known_models_are_found_by_any_of_their_names(model: str) -> None:
    assert shape_of(model) is SHAPES["Qwen/Qwen2.5-32B"]


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_folder_is_read(tmp_path: Path, has_bias: bool) -> None:
    config = {**config_of(SMALL), "model_type": "qwen2" if has_bias else "llama"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert shape_of(str(tmp_path)) == ModelShape(2, 8, 4, 2, 2, 16, 10, is_tied=False, has_qkv_bias=has_bias)


def test_what_a_config_leaves_out_is_filled_in_as_transformers_does(tmp_path: Path) -> None:
    config = config_of(SMALL)
    del config["head_dim"], config["num_key_value_heads"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert (shape_of(str(tmp_path)).head_dim, shape_of(str(tmp_path)).kv_heads) == (2, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "num_attention_heads"),
        ("no JSON", "no dense decoder"),
        ("[1]", "no dense decoder"),
        (json.dumps({**config_of(SMALL), "num_local_experts": 8}), "mixture of experts"),
    ],
)
def test_what_is_no_dense_decoder_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=message):
        shape_of(str(tmp_path))


def test_an_unknown_name_is_told_what_is_known() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'Qwen/Qwen2\.5-32B'"):
        shape_of("Qwen/Qwen2.5-32b")
