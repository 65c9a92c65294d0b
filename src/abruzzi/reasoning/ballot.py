"""What a candidate of a question votes for, as a text: its answer, its JSON, or its calls of tools.

Calls are compared, not what is written beside them: two candidates that call the same functions with arguments equal
as JSON vote alike, whatever the order of calls and keys, the white space, or the ids. JSON replies are compared as
values in the same way. What is longer than a line in a conversation is prose: it equals only the same words, and
computer algebra has no business with it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from abruzzi.nouns import Candidate, ToolCall
from abruzzi.reasoning.conversation import Conversation
from abruzzi.verifiers.extract import MAX_LINE_ANSWER_CHARS


@dataclass(frozen=True, slots=True)
class Ballot:
    """One candidate's vote."""

    text: str
    is_exact: bool = False
    """True when only an equal text is an equal vote; otherwise it is an answer, for ``Agree`` to decide."""


def cast_ballot(candidate: Candidate, conversation: Conversation | None) -> Ballot | None:
    """Write what a candidate votes for; None for one that is not complete."""
    if not candidate.is_complete:
        return None
    if candidate.tool_calls:
        return Ballot(write_calls(candidate.tool_calls), is_exact=True)
    answer = candidate.answer or ""
    if conversation is None:
        return Ballot(answer)
    if conversation.wants_json:
        return Ballot(write_json(answer), is_exact=True)
    if "\n" in answer or len(answer) > MAX_LINE_ANSWER_CHARS:
        return Ballot(" ".join(answer.split()), is_exact=True)
    return Ballot(answer)


def write_calls(calls: Sequence[ToolCall]) -> str:
    """Write calls so that equal ones are equal texts; a call made twice is not the call made once."""
    return "\n".join(sorted(f"{call.name} {write_json(call.arguments)}" for call in calls))


def write_json(text: str) -> str:
    """Write JSON so that equal values are equal texts: keys sorted, no white space, 2.0 as 2. Other text stays."""
    try:
        return json.dumps(json.loads(text, parse_float=_read_number), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return text.strip()


def _read_number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
