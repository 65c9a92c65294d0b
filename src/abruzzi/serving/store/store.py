"""The seam between the server and its database.

What every implementation keeps:

1. A write that returned survives the death of its process at any moment, and a power cut.
2. Writes are carried out in the order of the calls, also when whoever waits for one is cancelled.
3. When the database cannot take a write in time (locked, full, not reached), the caller is told with a ``RecordError``.
   Rows and ends, which were paid for, stay in memory and are written when it can: that is a ``DeferredError``, and no
   reason to withhold an answer. A beginning is not kept.
4. A record that is deleted while its question runs stays deleted: later rows and its end are dropped.
5. Records that were left running by a server that is dead become ``lost`` when the next one opens the store, and while
   it is open; those of a server that lives do not.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from abruzzi.errors import RecordError
from abruzzi.serving.question_record import QuestionRecord, Status


class DeferredError(RecordError):
    """The database does not take a write now; it stays in memory and is written when it can be."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A record as a list shows it: without its conversation and events."""

    id: str
    owner: str
    asked_at: float
    """Unix time, seconds."""
    model: str
    question: str
    status: Status
    answer: str
    seconds: float | None


class Store(Protocol):
    """Keeps the records of questions.

    Each method raises ``RecordError`` where the database fails; ``owner=None`` means any owner, for the operator.
    """

    async def begin(self, record: QuestionRecord) -> None:
        """Keep a new record; it is running.

        Raises:
            RecordError: its id is taken, or the database cannot take it.
        """
        ...

    async def append(self, id: str, rows: Sequence[Mapping[str, Any]]) -> None:  # noqa: A002 - the record's own word
        """Add rows of ``reasoning.recording`` to a record, in order."""
        ...

    async def end(
        self,
        id: str,  # noqa: A002
        *,
        status: Status,
        answer: str,
        usage: Mapping[str, Any] | None,
        seconds: float | None,
    ) -> None:
        """End a record; of several ends the first stands, but any stands over ``lost``."""
        ...

    async def get(self, id: str, *, owner: str | None) -> QuestionRecord | None:  # noqa: A002
        """Return a record, or None where there is none of that owner."""
        ...

    async def search(
        self, *, owner: str | None, text: str = "", before: float | None = None, limit: int = 50
    ) -> list[Summary]:
        """List records, the newest first.

        Args:
            owner: whose.
            text: words that must all stand in the question or the answer, whatever their case; empty for any.
            before: only those asked before this Unix time (seconds).
            limit: how many; records asked at the very same time as the last one come with it, so that going on with
                ``before`` skips none.
        """
        ...

    async def delete(self, id: str, *, owner: str | None) -> bool:  # noqa: A002
        """Delete a record for good; False where there is none of that owner."""
        ...

    async def delete_owner(self, owner: str) -> int:
        """Delete all records of an owner for good, the running ones too; returns how many."""
        ...

    async def expire(self, before: float) -> int:
        """Delete what was asked before this Unix time (seconds) and is not running; returns how many."""
        ...

    async def trim(self, max_records: int) -> int:
        """Delete the oldest records beyond this many, the running ones left out; returns how many."""
        ...

    def each(self, *, owner: str | None = None) -> AsyncIterator[QuestionRecord]:
        """Go through whole records, the oldest first, holding few in memory."""
        ...

    async def close(self) -> None:
        """Write what is waiting and close; records still running are lost.

        Raises:
            RecordError: something that was waiting could not be written; says how much.
        """
        ...
