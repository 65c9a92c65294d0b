"""Writes a question's course as the events of ``/v1/responses``.

Items follow each other: thoughts, the answer, calls of tools. What is thought after the answer has begun (a warning,
most often) becomes an item of its own after it.
Events after https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from abruzzi.nouns import ToolCall
from abruzzi.serving.event_stream import write_event
from abruzzi.serving.narration import Channel, Piece
from abruzzi.serving.reply import Reply
from abruzzi.serving.responses_reply import (
    write_function_call,
    write_message,
    write_output,
    write_reasoning,
    write_response,
    write_text,
)


class ResponsesSpeaker:
    """Speaks responses.

    Args:
        frame: what the reply says before there is any output, see ``write_frame``.
    """

    def __init__(self, frame: Mapping[str, Any]) -> None:
        self._frame = frame
        self._name = str(frame["id"]).removeprefix("resp_")
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._open: Channel | None = None
        self._text = ""
        """Of the open item."""
        self._late: list[str] = []
        self._has_content = False

    def write_whole(self, reply: Reply) -> Mapping[str, Any]:
        """Write the reply for a client that does not stream."""
        return write_response(self._frame, reply, write_output(reply.choices[0], self._frame["id"]))

    def write_start(self) -> Iterable[bytes]:
        """Write that there will be a response."""
        yield self._write("response.created", response=self._frame)
        yield self._write("response.in_progress", response=self._frame)

    def write_piece(self, piece: Piece) -> Iterable[bytes]:
        """Write a piece of the thoughts or of the answer."""
        if piece.channel == "reasoning" and self._has_content:
            self._late.append(piece.text)
            return
        if self._open != piece.channel:
            yield from self._close()
            yield from self._begin(piece.channel)
        self._text += piece.text
        if piece.channel == "reasoning":
            yield self._tell("response.reasoning_summary_text.delta", summary_index=0, delta=piece.text)
        else:
            yield self._tell("response.output_text.delta", content_index=0, delta=piece.text, logprobs=[])

    def write_end(self, reply: Reply) -> Iterable[bytes]:
        """Close what is open, write calls of tools and the whole response."""
        (choice,) = reply.choices
        if not self._has_content and not choice.tool_calls:
            yield from self._close()
            yield from self._begin("content")
        yield from self._close(is_cut=choice.finish == "length")
        if self._late:
            yield from self._begin("reasoning")
            self._text = "".join(self._late)
            yield self._tell("response.reasoning_summary_text.delta", summary_index=0, delta=self._text)
            yield from self._close()
        for call in choice.tool_calls:
            yield from self._write_call(call)
        response = write_response(self._frame, reply, self._output)
        yield self._write(f"response.{response['status']}", response=response)

    def _begin(self, channel: Channel) -> Iterable[bytes]:
        """Open an item."""
        self._open, self._text = channel, ""
        if channel == "reasoning":
            item: dict[str, Any] = {**write_reasoning(self._item_id, ""), "summary": [], "status": "in_progress"}
            yield self._write("response.output_item.added", output_index=len(self._output), item=item)
            part = {"type": "summary_text", "text": ""}
            yield self._tell("response.reasoning_summary_part.added", summary_index=0, part=part)
            return
        self._has_content = True
        item = {**write_message(self._item_id, ""), "content": [], "status": "in_progress"}
        yield self._write("response.output_item.added", output_index=len(self._output), item=item)
        yield self._tell("response.content_part.added", content_index=0, part=write_text(""))

    def _close(self, *, is_cut: bool = False) -> Iterable[bytes]:
        """Close the open item, if there is one."""
        text = self._text
        if self._open == "reasoning":
            yield self._tell("response.reasoning_summary_text.done", summary_index=0, text=text)
            part = {"type": "summary_text", "text": text}
            yield self._tell("response.reasoning_summary_part.done", summary_index=0, part=part)
            yield from self._finish(write_reasoning(self._item_id, text))
        elif self._open == "content":
            yield self._tell("response.output_text.done", content_index=0, text=text, logprobs=[])
            yield self._tell("response.content_part.done", content_index=0, part=write_text(text))
            yield from self._finish(write_message(self._item_id, text, is_cut=is_cut))
        self._open = None

    def _write_call(self, call: ToolCall) -> Iterable[bytes]:
        item_id = f"fc_{len(self._output)}_{self._name}"
        item = write_function_call(item_id, call)
        where = {"item_id": item_id, "output_index": len(self._output)}
        yield self._write(
            "response.output_item.added",
            output_index=len(self._output),
            item=item | {"arguments": "", "status": "in_progress"},
        )
        yield self._write("response.function_call_arguments.delta", **where, delta=call.arguments)
        yield self._write("response.function_call_arguments.done", **where, name=call.name, arguments=call.arguments)
        yield from self._finish(item)

    def _finish(self, item: dict[str, Any]) -> Iterable[bytes]:
        yield self._write("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)

    @property
    def _item_id(self) -> str:
        kind = "rs" if self._open == "reasoning" else "msg"
        return f"{kind}_{len(self._output)}_{self._name}"

    def _tell(self, kind: str, **fields: Any) -> bytes:
        """Write an event about the open item."""
        return self._write(kind, item_id=self._item_id, output_index=len(self._output), **fields)

    def _write(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return write_event(event, kind)
