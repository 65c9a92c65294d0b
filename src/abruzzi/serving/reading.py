"""What reading a record again takes: for the page's history, and for ``GET /v1/responses/{id}``.

Where the guard asks a model, what is read is checked again by it, and reading takes its turn and its share of the key's
limits like a question; otherwise whoever holds a key could have models run for nothing.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from abruzzi.ledger import Ledger
from abruzzi.nouns import Message
from abruzzi.serving.keys import Key
from abruzzi.serving.question_record import QuestionRecord
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.server import Server
from abruzzi.serving.store.store import Store


def find_store(server: Server) -> Store:
    """Return the store.

    Raises:
        Refusal: 404; the server keeps no records.
    """
    if server.store is None:
        raise Refusal("this server keeps no records of questions", status=404, type="not_found_error", code="no_store")
    return server.store


@asynccontextmanager
async def open_reading(server: Server, key: Key) -> AsyncGenerator[Ledger]:
    """Take a turn for reading, where it may ask a model.

    Yields:
        The ledger for the guard's calls.

    Raises:
        Refusal: a limit of the key is reached, or the server drains.
    """
    ledger = Ledger()
    if server.guard is None or not server.guard.asks_models:
        yield ledger
        return
    async with server.admission.enter(key, tokens=0) as ticket:
        ledger.on_call = lambda call: ticket.spend(call.usage.total_tokens)
        yield ledger


def read_messages(record: QuestionRecord) -> list[Message]:
    """Read a record's conversation for the guard: what it says, and whether the client's own instructions say it."""
    instructions = record.settings.get("instructions")
    first = [Message("system", instructions)] if isinstance(instructions, str) else []
    return [*first, *map(_read_message, record.messages)]


def _read_message(message: Mapping[str, Any]) -> Message:
    content = message.get("content") or ""
    text = content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in content)
    return Message("system" if message.get("role") in ("system", "developer") else "user", text)
