"""A store in memory that writes down the order of things, and a guard whose rule is one word."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from abruzzi.errors import RecordError
from abruzzi.ledger import Ledger
from abruzzi.nouns import Message
from abruzzi.serving.guard.guard import Channel, Guard, Window
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.store.store import Summary


@dataclass(slots=True)
class MemoryStore:
    """Keeps records in a dict."""

    records: dict[str, QuestionRecord] = field(default_factory=dict[str, QuestionRecord])
    log: list[str] = field(default_factory=list[str])
    """What was done, in order: ``begin``, ``append plan_made``, ``end answered``."""
    fails_at: str | None = None

    @property
    def only(self) -> QuestionRecord:
        """The one record that there is."""
        (record,) = self.records.values()
        return record

    async def begin(self, record: QuestionRecord) -> None:
        self._note("begin")
        self.records[record.id] = record

    async def append(self, id: str, rows: Sequence[Mapping[str, Any]]) -> None:  # noqa: A002 - the seam's own name
        for row in rows:
            self._note(f"append {row['event']}")
        record = self.records[id]
        self.records[id] = replace(record, events=(*record.events, *(dict(row) for row in rows)))

    async def end(
        self,
        id: str,  # noqa: A002 - the seam's own name
        *,
        status: Status,
        answer: str,
        usage: Mapping[str, Any] | None,
        seconds: float | None,
    ) -> None:
        self._note(f"end {status.value}")
        self.records[id] = replace(
            self.records[id], status=status, answer=answer, usage=dict(usage or {}), seconds=seconds
        )

    async def get(self, id: str, *, owner: str | None) -> QuestionRecord | None:  # noqa: A002 - the seam's own name
        record = self.records.get(id)
        return record if record is not None and owner in (None, record.owner) else None

    async def search(
        self, *, owner: str | None, text: str = "", before: float | None = None, limit: int = 50
    ) -> list[Summary]:
        raise NotImplementedError

    async def delete(self, id: str, *, owner: str | None) -> bool:  # noqa: A002 - the seam's own name
        if await self.get(id, owner=owner) is None:
            return False
        del self.records[id]
        return True

    async def delete_owner(self, owner: str) -> int:
        raise NotImplementedError

    async def expire(self, before: float) -> int:
        raise NotImplementedError

    async def trim(self, max_records: int) -> int:
        raise NotImplementedError

    def each(self, *, owner: str | None = None) -> AsyncIterator[QuestionRecord]:
        raise NotImplementedError

    async def close(self) -> None:
        return None

    def _note(self, what: str) -> None:
        if self.fails_at is not None and what.startswith(self.fails_at):
            raise RecordError("the disk is full")
        self.log.append(what)


class WordGuard(Guard):
    """Refuses what holds ``forbidden``, and takes ``secret`` out of what is told."""

    def __init__(self, *, shows_reasoning: bool = True) -> None:
        self._shows = shows_reasoning

    @property
    def asks_models(self) -> bool:
        return False

    @property
    def shows_reasoning(self) -> bool:
        return self._shows

    async def check_question(self, messages: Sequence[Message], *, ledger: Ledger | None = None) -> None:
        for message in messages:
            check(message.content)

    async def check_answer(self, text: str, *, messages: Sequence[Message] = (), ledger: Ledger | None = None) -> str:
        return check(text)

    async def check_reasoning(
        self, text: str, *, messages: Sequence[Message] = (), ledger: Ledger | None = None
    ) -> str:
        return check(text) if self._shows else ""

    def window(self, channel: Channel, *, messages: Sequence[Message] = (), ledger: Ledger | None = None) -> Window:
        return HoldingWindow(is_shown=self._shows or channel == "answer")


class HoldingWindow:
    """Holds the last 12 characters back."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._held = ""

    async def push(self, text: str) -> str:
        self._held = check(self._held + text)
        safe, self._held = self._held[:-12], self._held[-12:]
        return safe if self._is_shown else ""

    async def close(self) -> str:
        held, self._held = self._held, ""
        return held if self._is_shown else ""


def check(text: str) -> str:
    """Apply the two rules."""
    if "forbidden" in text:
        raise Refusal("this cannot be answered here", status=400, type="invalid_request_error", code="content_filter")
    return text.replace("secret", "[withheld]")
