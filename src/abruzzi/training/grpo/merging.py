"""LoRA merged for a while: a model whose adapters are part of its weights, as long as it only samples.

The trained weights are never touched. Each adapted layer is exchanged for a plain one that holds a merged copy, and put
back afterwards, so that training goes on bit for bit as if nothing had happened, whatever happened meanwhile. It costs
one more copy of the adapted weights for the time.

Layers that are not plainly ``W x + scale · B A x`` (DoRA and other variants, biases of adapters, embeddings) are left
as they are: they compute the same, only slower.
"""

import contextlib
from collections.abc import Generator
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn


@contextlib.contextmanager
def lora_merged(model: nn.Module) -> Generator[None]:
    """Have a model compute with its active adapters merged; a model without adapters stays as it is."""
    adapted: list[tuple[nn.Module, str, nn.Module]] = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, LoraLinear)
    ]
    try:
        for parent, name, layer in adapted:
            setattr(parent, name, _merge(layer))
        yield
    finally:
        for parent, name, layer in adapted:
            setattr(parent, name, layer)


@torch.no_grad()
def _merge(layer: Any) -> nn.Module:
    """Make a plain layer that computes the same; the layer itself where it is not that simple."""
    base = layer.base_layer
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    is_odd = any(name in layer.lora_variant or layer.lora_bias[name] for name in active)
    if type(base) is not nn.Linear or layer.merged or layer.disable_adapters or is_odd:
        return layer
    weight: Tensor = base.weight.detach().clone()
    for name in active:
        weight += layer.get_delta_weight(name)
    with torch.device("meta"):
        plain = nn.Linear(base.in_features, base.out_features, bias=False)
    plain.weight = nn.Parameter(weight, requires_grad=False)
    plain.bias = base.bias
    return plain
