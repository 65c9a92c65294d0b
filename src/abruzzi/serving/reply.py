"""What a question came to, before a protocol writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from abruzzi.nouns import Answer, Candidate, FinishReason, ToolCall
from abruzzi.serving.answer_tags import strip_answer_tags

Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer."""

    index: int
    content: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    finish: Finish


@dataclass(frozen=True, slots=True)
class Reply:
    """All answers and the bill."""

    choices: tuple[Choice, ...]
    usage: Mapping[str, Any]
    """In chat's form, see ``usage``."""


def choose(answer: Answer) -> Choice:
    """Take the chosen candidate out of an answer; of several, the narrator tells the thoughts."""
    chosen = next(c for c in answer.candidates if c.index == answer.chosen)
    content = strip_answer_tags(chosen.text)
    if not content and not chosen.tool_calls:
        content = answer.answer
    reasoning = chosen.reasoning if len(answer.candidates) == 1 else ""
    return Choice(0, content, reasoning, chosen.tool_calls, read_finish(chosen))


def take(candidate: Candidate) -> Choice:
    """Take a choice of the plain upstream as it is."""
    return Choice(candidate.index, candidate.text, candidate.reasoning, candidate.tool_calls, read_finish(candidate))


def read_finish(candidate: Candidate) -> Finish:
    """Say how a candidate ended in OpenAI's words; one that was cut short for any reason is ``length``."""
    if candidate.tool_calls:
        return "tool_calls"
    return "stop" if candidate.finish_reason is FinishReason.STOP else "length"
