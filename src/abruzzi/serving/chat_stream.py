"""Writes a question's course as ``chat.completion.chunk`` events.

The role comes at once, then plan and progress as ``reasoning_content``, then the answer as ``content``, calls of tools
whole, the reason of the end, the usage if asked for, ``[DONE]``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from abruzzi.serving.asked import Asked
from abruzzi.serving.chat_reply import write_calls, write_completion
from abruzzi.serving.event_stream import write_event
from abruzzi.serving.narration import Piece
from abruzzi.serving.reply import Reply

DONE = b"data: [DONE]\n\n"


class ChatSpeaker:
    """Speaks chat completions.

    Args:
        asked: what is answered.
        question_id: ``chatcmpl-…``.
        created: Unix time, seconds.
    """

    def __init__(self, asked: Asked, question_id: str, created: int) -> None:
        self._asked = asked
        self._id = question_id
        self._created = created

    def write_whole(self, reply: Reply) -> Mapping[str, Any]:
        """Write the ``chat.completion``."""
        return write_completion(reply, question_id=self._id, created=self._created, model=self._asked.offer.id)

    def write_start(self) -> Iterable[bytes]:
        """Write the role of each choice."""
        for index in range(self._asked.num_choices):
            yield self._write_delta(index, {"role": "assistant", "content": ""})

    def write_piece(self, piece: Piece) -> Iterable[bytes]:
        """Write a piece of reasoning or content."""
        field = "content" if piece.channel == "content" else "reasoning_content"
        yield self._write_delta(piece.index, {field: piece.text})

    def write_end(self, reply: Reply) -> Iterable[bytes]:
        """Write calls of tools, how each choice ended, the usage."""
        for choice in reply.choices:
            if choice.tool_calls:
                calls = [{"index": number, **call} for number, call in enumerate(write_calls(choice))]
                yield self._write_delta(choice.index, {"tool_calls": calls})
            yield self._write_delta(choice.index, {}, choice.finish)
        if self._asked.include_usage:
            yield self._write_chunk([], usage=reply.usage)
        yield DONE

    def _write_delta(self, index: int, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        return self._write_chunk([{"index": index, "delta": delta, "finish_reason": finish, "logprobs": None}])

    def _write_chunk(self, choices: list[dict[str, Any]], usage: Mapping[str, Any] | None = None) -> bytes:
        chunk: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._asked.offer.id,
            "choices": choices,
        }
        if self._asked.include_usage:
            # OpenAI sends null with every chunk but the last.
            chunk["usage"] = usage
        return write_event(chunk)
