"""What the guard looks for and does: the ``[serve.guard]`` table."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ReasoningShown = Literal["shown", "summarised", "withheld"]


class GuardSettings(BaseModel):
    """Which checks are made."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rules: bool = True
    """The rules that come with Abruzzi: injection markers in questions, secrets in answers and reasoning."""
    patterns: Path | None = None
    """A file of the operator's own patterns; see ``serving.guard.rules``."""
    canary: bool = True
    """Withhold what repeats our system prompts, the client's system message or a key, also encoded."""
    marker: bool = False
    """Put a random word, new at each start, into system messages, and withhold what repeats it. Off by default: the
    model then reads other prompts than those that were measured."""
    model: str | None = None
    """Spec of a guard model that answers in Llama Guard's format; None asks none."""
    policy: str = ""
    """What a guard model of no fixed policy is told; empty for Llama Guard, which brings its own."""
    ignored_categories: frozenset[str] = frozenset()
    """Categories of the guard model (``S6``…) that are let through."""
    on_failure: Literal["open", "closed"] = "closed"
    """When the guard model fails: ``closed`` refuses with 503, ``open`` goes on with the rules alone."""
    timeout_s: float = Field(default=20.0, gt=0)
    """For one answer of the guard model."""
    reasoning: ReasoningShown = "shown"
    """What clients get of the reasoning channel."""
    summariser: str | None = None
    """Spec of the model that summarises reasoning; None gives its length alone."""
    max_chars: int = Field(default=400_000, ge=1000)
    """Longer texts are refused, so that scanning stays bounded."""
    stride_chars: int = Field(default=600, ge=50)
    """In a stream the guard model is asked anew after so many characters; what it has not seen is not sent."""
