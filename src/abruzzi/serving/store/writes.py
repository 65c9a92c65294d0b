"""What is written to a store: values that wait in a queue, already in the database's plain types.

Each can be carried out twice without harm, since a database that fails while it commits does not always say whether it
has. Nested values are JSON text. Text that no database holds (a NUL, half a surrogate pair) is replaced where it stands
alone in a column, and escaped where it stands in JSON.
"""

import json
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from abruzzi.errors import RecordError
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.store import Summary

SEARCHED_CHARS = 20_000
"""Of a question and of an answer: what a search looks into."""


class UnwritableError(RecordError):
    """The database will never take this; trying again is of no use."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A new record."""

    record: QuestionRecord

    def to_row(self, server: str) -> dict[str, Any]:
        """Write it as a row of the table ``questions``."""
        record = self.record
        return {
            "id": clean(record.id),
            "owner": clean(record.owner),
            "server": server,
            "asked_at": float(record.asked_at),
            "model": clean(record.model),
            "question": clean(record.question),
            "messages": to_json(record.messages),
            "settings": to_json(record.settings),
            "status": Status.RUNNING.value,
            "searched": fold(record.question),
        }

    @property
    def num_bytes(self) -> int:
        """About how much memory it takes while it waits."""
        return 1000 + 2 * len(self.record.question)


@dataclass(frozen=True, slots=True)
class Append:
    """Rows that belong to a record."""

    id: str
    rows: str
    """A JSON array."""
    piece: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells the same rows, written twice, from equal ones."""

    @property
    def num_bytes(self) -> int:
        """About how much memory it takes while it waits."""
        return 500 + len(self.rows)


@dataclass(frozen=True, slots=True)
class End:
    """The end of a record."""

    id: str
    status: str
    answer: str
    searched: str
    """The answer, folded; comes behind the question's."""
    usage: str | None
    seconds: float | None

    @property
    def num_bytes(self) -> int:
        """About how much memory it takes while it waits."""
        return 500 + 2 * len(self.answer)


@dataclass(frozen=True, slots=True)
class Delete:
    """Take a record away; ``owner`` None is any."""

    id: str
    owner: str | None


@dataclass(frozen=True, slots=True)
class DeleteOwner:
    """Take all records of an owner away."""

    owner: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Take up to ``limit`` old records away."""

    before: float
    limit: int


@dataclass(frozen=True, slots=True)
class Trim:
    """Take up to ``limit`` of the oldest records beyond ``max_records`` away."""

    max_records: int
    limit: int


@dataclass(frozen=True, slots=True)
class Beat:
    """This server lives; whatever a dead one left running is lost."""


@dataclass(frozen=True, slots=True)
class Leave:
    """This server goes; whatever it left running is lost."""


Write = Begin | Append | End | Delete | DeleteOwner | Expire | Trim | Beat | Leave
Deletion = Delete | DeleteOwner | Expire | Trim


def make_end(id: str, status: Status, answer: str, usage: Mapping[str, Any] | None, seconds: float | None) -> End:  # noqa: A002
    """Make the end of a record."""
    usage_json = None if usage is None else to_json(usage)
    return End(clean(id), status.value, clean(answer), fold(answer), usage_json, seconds)


def to_json(value: object) -> str:
    """Write plain values as JSON that every database holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def clean(text: str) -> str:
    """Replace what no database holds in text."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def fold(text: str) -> str:
    """Bring text into the form that is searched: case and composition do not count."""
    return clean(unicodedata.normalize("NFC", text[:SEARCHED_CHARS]).casefold())


def fold_words(text: str) -> list[str]:
    """Split what is searched for into folded words, each once."""
    return list(dict.fromkeys(fold(text).split()))


def to_summary(row: Mapping[str, Any]) -> Summary:
    """Read a row of a list."""
    return Summary(
        id=row["id"],
        owner=row["owner"],
        asked_at=row["asked_at"],
        model=row["model"],
        question=row["question"],
        status=Status(row["status"]),
        answer=row["answer"],
        seconds=row["seconds"],
    )


def to_record(row: Mapping[str, Any], pieces: Sequence[str]) -> QuestionRecord:
    """Read a row of ``questions`` and the rows of its events, in order.

    Raises:
        RecordError: what was stored is no such record.
    """
    try:
        return QuestionRecord(
            id=row["id"],
            owner=row["owner"],
            asked_at=row["asked_at"],
            model=row["model"],
            question=row["question"],
            messages=tuple(json.loads(row["messages"])),
            settings=json.loads(row["settings"]),
            status=Status(row["status"]),
            events=tuple(event for piece in pieces for event in json.loads(piece)),
            answer=row["answer"],
            usage=None if row["usage"] is None else json.loads(row["usage"]),
            seconds=row["seconds"],
        )
    except (ValueError, TypeError) as error:
        raise RecordError(f"the store's record {row['id']!r} cannot be read: {error}") from error
