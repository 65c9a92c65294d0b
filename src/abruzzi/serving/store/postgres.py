"""Records in PostgreSQL: for several servers that share one history.

Each server writes through one connection, in a pipeline: a commit of many writes costs few round trips. A connection
that breaks is opened anew with the next commit. The tables stand in a schema ``abruzzi`` of their own; the clock that
decides which server is dead is the database's, so that servers need not agree about the time. A search reads all of an
owner's records, or the index of ``pg_trgm`` where that extension may be installed.

The driver's plain connections serve, not its asynchronous ones: the thread that keeps the order of writes is there
anyway, and reading is rare beside it.

Deleting takes records from every query at once; their bytes stay in PostgreSQL's files until it reuses the space, and
in its log and backups for as long as those are kept. That is the operator's to settle (``VACUUM FULL``).
"""

import contextlib
import queue
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from abruzzi.errors import RecordError
from abruzzi.serving.question_record import QuestionRecord
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.store import Summary
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
    fold_words,
    to_record,
    to_summary,
)

MIGRATIONS: tuple[LiteralString, ...] = (
    """
    CREATE TABLE abruzzi.servers (id text PRIMARY KEY, seen_at timestamptz NOT NULL);
    CREATE TABLE abruzzi.questions (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id text COLLATE "C" NOT NULL UNIQUE,
        owner text COLLATE "C" NOT NULL,
        server text NOT NULL,
        asked_at double precision NOT NULL,
        model text NOT NULL,
        question text NOT NULL,
        messages text NOT NULL,
        settings text NOT NULL,
        status text NOT NULL,
        answer text NOT NULL DEFAULT '',
        usage text,
        seconds double precision,
        searched text COLLATE "C" NOT NULL
    );
    CREATE INDEX by_time ON abruzzi.questions (asked_at, id);
    CREATE INDEX by_owner ON abruzzi.questions (owner, asked_at, id);
    CREATE INDEX running ON abruzzi.questions (server) WHERE status = 'running';
    CREATE TABLE abruzzi.events (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        question text COLLATE "C" NOT NULL REFERENCES abruzzi.questions (id) ON DELETE CASCADE,
        piece text NOT NULL,
        rows text NOT NULL,
        UNIQUE (question, piece)
    );
    """,
)
"""Statements that bring a database from each version to the next. Never change one that was released."""

_BEGIN = """
    INSERT INTO abruzzi.questions
        (id, owner, server, asked_at, model, question, messages, settings, status, searched)
    VALUES (%(id)s, %(owner)s, %(server)s, %(asked_at)s, %(model)s, %(question)s, %(messages)s, %(settings)s,
        %(status)s, %(searched)s)
    ON CONFLICT (id) DO NOTHING
"""
_APPEND = """
    INSERT INTO abruzzi.events (question, piece, rows)
    SELECT id, %(piece)s, %(rows)s FROM abruzzi.questions WHERE id = %(id)s
    ON CONFLICT (question, piece) DO NOTHING
"""
_END = """
    UPDATE abruzzi.questions SET status = %(status)s, answer = %(answer)s, usage = %(usage)s, seconds = %(seconds)s,
        searched = searched || chr(10) || %(searched)s
    WHERE id = %(id)s AND status IN ('running', 'lost')
"""
_DELETE = "DELETE FROM abruzzi.questions WHERE id = %(id)s AND (%(owner)s::text IS NULL OR owner = %(owner)s)"
_DELETE_OWNER = "DELETE FROM abruzzi.questions WHERE owner = %(owner)s"
_EXPIRE = """
    DELETE FROM abruzzi.questions WHERE position IN (
        SELECT position FROM abruzzi.questions WHERE asked_at < %(before)s AND status <> 'running'
        ORDER BY asked_at, id LIMIT %(limit)s
    )
"""
_TRIM = """
    DELETE FROM abruzzi.questions WHERE position IN (
        SELECT position FROM abruzzi.questions WHERE status <> 'running' ORDER BY asked_at, id
        LIMIT greatest(0, least(
            %(limit)s, (SELECT count(*) FROM abruzzi.questions WHERE status <> 'running') - %(max_records)s))
    )
"""
_BEAT = """
    INSERT INTO abruzzi.servers (id, seen_at) VALUES (%(server)s, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
"""
_BURY = "DELETE FROM abruzzi.servers WHERE seen_at <= clock_timestamp() - make_interval(secs => %(lease_s)s)"
_LOSE = """
    UPDATE abruzzi.questions SET status = 'lost' WHERE position IN (
        SELECT position FROM abruzzi.questions
        WHERE status = 'running' AND server NOT IN (SELECT id FROM abruzzi.servers) FOR UPDATE SKIP LOCKED
    )
"""
_LEAVE = "DELETE FROM abruzzi.servers WHERE id = %(server)s"
_LIST = """
    SELECT id, owner, asked_at, model, question, status, answer, seconds FROM abruzzi.questions
    WHERE searched LIKE ALL (%(patterns)s) AND (%(owner)s::text IS NULL OR owner = %(owner)s)
        AND asked_at < coalesce(%(before)s, 'infinity'::double precision)
"""
_NEWEST = _LIST + " ORDER BY asked_at DESC, id DESC LIMIT %(limit)s"
_SAME_TIME = _LIST + " AND asked_at = %(last_at)s AND id < %(last_id)s ORDER BY id DESC"
_PAGE = """
    SELECT * FROM abruzzi.questions
    WHERE (asked_at, id) > (%(asked_at)s, %(id)s) AND (%(owner)s::text IS NULL OR owner = %(owner)s)
    ORDER BY asked_at, id LIMIT %(limit)s
"""
_EVENTS = "SELECT question, rows FROM abruzzi.events WHERE question = ANY (%s) ORDER BY position"

_MIGRATION_LOCK = 0x61627275
"""Servers that start together take turns with the migrations."""
_TRIES = 3
"""Of a commit that PostgreSQL rolled back for the sake of another server's."""

_Connection = psycopg.Connection[DictRow]


class PostgresDatabase:
    """One database on a PostgreSQL server."""

    def __init__(self, url: str, settings: StoreSettings, *, server: str) -> None:
        """Connect, and make the tables or bring them up to date.

        Args:
            url: ``postgresql://…``; what it leaves out comes from ``PGPASSWORD`` and its like.
            settings: how long to wait, and when a server counts as dead.
            server: this server's own name, never used before.

        Raises:
            RecordError: it cannot be reached, or was written by a newer version.
        """
        self._url = url
        self._settings = settings
        self._server = server
        self._writing: _Connection | None = None
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()
        self._check_address()
        with self._naming_errors():
            try:
                self._writing = self._connect()
                migrate(self._writing, MIGRATIONS)
                self.commit([Beat()])
            except BaseException:
                self.close()
                raise

    def commit(self, writes: Sequence[Write]) -> list[int]:
        """See ``Database.commit``."""
        with self._naming_errors():
            for _ in range(_TRIES - 1):
                with contextlib.suppress(errors.SerializationFailure, errors.DeadlockDetected):
                    return self._commit(writes)
            return self._commit(writes)

    def get(self, id: str, owner: str | None) -> QuestionRecord | None:  # noqa: A002
        """See ``Database.get``."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT * FROM abruzzi.questions WHERE id = %(id)s AND (%(owner)s::text IS NULL OR owner = %(owner)s)",
                {"id": id, "owner": owner},
            ).fetchone()
            return None if row is None else _read(connection, [row])[0]

    def search(self, owner: str | None, text: str, before: float | None, limit: int) -> list[Summary]:
        """See ``Database.search``."""
        values = {"owner": owner, "before": before, "limit": limit, "patterns": _patterns(text)}
        with self._reading() as connection:
            rows = connection.execute(_NEWEST, values).fetchall()
            if rows and len(rows) == limit:
                last = {"last_at": rows[-1]["asked_at"], "last_id": rows[-1]["id"]}
                rows += connection.execute(_SAME_TIME, values | last).fetchall()
        return [to_summary(row) for row in rows]

    def page(self, owner: str | None, after: tuple[float, str] | None, limit: int) -> list[QuestionRecord]:
        """See ``Database.page``."""
        asked_at, id_ = after or (float("-inf"), "")
        values = {"asked_at": asked_at, "id": id_, "owner": owner, "limit": limit}
        with self._reading() as connection:
            return _read(connection, connection.execute(_PAGE, values).fetchall())

    def close(self) -> None:
        """See ``Database.close``."""
        if self._writing is not None:
            self._writing.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _commit(self, writes: Sequence[Write]) -> list[int]:
        if self._writing is None or self._writing.closed:
            self._writing = self._connect()
        cursors: list[psycopg.Cursor[DictRow]] = []
        with self._writing.transaction(), self._writing.pipeline():
            for write in writes:
                cursors.append(self._send(self._writing, write))
        return [cursor.rowcount for cursor in cursors]

    def _send(self, connection: _Connection, write: Write) -> "psycopg.Cursor[DictRow]":
        """Send one write; its cursor will know how many records it changed."""
        match write:
            case Begin():
                return connection.execute(_BEGIN, write.to_row(self._server))
            case Append():
                return connection.execute(_APPEND, asdict(write))
            case End():
                return connection.execute(_END, asdict(write))
            case Delete():
                return connection.execute(_DELETE, asdict(write))
            case DeleteOwner():
                return connection.execute(_DELETE_OWNER, asdict(write))
            case Expire():
                return connection.execute(_EXPIRE, asdict(write))
            case Trim():
                return connection.execute(_TRIM, asdict(write))
            case Beat():
                connection.execute(_BEAT, {"server": self._server})
                connection.execute(_BURY, {"lease_s": self._settings.lease_s})
                return connection.execute(_LOSE)
            case Leave():
                connection.execute(_LEAVE, {"server": self._server})
                return connection.execute(_LOSE)

    def _connect(self) -> _Connection:
        wait_ms = round(1000 * self._settings.lock_wait_s)
        return _Connection.connect(
            self._url,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=max(2, round(self._settings.lock_wait_s)),
            tcp_user_timeout=wait_ms,
            application_name="abruzzi",
            options=f"-c lock_timeout={wait_ms} -c statement_timeout={6 * wait_ms}",
        )

    @contextlib.contextmanager
    def _reading(self) -> Generator[_Connection]:
        """Lend a connection for one read; one that broke while it lay idle is left for a new one."""
        with self._naming_errors():
            try:
                connection = self._idle.get_nowait()
                connection.execute("SELECT 1")
            except (queue.Empty, psycopg.OperationalError):
                connection = self._connect()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.put(connection)

    @contextlib.contextmanager
    def _naming_errors(self) -> Generator[None]:
        """Turn the driver's errors into ours; they name no password."""
        try:
            yield
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise UnwritableError(f"the PostgreSQL store cannot hold it: {_first_line(error)}") from error
        except errors.LockNotAvailable as error:
            raise RecordError(
                f"the PostgreSQL store does not take it: locked for more than {self._settings.lock_wait_s:g} s"
            ) from error
        except errors.DiskFull as error:
            raise RecordError("the PostgreSQL store does not take it: its disk is full; make room there") from error
        except psycopg.Error as error:
            raise RecordError(f"the PostgreSQL store does not take it: {_first_line(error)}") from error

    def _check_address(self) -> None:
        """Refuse an address that cannot be read; the driver's own words would quote it, password included."""
        try:
            conninfo_to_dict(self._url)
        except psycopg.ProgrammingError:
            raise RecordError(
                "the PostgreSQL store's address cannot be read; write it as postgresql://user:password@host:5432/name, "
                "with %-escapes for anything but letters and digits in the password"
            ) from None


def migrate(connection: _Connection, migrations: Sequence[LiteralString]) -> None:
    """Bring a database to the newest version, in one transaction.

    Raises:
        RecordError: a newer version of Abruzzi wrote it.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        connection.execute("CREATE SCHEMA IF NOT EXISTS abruzzi")
        connection.execute("CREATE TABLE IF NOT EXISTS abruzzi.version (version integer NOT NULL)")
        row = connection.execute("SELECT version FROM abruzzi.version").fetchone()
        version = 0 if row is None else int(row["version"])
        if version > len(migrations):
            raise RecordError(
                f"the PostgreSQL store has version {version}, and this Abruzzi knows versions up to {len(migrations)}; "
                "use the newer Abruzzi that wrote it"
            )
        for script in migrations[version:]:
            connection.execute(script)
        if version < len(migrations):
            connection.execute("DELETE FROM abruzzi.version")
            connection.execute("INSERT INTO abruzzi.version VALUES (%s)", (len(migrations),))
    _add_trigrams(connection)


def _add_trigrams(connection: _Connection) -> None:
    """Index what is searched where the extension may be had; without it a search reads more."""
    with contextlib.suppress(psycopg.Error), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        connection.execute("CREATE INDEX IF NOT EXISTS found ON abruzzi.questions USING gin (searched gin_trgm_ops)")


def _patterns(text: str) -> list[str]:
    """Write the words of a search as patterns of LIKE; no word is what every text has."""
    escaped = (word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for word in fold_words(text))
    return [f"%{word}%" for word in escaped] or ["%"]


def _read(connection: _Connection, rows: Sequence[Mapping[str, Any]]) -> list[QuestionRecord]:
    pieces: dict[str, list[str]] = {row["id"]: [] for row in rows}
    for piece in connection.execute(_EVENTS, (list(pieces),)):
        pieces[piece["question"]].append(piece["rows"])
    return [to_record(row, pieces[row["id"]]) for row in rows]


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
