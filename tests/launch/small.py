"""A model and cards whose memory is worked out by hand."""

from dataclasses import replace

from abruzzi.capacity.shapes import SHAPES, ModelShape
from abruzzi.launch.facts import Cards
from abruzzi.launch.layout import Wanted

SMALL = ModelShape(2, 8, 4, 2, 2, 16, 10, is_tied=False, has_qkv_bias=True)
"""608 parameters a layer, 80 in the head, 1,384 in all; queries 8 wide, keys 4."""
LARGE = SHAPES["Qwen/Qwen2.5-32B"]


def want(cards: str = "h100", *, count: int = 1, memory_bytes: float = 80e9, **changes: object) -> Wanted:
    """Want the 32B model on cards of so much memory."""
    wanted = Wanted("Qwen/Qwen2.5-32B", LARGE, Cards(cards, count, memory_bytes))
    return replace(wanted, **changes)  # pyright: ignore[reportArgumentType]
