"""Makes items by hand and reads the thoughts of their traces."""

from random import Random
from typing import Any

from abruzzi.data.items import Item
from abruzzi.data.traces import write_trace
from abruzzi.data.traces.steps import SEPARATORS


class First(Random):
    """Draws the first of whatever it may choose from."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


def make_item(task: str, answer: object, **metadata: Any) -> Item:
    return Item("made", "?", str(answer), "reasoning_gym", {"task": task, "metadata": metadata})


def think(item: Item, style: str) -> str:
    """Write the thoughts in their first wording, one step a line."""
    assert SEPARATORS[0] == "\n"
    trace = write_trace(item, style, First())
    return trace.removeprefix("<think>").partition("</think>")[0]
