"""Puts the tool calls of one choice together from the pieces of its stream, and tells a whole call from a broken one.

A piece belongs to the call with its index. Where a server leaves the index out or gives every call the same one, a new
id begins a new call; where it leaves out both, so does a name after whole arguments. A call is whole when it has a name
and its arguments are a JSON object. Whether that function exists, and whether the arguments fit its parameters, is not
looked at here.

Source: the streams of OpenAI, vLLM, SGLang, llama.cpp and Ollama, which differ in what they repeat and leave out.
"""

import uuid
from dataclasses import dataclass

from abruzzi.errors import ProtocolError
from abruzzi.models.structured import is_object
from abruzzi.models.wire import CallDelta
from abruzzi.nouns import ToolCall

_SHOWN_CHARS = 80


@dataclass(slots=True)
class _Draft:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ToolCallBook:
    """The growing calls of one choice."""

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._places: dict[int | None, int] = {}
        """Where the newest call of each index stands."""

    def __bool__(self) -> bool:
        return bool(self._drafts)

    def add(self, piece: CallDelta) -> None:
        """Take the next piece."""
        draft = self._find(piece)
        draft.id = draft.id or piece.id
        # Some servers repeat the name with every piece.
        draft.name += piece.name if piece.name != draft.name else ""
        draft.arguments += piece.arguments

    def _find(self, piece: CallDelta) -> _Draft:
        """Find the call that a piece goes on with, or begin one."""
        place = self._places.get(piece.index)
        if place is not None:
            draft = self._drafts[place]
            is_new = bool(piece.id and draft.id and piece.id != draft.id)
            if piece.index is None and piece.name and not piece.id:
                is_new = is_object(draft.arguments)
            if not is_new:
                return draft
        self._places[piece.index] = len(self._drafts)
        self._drafts.append(_Draft())
        return self._drafts[-1]

    def close(self) -> tuple[ToolCall, ...]:
        """End the choice, which its model ended by itself.

        Returns:
            The calls, in the order in which they began; one that bears no id is given one.

        Raises:
            ProtocolError: a call is not whole; then none of them counts.
        """
        return tuple(_check(draft) for draft in self._drafts)


def _check(draft: _Draft) -> ToolCall:
    if not draft.name:
        raise ProtocolError("the reply calls a tool without naming it")
    # A function without parameters is often called without arguments.
    arguments = draft.arguments if draft.arguments.strip() else "{}"
    if not is_object(arguments):
        shown = arguments if len(arguments) <= _SHOWN_CHARS else arguments[: _SHOWN_CHARS - 1] + "…"
        raise ProtocolError(f"the reply calls {draft.name!r} with arguments that are not a JSON object: {shown!r}")
    return ToolCall(draft.id or f"call_{uuid.uuid4().hex[:24]}", draft.name, arguments)
