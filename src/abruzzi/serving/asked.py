"""What a client asked, read and checked: the one form that both protocols and the page come down to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from abruzzi.nouns import Message
from abruzzi.reasoning.conversation import Conversation
from abruzzi.reasoning.settings import AskSettings
from abruzzi.serving.offers import Offer


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, ready to be carried out."""

    offer: Offer
    conversation: Conversation
    settings: AskSettings
    """Of the pipeline: the operator's, what the offer fixes, what the client asked for."""
    messages: tuple[dict[str, Any], ...]
    """The conversation as the client sent it, for the record."""
    num_choices: int = 1
    """More than one only from the plain upstream."""
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the client itself set of ``max_tokens``, ``temperature``, ``top_p``, ``stop`` and ``seed``; the plain
    upstream is sent these and nothing else."""
    is_stream: bool = False
    include_usage: bool = False
    """A stream ends with the usage."""
    is_kept: bool = True
    """False where the client wants no record of it."""
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The client's ``user`` and ``metadata``, kept with the record."""

    @property
    def is_live(self) -> bool:
        """True when there is just one candidate, whose text can be passed on while it is written."""
        return self.settings.n == 1 and self.settings.preset == "default"

    @property
    def is_plain(self) -> bool:
        """True when the conversation is one question and nothing else."""
        return self.conversation == Conversation((Message("user", self.conversation.question),))
