"""A store that counts what it does: a ``Store`` around another one. It changes nothing else."""

import time
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from abruzzi.errors import RecordError
from abruzzi.ledger import Clock
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.store import DeferredError, Store, Summary


class MeteredStore:
    """Counts each operation as ``ok``, ``deferred`` or ``failed``, or as ``cancelled`` when its caller left."""

    def __init__(self, store: Store, metrics: Metrics, *, clock: Clock = time.monotonic) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock

    async def begin(self, record: QuestionRecord) -> None:
        """See ``Store``; so for every method."""
        with self._count("begin"):
            await self._store.begin(record)

    async def append(self, id: str, rows: Sequence[Mapping[str, Any]]) -> None:  # noqa: A002
        """See ``Store``."""
        with self._count("append"):
            await self._store.append(id, rows)

    async def end(
        self,
        id: str,  # noqa: A002
        *,
        status: Status,
        answer: str,
        usage: Mapping[str, Any] | None,
        seconds: float | None,
    ) -> None:
        """See ``Store``."""
        with self._count("end"):
            await self._store.end(id, status=status, answer=answer, usage=usage, seconds=seconds)

    async def get(self, id: str, *, owner: str | None) -> QuestionRecord | None:  # noqa: A002
        """See ``Store``."""
        with self._count("get"):
            return await self._store.get(id, owner=owner)

    async def search(
        self, *, owner: str | None, text: str = "", before: float | None = None, limit: int = 50
    ) -> list[Summary]:
        """See ``Store``."""
        with self._count("search"):
            return await self._store.search(owner=owner, text=text, before=before, limit=limit)

    async def delete(self, id: str, *, owner: str | None) -> bool:  # noqa: A002
        """See ``Store``."""
        with self._count("delete"):
            return await self._store.delete(id, owner=owner)

    async def delete_owner(self, owner: str) -> int:
        """See ``Store``."""
        with self._count("delete_owner"):
            return await self._store.delete_owner(owner)

    async def expire(self, before: float) -> int:
        """See ``Store``."""
        with self._count("expire"):
            return await self._store.expire(before)

    async def trim(self, max_records: int) -> int:
        """See ``Store``."""
        with self._count("trim"):
            return await self._store.trim(max_records)

    def each(self, *, owner: str | None = None) -> AsyncIterator[QuestionRecord]:
        """See ``Store``; its time is its reader's, and is not counted."""
        return self._store.each(owner=owner)

    async def close(self) -> None:
        """See ``Store``."""
        with self._count("close"):
            await self._store.close()

    @contextmanager
    def _count(self, operation: str) -> Generator[None]:
        began, outcome = self._clock(), "cancelled"
        try:
            yield
            outcome = "ok"
        except DeferredError:
            outcome = "deferred"
            raise
        except RecordError:
            outcome = "failed"
            raise
        finally:
            self._metrics.stored(operation, outcome, self._clock() - began)
