"""The start of a draft model: a small model that reads and writes the very tokens of a base, for speculative decoding.

    LAYERSxWIDTH    a Llama of fresh layers; its embeddings, which are its head too, are the base's, reduced to WIDTH
                    dimensions by their principal components, so that like tokens begin alike
    LAYERS          the base's first layers, with its embeddings, last norm and head as they are

Either is but a start: it drafts nothing worth verifying until it was taught on replies of the base, or of a solver
that was trained from it. Fresh layers cost little to run, and most of what they cost is the head; the base's own layers
have been taught a language already, and cost their share of the base.

Not here: heads that read the base's hidden states (EAGLE-3, arXiv 2503.01840); they need an engine that gives them.
"""

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from abruzzi.errors import ConfigError
from abruzzi.training.seeds import seed_torch

HEAD_DIM = 32
"""llama.cpp's smallest blocks hold 32 weights, so widths are multiples of it."""
ROPE_BASE = 1000.0
"""Wavelengths from 6 to some 4,000 tokens."""
SEED = 0
_SHAPE = re.compile(r"(?P<layers>[1-9]\d*)(x(?P<width>[1-9]\d*))?")


@dataclass(frozen=True, slots=True)
class DraftShape:
    """How large a draft model is."""

    layers: int
    width: int | None = None
    """Of fresh layers; None takes the base's own."""


def parse_shape(text: str) -> DraftShape:
    """Read ``4x192`` or ``4``.

    Raises:
        ConfigError: it is neither, or no width that can be had.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ConfigError(f"no draft has the shape {text!r}: write LAYERSxWIDTH for fresh layers (4x192), or LAYERS")
    width = None if match["width"] is None else int(match["width"])
    if width is not None and width % HEAD_DIM:
        raise ConfigError(f"a draft cannot be {width} wide: give a multiple of {HEAD_DIM}")
    return DraftShape(int(match["layers"]), width)


def make_draft(base: PreTrainedModel, shape: DraftShape) -> PreTrainedModel:
    """Make a draft's start, in float32; the same base and shape give the same weights.

    Raises:
        ConfigError: the base is not as deep or as wide.
    """
    return _cut(base, shape.layers) if shape.width is None else _make_fresh(base, shape.layers, shape.width)


def reduce_embeddings(embeddings_VD: torch.Tensor, width: int) -> torch.Tensor:
    """Reduce embeddings to their principal components, not centred, so that inner products stay as near as they can.

    Args:
        embeddings_VD: a row a token.
        width: components kept, at most D.

    Returns:
        Shape (V, width), scaled so that rows have length 1 on average (root of the mean square), which suits a head
        that is tied to them.
    """
    rows_VD = embeddings_VD.double()
    vectors_DD: torch.Tensor = cast("Any", torch.linalg).eigh(rows_VD.T @ rows_VD)[1]  # the largest last
    reduced = rows_VD @ vectors_DD[:, -width:].flip(1)
    return (reduced / reduced.square().sum(1).mean().sqrt()).float()


def _make_fresh(base: PreTrainedModel, layers: int, width: int) -> PreTrainedModel:
    model: Any = base
    embeddings_VD: torch.Tensor = model.get_input_embeddings().weight.detach()
    if width > embeddings_VD.shape[1]:
        raise ConfigError(f"a draft of width {width} is wider than its base, which has {embeddings_VD.shape[1]}")
    heads = width // HEAD_DIM
    seed_torch(SEED)
    config = LlamaConfig(
        vocab_size=embeddings_VD.shape[0],
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 3 if heads % 3 == 0 else heads,
        max_position_embeddings=model.config.max_position_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
        initializer_range=width**-0.5,
        tie_word_embeddings=True,
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
    )
    draft: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        draft.get_input_embeddings().weight.copy_(reduce_embeddings(embeddings_VD, width))
    return cast("PreTrainedModel", draft)


def _cut(base: PreTrainedModel, layers: int) -> PreTrainedModel:
    model: Any = base
    if layers >= model.config.num_hidden_layers:
        raise ConfigError(
            f"a draft of {layers} layers is as deep as its base, which has {model.config.num_hidden_layers}"
        )
    config = deepcopy(model.config)
    config.num_hidden_layers = layers
    draft: Any = type(model)(config)
    weights = model.state_dict()
    draft.load_state_dict({name: weights[name] for name in draft.state_dict()})
    return cast("PreTrainedModel", draft.float())
