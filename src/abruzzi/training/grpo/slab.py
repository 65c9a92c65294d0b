"""Keys and values of rows that come and go, for a batch that decodes one token of each row a step.

All rows write to the same column of the slab, and each has a column of its own where its prompt begins: a row that
joins late lies further right, and its neighbours' columns left of it are masked. A row that leaves is overwritten by
the last one, so that the rows in use are always the first ones. Nothing is concatenated; the slab moves to a larger
one, by half, when its columns are used up.

It serves transformers' models with full attention in all layers, through the one method that they call: ``update``.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache

from abruzzi.errors import ConfigError

_ROOM_TOKENS = 64
"""Free columns that a slab is made with, at least: copying it pays off over as many steps."""


class Slab(Cache):
    """Keys and values of all layers in one tensor: (2 · layers, rows, heads, columns, head size).

    A row's tokens lie in the columns from its start to ``_end``. What lies left of the start belongs to nobody; it is
    masked, and finite, because a slab is made of zeros.
    """

    def __init__(self, cache: DynamicCache) -> None:
        super().__init__(layers=[])
        layers: list[Any] = cache.layers
        shapes = {tuple(half.shape[1::2]) for layer in layers for half in (layer.keys, layer.values)}
        if len(shapes) > 1:
            raise ConfigError(f"the model's layers differ in heads or head size ({shapes}): use another sampler")
        (heads, head_size), *_ = shapes
        self._kv: Tensor = layers[0].keys.new_zeros(2 * len(layers), 0, heads, 0, head_size)
        self._starts_B: list[int] = []
        self._first = 0
        """The first column in use."""
        self._end = 0
        """The column that the next token goes to."""

    def append(self, cache: DynamicCache, sources: list[int], pads: list[int]) -> None:
        """Add rows.

        Args:
            cache: of a batch of prompts, padded on the left.
            sources: for each new row which prompt it continues.
            pads: for each prompt how many columns of padding it has.
        """
        layers: list[Any] = cache.layers
        width = layers[0].keys.shape[2]
        old, new = len(self._starts_B), len(self._starts_B) + len(sources)
        self._make_room(new, before=width, after=0)
        begin = self._end - width
        for number, layer in enumerate(layers):
            self._kv[2 * number, old:new, :, begin : self._end] = layer.keys[sources]
            self._kv[2 * number + 1, old:new, :, begin : self._end] = layer.values[sources]
        self._starts_B += [begin + pads[source] for source in sources]

    def open_column(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Make room for a token of each row.

        Returns:
            What is added to the attention's scores, (rows, 1, 1, columns in use), and the tokens' positions, (rows, 1).
        """
        self._make_room(len(self._starts_B), before=0, after=1)
        self._first = min(self._starts_B)
        starts_B = torch.tensor(self._starts_B, device=self._kv.device)[:, None]
        is_foreign = torch.arange(self._first, self._end + 1, device=self._kv.device) < starts_B
        mask = torch.zeros(is_foreign.shape, dtype=dtype, device=self._kv.device).masked_fill_(is_foreign, -torch.inf)
        return mask[:, None, None], self._end - starts_B

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write a layer's column and return all of its columns in use; called by the model."""
        del args, kwargs
        keys, values = self._kv[2 * layer_idx : 2 * layer_idx + 2, : len(self._starts_B)]
        keys[:, :, self._end] = key_states[:, :, 0]
        values[:, :, self._end] = value_states[:, :, 0]
        used = slice(self._first, self._end + 1)
        return keys[:, :, used], values[:, :, used]

    def close_column(self, holes: list[int], movers: list[int], count: int) -> None:
        """Go on to the next column with ``count`` rows, after the rows ``movers`` took the places of ``holes``."""
        self._end += 1
        if holes:
            self._kv[:, holes, :, self._first : self._end] = self._kv[:, movers, :, self._first : self._end]
            for hole, mover in zip(holes, movers, strict=True):
                self._starts_B[hole] = self._starts_B[mover]
        del self._starts_B[count:]

    def _make_room(self, rows: int, *, before: int, after: int) -> None:
        """Move to a larger slab, with what is in use pushed to the left, if this one has not the room.

        Args:
            rows: needed in all.
            before: columns needed left of ``_end``.
            after: columns needed from there on.
        """
        halves, old_rows, heads, columns, head_size = self._kv.shape
        if rows <= old_rows and before <= self._end and self._end + after <= columns:
            return
        used = self._end - min(self._starts_B, default=self._end)
        end = max(used, before)
        kv = self._kv.new_zeros(halves, max(rows, old_rows), heads, end + max(_ROOM_TOKENS, end // 2), head_size)
        count = len(self._starts_B)
        kv[:, :count, :, end - used : end] = self._kv[:, :count, :, self._end - used : self._end]
        self._starts_B = [start + end - self._end for start in self._starts_B]
        self._kv, self._end = kv, end
