"""Rows that come and go, each token's key told apart by its number."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from abruzzi.errors import ConfigError
from abruzzi.training.grpo.slab import Slab
from tests.training.grpo.untyped import values

LAYERS, HEADS, SIZE = 2, 2, 3


def state(keys: list[list[float]]) -> Tensor:
    """Key states (rows, heads, columns, size) that hold one number a token."""
    return torch.tensor(keys)[:, None, :, None].expand(-1, HEADS, -1, SIZE).clone()


def prefilled(*prompts: list[float]) -> tuple[DynamicCache, list[int]]:
    """The cache of prompts padded on the left with NaN, as the worst that padding can hold, and the paddings."""
    width = max(map(len, prompts))
    pads = [width - len(prompt) for prompt in prompts]
    keys = state([[float("nan")] * pad + prompt for pad, prompt in zip(pads, prompts, strict=True)])
    cache: Any = DynamicCache()
    for layer in range(LAYERS):
        cache.update(keys + layer, -keys - layer, layer)
    return cache, pads


def step(slab: Slab, tokens: list[float], leaving: tuple[list[int], list[int]] = ([], [])) -> list[list[float]]:
    """Write a token of each row, let rows leave as told, and return what each row attends to."""
    mask, positions = slab.open_column(torch.float32)
    seen: list[list[float]] = []
    for layer in range(LAYERS):
        new = state([[token] for token in tokens]) + layer
        keys, negated = slab.update(new, -new, layer)
        assert torch.equal(keys.nan_to_num(), -negated.nan_to_num())
        assert keys.shape == (len(tokens), HEADS, mask.shape[-1], SIZE)
        rows = [row[0, :, 0][bias[0, 0] == 0] - layer for row, bias in zip(keys, mask, strict=True)]
        seen = [values(row) for row in rows]
        assert [len(row) - 1 for row in seen] == values(positions[:, 0])
    holes, movers = leaving
    slab.close_column(holes, movers, len(tokens) - len(movers) if movers else len(tokens))
    return seen


def test_members_continue_their_prompt_and_nothing_else() -> None:
    cache, pads = prefilled([1, 2, 3], [4])
    slab = Slab(cache)
    slab.append(cache, [0, 0, 1], pads)
    assert step(slab, [10, 20, 30]) == [[1, 2, 3, 10], [1, 2, 3, 20], [4, 30]]
    assert step(slab, [11, 21, 31]) == [[1, 2, 3, 10, 11], [1, 2, 3, 20, 21], [4, 30, 31]]


def test_a_row_that_leaves_is_overwritten_by_the_last_one() -> None:
    cache, pads = prefilled([1, 2, 3], [4])
    slab = Slab(cache)
    slab.append(cache, [0, 1, 0], pads)
    step(slab, [10, 20, 30], leaving=([0], [2]))
    assert step(slab, [31, 21]) == [[1, 2, 3, 30, 31], [4, 20, 21]]


def test_a_row_joins_later_further_right_even_with_a_longer_prompt() -> None:
    cache, pads = prefilled([1, 2])
    slab = Slab(cache)
    slab.append(cache, [0], pads)
    step(slab, [10])
    later, pads = prefilled([5], [6.0] * 100)
    slab.append(later, [1, 0], pads)
    assert step(slab, [11, 21, 31]) == [[1, 2, 10, 11], [*[6.0] * 100, 21], [5, 31]]


def test_it_grows_as_long_as_it_has_to() -> None:
    cache, pads = prefilled([1, 2])
    slab = Slab(cache)
    slab.append(cache, [0, 0], pads)
    seen = [step(slab, [float(number), float(-number)]) for number in range(300)]
    assert seen[-1] == [[1, 2, *map(float, range(300))], [1, 2, *(float(-number) for number in range(300))]]


def test_layers_of_different_shapes_are_refused() -> None:
    cache: Any = DynamicCache()
    cache.update(torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 1, 3), 0)
    with pytest.raises(ConfigError, match="differ"):
        Slab(cache)
