"""What the store keeps of a question: who asked what, everything that happened, and how it ended.

A record is begun before the first upstream call, grows with each event that is worth keeping (``recording.is_delta``
says which are not), and is ended before the client is told that it has its answer: what a client was told is on record.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How far a question came."""

    RUNNING = "running"
    ANSWERED = "answered"
    FAILED = "failed"
    """The question has no answer; its events say why."""
    CANCELLED = "cancelled"
    """The client left before the end; what was finished is kept."""
    REFUSED = "refused"
    """The guard withheld the question or its answer."""
    LOST = "lost"
    """The server died while it ran; set when the store is opened again. What was finished is kept."""


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """One question and what came of it."""

    id: str
    """``chatcmpl-…`` or ``resp_…``, as the client saw it."""
    owner: str
    """Name of the API key it was asked with; ``local`` without keys. Never the key."""
    asked_at: float
    """Unix time, seconds."""
    model: str
    """The offered model that was asked."""
    question: str
    """The last user message, as plain text: what a list shows and a search finds."""
    messages: tuple[dict[str, Any], ...]
    """The conversation as the client sent it."""
    settings: dict[str, Any]
    """The pipeline's settings that it was asked under."""
    status: Status = Status.RUNNING
    events: tuple[dict[str, Any], ...] = ()
    """Rows of ``reasoning.recording``, in order."""
    answer: str = ""
    """What the client was given as content."""
    usage: dict[str, Any] | None = None
    """OpenAI's usage object, with the whole ledger in its details."""
    seconds: float | None = None
