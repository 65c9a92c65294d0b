"""A text that drafts are taken from: token ids, each with its source.

All texts of a drafter belong to one question. Nothing else is ever put beside them, so that no draft, and no timing of
one, tells anything of another question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Where a drafted token was copied from."""

    OWN = "own"
    """What the completion itself has said so far."""
    SIBLING = "sibling"
    """Another completion of the same question, growing or ended; for a judge the candidates that it is shown, too."""
    PLAN = "plan"
    QUESTION = "question"
    OTHER = "other"
    """The rest of the prompt: instructions and the chat template."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a prompt."""

    source: Source
    ids: tuple[int, ...]


class Text:
    """A prompt and the completion that grows behind it.

    Args:
        prompt: its parts, in order; the chat template's tokens among them.
    """

    def __init__(self, prompt: Sequence[Part]) -> None:
        self.ids = [token for part in prompt for token in part.ids]
        self.sources = [part.source for part in prompt for _ in part.ids]
        self.num_prompt_tokens = len(self.ids)

    @property
    def num_own_tokens(self) -> int:
        """Tokens of the completion so far."""
        return len(self.ids) - self.num_prompt_tokens

    def grow(self, token: int) -> None:
        """Add a token to the completion."""
        self.ids.append(token)
        self.sources.append(Source.OWN)
