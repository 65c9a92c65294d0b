"""A store over a database: one thread writes, many writes to a commit, and what fails is kept.

500 streams that each waited for their own commit would wait for 500 disk flushes in a row. Here they queue: while one
commit is being flushed the next ones gather, and then share a flush (group commit). One thread keeps their order.

When the database does not take a commit in time, whoever waits is told, and what was paid for (rows, ends) goes to the
backlog, which every later commit begins with. It is lost only when the process dies or closes before the database
comes back.
"""

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread

from abruzzi.errors import RecordError
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.store import DeferredError, Summary
from abruzzi.serving.store.writes import (
    Append,
    Beat,
    Begin,
    Delete,
    DeleteOwner,
    End,
    Expire,
    Leave,
    Trim,
    UnwritableError,
    Write,
    clean,
    make_end,
    to_json,
)

MAX_BATCH = 1000
"""Writes to a commit."""
DELETED_AT_ONCE = 500
"""Records that retention takes away in one commit, so that nobody waits long behind it."""
PAGE_RECORDS = 50
MAX_READERS = 4
RETRY_S = 1.0
"""Pause before a backlog is tried again, where no new write comes first."""

ResultT = TypeVar("ResultT")


class Database(Protocol):
    """What a queued store needs of a database. Reading may happen in several threads, all else in one."""

    def commit(self, writes: Sequence[Write]) -> list[int]:
        """Carry writes out in one transaction, in order.

        Returns:
            For each, how many records it changed.

        Raises:
            UnwritableError: one of them can never be written; none was.
            RecordError: the database does not take them now; none was, or nobody knows.
        """
        ...

    def get(self, id: str, owner: str | None) -> QuestionRecord | None:  # noqa: A002
        """Read one record."""
        ...

    def search(self, owner: str | None, text: str, before: float | None, limit: int) -> list[Summary]:
        """List records, the newest first; see ``Store.search``."""
        ...

    def page(self, owner: str | None, after: tuple[float, str] | None, limit: int) -> list[QuestionRecord]:
        """Read the records that follow ``(asked_at, id)``, the oldest first."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


@dataclass(slots=True)
class _Pending:
    """A write and whoever waits for it."""

    write: Write
    future: "Future[int]" = field(default_factory=Future[int])

    def __post_init__(self) -> None:
        # From here on nobody can cancel the write itself, only the waiting for it.
        self.future.set_running_or_notify_cancel()

    def succeed(self, count: int) -> None:
        """Tell whoever waits how many records were changed."""
        if not self.future.done():
            self.future.set_result(count)

    def fail(self, error: RecordError) -> None:
        """Tell whoever still waits what went wrong; a write that is tried again tells it once."""
        if not self.future.done():
            self.future.set_exception(error)


class QueuedStore:
    """A ``Store`` over any ``Database``."""

    def __init__(self, database: Database, settings: StoreSettings) -> None:
        self._database = database
        self._writer = _Writer(database, settings)
        self._readers = anyio.CapacityLimiter(MAX_READERS)

    async def begin(self, record: QuestionRecord) -> None:
        """See ``Store.begin``."""
        if not await self._write(Begin(record)):
            raise RecordError(f"the store has a record {record.id!r} already; give each question its own id")

    async def append(self, id: str, rows: Sequence[Mapping[str, Any]]) -> None:  # noqa: A002
        """See ``Store.append``."""
        if rows:
            await self._write(Append(clean(id), to_json(list(rows))))

    async def end(
        self,
        id: str,  # noqa: A002
        *,
        status: Status,
        answer: str,
        usage: Mapping[str, Any] | None,
        seconds: float | None,
    ) -> None:
        """See ``Store.end``."""
        await self._write(make_end(id, status, answer, usage, seconds))

    async def get(self, id: str, *, owner: str | None) -> QuestionRecord | None:  # noqa: A002
        """See ``Store.get``."""
        return await self._read(lambda: self._database.get(clean(id), _clean(owner)))

    async def search(
        self, *, owner: str | None, text: str = "", before: float | None = None, limit: int = 50
    ) -> list[Summary]:
        """See ``Store.search``."""
        return await self._read(lambda: self._database.search(_clean(owner), text, before, limit))

    async def delete(self, id: str, *, owner: str | None) -> bool:  # noqa: A002
        """See ``Store.delete``."""
        return bool(await self._write(Delete(clean(id), _clean(owner))))

    async def delete_owner(self, owner: str) -> int:
        """See ``Store.delete_owner``."""
        return await self._write(DeleteOwner(clean(owner)))

    async def expire(self, before: float) -> int:
        """See ``Store.expire``."""
        return await self._delete_in_steps(Expire(before, DELETED_AT_ONCE))

    async def trim(self, max_records: int) -> int:
        """See ``Store.trim``."""
        return await self._delete_in_steps(Trim(max_records, DELETED_AT_ONCE))

    async def each(self, *, owner: str | None = None) -> AsyncIterator[QuestionRecord]:
        """See ``Store.each``."""
        after: tuple[float, str] | None = None
        while True:
            place = after
            records = await self._read(lambda: self._database.page(_clean(owner), place, PAGE_RECORDS))  # noqa: B023
            for record in records:
                yield record
            if len(records) < PAGE_RECORDS:
                return
            after = (records[-1].asked_at, records[-1].id)

    async def close(self) -> None:
        """See ``Store.close``."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._writer.close)

    async def _write(self, write: Write) -> int:
        return await asyncio.wrap_future(self._writer.submit(write))

    async def _delete_in_steps(self, step: Expire | Trim) -> int:
        total = 0
        while True:
            count = await self._write(step)
            total += count
            if count < step.limit:
                return total

    async def _read(self, read: Callable[[], ResultT]) -> ResultT:
        return await anyio.to_thread.run_sync(read, limiter=self._readers)


def _clean(owner: str | None) -> str | None:
    return None if owner is None else clean(owner)


class _Writer:
    """The thread that writes."""

    def __init__(self, database: Database, settings: StoreSettings) -> None:
        self._database = database
        self._settings = settings
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._backlog: list[_Pending] = []
        self._next_beat = time.monotonic() + settings.heartbeat_s
        self._is_closing = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def submit(self, write: Write) -> "Future[int]":
        """Queue a write."""
        with self._lock:
            if self._is_closing:
                raise RecordError("the store is closed; nothing more can be written")
            pending = _Pending(write)
            self._queue.put(pending)
        return pending.future

    def close(self) -> None:
        """Write what is queued, and end the thread."""
        with self._lock:
            is_first, self._is_closing = not self._is_closing, True
        if is_first:
            self._queue.put(None)
        self._thread.join()
        if is_first and self._backlog:
            raise RecordError(
                f"{len(self._backlog)} writes could not be carried out before the store closed and are lost; "
                "see the errors before this one"
            )

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch, is_open = self._take()
            if time.monotonic() >= self._next_beat:
                batch.append(_Pending(Beat()))
                self._next_beat = time.monotonic() + self._settings.heartbeat_s
            self._commit(self._backlog + batch)
        self._commit([*self._backlog, _Pending(Leave())])
        self._database.close()

    def _take(self) -> tuple[list[_Pending], bool]:
        """Wait for writes, the next heartbeat or the next try, and take all there are; False says it is the end."""
        wait = max(0.0, self._next_beat - time.monotonic())
        batch: list[_Pending] = []
        try:
            first = self._queue.get(timeout=min(wait, RETRY_S) if self._backlog else wait)
            while True:
                if first is None:
                    return batch, False
                batch.append(first)
                if len(batch) == MAX_BATCH:
                    break
                first = self._queue.get_nowait()
        except queue.Empty:
            pass
        return batch, True

    def _commit(self, batch: list[_Pending]) -> None:
        """Carry a batch out; what fails and was paid for becomes the backlog."""
        self._backlog = []
        if not batch:
            return
        try:
            counts = self._database.commit([pending.write for pending in batch])
        except UnwritableError as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            kept: list[_Pending] = []
            for pending in batch:
                self._commit([pending])
                kept += self._backlog
            self._backlog = kept
        except RecordError as error:
            self._keep(batch, error)
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the thread lives on, and nobody waits for ever
            for pending in batch:
                pending.fail(RecordError(f"the store failed: {error!r}; this is a bug, please report it"))
        else:
            for pending, count in zip(batch, counts, strict=True):
                pending.succeed(count)

    def _keep(self, batch: Sequence[_Pending], error: RecordError) -> None:
        """Tell whoever waits, and keep what was paid for while there is room."""
        room = self._settings.max_backlog_bytes
        for pending in batch:
            write = pending.write
            if not isinstance(write, Append | End):
                pending.fail(RecordError(f"{error}; nothing was kept"))
                continue
            room -= write.num_bytes
            if room >= 0:
                self._backlog.append(pending)
                pending.fail(DeferredError(f"{error}; it stays in memory and is written when that has passed"))
            else:
                pending.fail(RecordError(f"{error}; no more fits in memory ([serve.store] max_backlog_bytes): lost"))
