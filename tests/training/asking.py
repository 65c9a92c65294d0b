"""Plain questions to an engine: its tokens of a text, and its distribution over the next token."""

import json
import math
import urllib.request
from collections.abc import Sequence
from typing import Any

import torch

from abruzzi.engine.process import Engine
from abruzzi.training.fidelity import ask_engine

_LETTER = 40
"""A token that is a printable ASCII character in SmolLM2's vocabulary and in that of our small models."""


def tokenize(engine: Engine, text: str) -> list[int]:
    """The ids of a text in which special tokens are written out."""
    request = urllib.request.Request(
        engine.base_url.removesuffix("/v1") + "/tokenize",
        json.dumps({"content": text, "parse_special": True}).encode(),
        {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)["tokens"]


def next_token_kl(
    engine: Engine,
    prompt: Sequence[int],
    logits_V: torch.Tensor,
    *,
    adapter: str | None = None,
    is_cached: bool = False,
) -> float:
    """Nats from the distribution of these logits to the engine's; what is not among its likeliest is one outcome."""
    # The probabilities are those before sampling. What is sampled is forced to be a whole letter: half of one, or the
    # end, would be kept back, and its probabilities with it.
    settings: dict[str, Any] = {
        "n_predict": 1,
        "temperature": 0.0,
        "n_probs": 200,
        "logit_bias": [[_LETTER, 1000.0]],
        "cache_prompt": is_cached,
    }
    reply = ask_engine(engine, prompt, adapter=adapter, settings=settings)
    logprobs_V = torch.log_softmax(logits_V.double(), 0)
    kl, our_rest, their_rest = 0.0, 1.0, 1.0
    for token in reply["completion_probabilities"][0]["top_logprobs"]:
        ours = logprobs_V[token["id"]].item()
        kl += math.exp(ours) * (ours - token["logprob"])
        our_rest -= math.exp(ours)
        their_rest -= math.exp(token["logprob"])
    if our_rest > 1e-9:
        kl += our_rest * math.log(our_rest / max(their_rest, 1e-12))
    return kl
