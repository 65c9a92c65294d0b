"""Answers one request in the words of its protocol, streamed or whole.

A whole reply is sent when the record has ended. A stream opens when the question has its turn and the guard has passed
it, so that whatever refuses it before has its proper status; but no later than its first heartbeat: a question that
waits long for its turn beats, or proxies would give it up, and what refuses it then is told in the stream.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from starlette.types import Send

from abruzzi.serving.asked import Asked
from abruzzi.serving.caller import Caller
from abruzzi.serving.event_stream import WatchedResponse, open_stream, send_json
from abruzzi.serving.narration import Piece
from abruzzi.serving.reply import Reply
from abruzzi.serving.server import Server
from abruzzi.serving.work import Listeners, open_work


class Speaker(Protocol):
    """Writes a question's course in the words of one protocol."""

    def write_whole(self, reply: Reply) -> Mapping[str, Any]:
        """Write the reply for a client that does not stream."""
        ...

    def write_start(self) -> Iterable[bytes]:
        """Write the events that open a stream."""
        ...

    def write_piece(self, piece: Piece) -> Iterable[bytes]:
        """Write the events of a piece."""
        ...

    def write_end(self, reply: Reply) -> Iterable[bytes]:
        """Write the events that close a stream."""
        ...


def exchange(server: Server, asked: Asked, caller: Caller, question_id: str, speaker: Speaker) -> WatchedResponse:
    """Make the response that answers a question."""

    async def respond(send: Send) -> None:
        if not asked.is_stream:
            async with open_work(server, asked, caller, question_id) as work:
                await send_json(send, speaker.write_whole(await work.run()))
            return
        async with open_stream(send, server.heartbeat_s) as stream:

            async def tell(piece: Piece) -> None:
                await stream.write(speaker.write_piece(piece))

            async with open_work(server, asked, caller, question_id) as work:
                await stream.write(speaker.write_start())
                reply = await work.run(Listeners(tell=tell))
                await stream.write(speaker.write_end(reply))

    return WatchedResponse(respond)
