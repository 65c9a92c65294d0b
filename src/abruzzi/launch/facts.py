"""The one door to shapes of models and facts of cards: nothing else in this folder knows where they are kept.

A card is named as ``h100``, several as ``8xh100``, and one that is not in the table by its memory: ``24GiB``,
``4x48GiB``. A plan of memory needs nothing else of it.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from abruzzi.capacity.gpus import GPUS
from abruzzi.capacity.shapes import ModelShape, shape_of
from abruzzi.config import suggest
from abruzzi.errors import ConfigError

__all__ = ["GIB", "Cards", "ModelShape", "check_context", "parse_cards", "shape_of"]

GIB = 2**30
_COUNT = re.compile(r"(\d+)\s*[x×]\s*(.+)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(GiB|GB)", re.IGNORECASE)
_MAX_CARDS = 1024


@dataclass(frozen=True, slots=True)
class Cards:
    """Equal accelerators of one machine, linked well enough to share each layer."""

    name: str
    count: int
    memory_bytes: float
    """Of each; what the maker states, which an engine sees a little more or less of."""

    @property
    def spec(self) -> str:
        """How they are named on the command line."""
        return self.name if self.count == 1 else f"{self.count}x{self.name}"


def parse_cards(text: str) -> Cards:
    """Read what ``--hardware`` names.

    Raises:
        ConfigError: no known card and no amount of memory, or no plausible count.
    """
    spec = text.strip()
    several = _COUNT.fullmatch(spec)
    count, kind = (int(several[1]), several[2].strip()) if several else (1, spec)
    if not 1 <= count <= _MAX_CARDS:
        raise ConfigError(f"--hardware {spec!r}: a plan is for 1 to {_MAX_CARDS} cards; write e.g. 8xh100")
    if size := _SIZE.fullmatch(kind):
        memory = float(size[1]) * (GIB if size[2].lower() == "gib" else 1e9)
        if memory <= 0:
            raise ConfigError(f"--hardware {spec!r}: a card without memory holds nothing; write e.g. 24GiB")
        return Cards(kind, count, memory)
    if kind.lower() not in GPUS:
        raise ConfigError(
            f"unknown hardware {spec!r}{suggest(kind.lower(), GPUS)} (several cards as 8xh100, any other card by its "
            "memory, as 24GiB or 4x48GiB)"
        )
    return Cards(kind.lower(), count, GPUS[kind.lower()].memory_bytes)


def check_context(model: str, context: int) -> None:
    """Refuse a context longer than a folder's ``config.json`` says the model has; engines refuse it at start-up.

    Raises:
        ConfigError: it is longer, or the file is not JSON.
    """
    path = Path(model) / "config.json"
    if not path.is_file():
        return
    try:
        config = cast("dict[str, Any]", json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    longest = config.get("max_position_embeddings")
    if isinstance(longest, int) and context > longest:
        raise ConfigError(f"--context {context}: {model} has positions for {longest:,} tokens; ask for no more")
