"""What every drafter has in common: limits, a draft, and the seam that a replay sees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from abruzzi.engine.drafting.text import Source, Text
from abruzzi.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DraftLimits:
    """When to draft, and how much."""

    ngram_tokens: int = 3
    """How many last tokens must have occurred before."""
    max_draft_tokens: int = 16

    def __post_init__(self) -> None:
        if self.ngram_tokens < 1 or self.max_draft_tokens < 1:
            raise ConfigError(
                f"{self.max_draft_tokens} drafted tokens after {self.ngram_tokens} that match: both must be at least 1"
            )


@dataclass(frozen=True, slots=True)
class Draft:
    """Tokens proposed for a text, each with its source; empty where nothing matched."""

    ids: tuple[int, ...] = ()
    sources: tuple[Source, ...] = ()


class Drafter(Protocol):
    """Proposes how the texts of one question go on."""

    def note(self, reader: int) -> None:
        """Take in that a text has grown by one token."""
        ...

    def draft(self, reader: int, room: int) -> Draft:
        """Propose what follows a text.

        Args:
            reader: which of the texts.
            room: most tokens that are any use.
        """
        ...


NewDrafter = Callable[[Sequence[Text]], Drafter]
"""Makes a drafter for the texts of one question, prompts read and completions still to grow."""
