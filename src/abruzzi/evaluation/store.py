"""Stores of finished work: a file of JSON Lines, a row a thing, each thing once, whatever dies in between.

A row is written, and has reached the disk, before it counts. A killed process leaves whole rows and perhaps one cut
one, which the next writer takes away, so that what it stood for is done again and not counted twice. A thing is known
by its key; a second row with the same key is refused, unless the first one says of itself that it is provisional (a
sample that failed), and then the later row counts. One process writes at a time; others may read.

What to do with rows is their owners' business: samples, candidate pools and judged groups are all kept this way.
"""

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from abruzzi.config import describe_problem
from abruzzi.errors import RecordError
from abruzzi.records import LineWriter, read_lines

T = TypeVar("T")


def never(row: object) -> bool:
    """No row is provisional."""
    del row
    return False


class Store(Generic[T]):
    """Finished things of one kind, in memory and on disk; a context manager, which opens the file for writing.

    Args:
        path: the file; made when it is not there.
        kind: the frozen dataclass that a row holds.
        key: what a thing is known by.
        is_provisional: says whether a thing gives way to a later one with its key.

    Raises:
        RecordError: a row cannot be read, or the file not be written.
    """

    def __init__(
        self,
        path: Path,
        kind: type[T],
        key: Callable[[T], Hashable],
        *,
        is_provisional: Callable[[T], bool] = never,
    ) -> None:
        self._path = path
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)
        self._key = key
        self._is_provisional = is_provisional
        self._rows: dict[Hashable, T] = {}
        self._writer: LineWriter | None = None
        for row in self._read():
            self._enter(row)

    def _read(self) -> Iterator[T]:
        if not self._path.exists():
            return
        for number, row in enumerate(read_lines(self._path), start=1):
            try:
                yield self._adapter.validate_python(row)
            except ValidationError as error:
                raise RecordError(
                    f"{self._path}, line {number}, cannot be read: {describe_problem(error)}; it was written by "
                    "another version of Abruzzi"
                ) from error

    def _enter(self, row: T) -> None:
        key = self._key(row)
        known = self._rows.get(key)
        if known is not None and not self._is_provisional(known):
            raise RecordError(f"{self._path} holds {key!r} twice; remove the later line")
        self._rows.pop(key, None)
        self._rows[key] = row

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = LineWriter(self._path, is_durable=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writer is not None, "entered before"
        self._writer.close()
        self._writer = None

    def add(self, row: T) -> None:
        """Keep a finished thing; it is on the disk when this returns.

        Raises:
            RecordError: it is there already, or cannot be written.
        """
        assert self._writer is not None, "a store is written inside its with statement"
        key = self._key(row)
        known = self._rows.get(key)
        if known is not None and not self._is_provisional(known):
            raise RecordError(f"{self._path} holds {key!r} already")
        self._writer.write(to_jsonable_python(row))
        self._enter(row)

    def get(self, key: Hashable) -> T | None:
        """Return the thing with this key, a provisional one included."""
        return self._rows.get(key)

    def is_done(self, key: Hashable) -> bool:
        """True when the thing is there and not provisional."""
        row = self._rows.get(key)
        return row is not None and not self._is_provisional(row)

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)
