"""The nouns of traces: a family of items, and the styles in which its items can be solved.

The styles of a family differ in how much is done in the head at each step, and so in how often a small model gets
through. Which one works is for training to find out; nothing here ranks them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, TypeVar, cast

from abruzzi.data.items import Item
from abruzzi.errors import DataError

TaskT = TypeVar("TaskT")


@dataclass(frozen=True, slots=True)
class Style(Generic[TaskT]):
    """One way of solving."""

    think: Callable[[TaskT, Random], str]
    """Writes the thoughts; every equation in them is right. The wording is drawn, the way is not."""
    plans: tuple[str, ...]
    """Wordings of an instruction to solve it this way; they compute nothing and fit every item of the family."""


@dataclass(frozen=True, slots=True)
class Family(Generic[TaskT]):
    """All that can be solved by the same styles."""

    task: str
    """The generator's name for it."""
    read: Callable[[Item], TaskT]
    """Reads an item's task; raises DataError when no trace can be written for it."""
    answer: Callable[[TaskT], str]
    styles: Mapping[str, Style[TaskT]]
    recall: Callable[[TaskT, Random], str] | None = None
    """Writes what has to be known for an item, and computes nothing; the wording is drawn. None: nothing has to be."""


def get_metadata(item: Item, name: str) -> Any:
    """Get what the generator said about an item.

    Raises:
        DataError: it did not say that.
    """
    metadata: object = item.extra.get("metadata")
    if not isinstance(metadata, Mapping) or name not in metadata:
        raise DataError(f"the item {item.id!r} has no metadata {name!r}; traces are written for generated items only")
    return cast("Mapping[str, Any]", metadata)[name]
