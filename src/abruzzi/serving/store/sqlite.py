"""Records in one SQLite file: the default.

Write-ahead log, so that reading and writing do not wait for each other, with ``synchronous=FULL``: each commit is
flushed to the disk. ``NORMAL`` would outlive kill -9 (the operating system has the pages) but not a power cut, and
group commit makes the flush cheap. What is deleted is overwritten (``secure_delete``, also in the search index) and
the log that still holds it is emptied.

A search looks for words anywhere in the text, by FTS5's trigrams where this SQLite has them, else by reading all.
Source of the semantics of the pragmas: https://www.sqlite.org/pragma.html, https://www.sqlite.org/fts5.html.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

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

MIGRATIONS = (
    """
    CREATE TABLE servers (id TEXT PRIMARY KEY, seen_at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE questions (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        server TEXT NOT NULL,
        asked_at REAL NOT NULL,
        model TEXT NOT NULL,
        question TEXT NOT NULL,
        messages TEXT NOT NULL,
        settings TEXT NOT NULL,
        status TEXT NOT NULL,
        answer TEXT NOT NULL DEFAULT '',
        usage TEXT,
        seconds REAL,
        searched TEXT NOT NULL
    );
    CREATE INDEX by_time ON questions (asked_at, id);
    CREATE INDEX by_owner ON questions (owner, asked_at, id);
    CREATE INDEX running ON questions (server) WHERE status = 'running';
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        question TEXT NOT NULL REFERENCES questions (id) ON DELETE CASCADE,
        piece TEXT NOT NULL,
        rows TEXT NOT NULL,
        UNIQUE (question, piece)
    );
    """,
)
"""Statements that bring a file from each version (``user_version``) to the next. Never change one that was released."""

_INDEX = """
    DROP TABLE IF EXISTS found;
    CREATE VIRTUAL TABLE found USING fts5 (
        searched, content='questions', content_rowid='position', tokenize='trigram case_sensitive 1'
    );
    INSERT INTO found (found) VALUES ('rebuild');
    CREATE TRIGGER found_insert AFTER INSERT ON questions BEGIN
        INSERT INTO found (rowid, searched) VALUES (new.position, new.searched);
    END;
    CREATE TRIGGER found_update AFTER UPDATE OF searched ON questions BEGIN
        INSERT INTO found (found, rowid, searched) VALUES ('delete', old.position, old.searched);
        INSERT INTO found (rowid, searched) VALUES (new.position, new.searched);
    END;
    CREATE TRIGGER found_delete AFTER DELETE ON questions BEGIN
        INSERT INTO found (found, rowid, searched) VALUES ('delete', old.position, old.searched);
    END;
"""
_TRIGGERS = ("found_insert", "found_update", "found_delete")

_BEGIN = """
    INSERT INTO questions
        (id, owner, server, asked_at, model, question, messages, settings, status, searched)
    VALUES (:id, :owner, :server, :asked_at, :model, :question, :messages, :settings, :status, :searched)
    ON CONFLICT (id) DO NOTHING
"""
_APPEND = """
    INSERT INTO events (question, piece, rows) SELECT id, :piece, :rows FROM questions WHERE id = :id
    ON CONFLICT (question, piece) DO NOTHING
"""
_END = """
    UPDATE questions SET status = :status, answer = :answer, usage = :usage, seconds = :seconds,
        searched = searched || char(10) || :searched
    WHERE id = :id AND status IN ('running', 'lost')
"""
_DELETE = "DELETE FROM questions WHERE id = :id AND (:owner IS NULL OR owner = :owner)"
_DELETE_OWNER = "DELETE FROM questions WHERE owner = :owner"
_EXPIRE = """
    DELETE FROM questions WHERE position IN (
        SELECT position FROM questions WHERE asked_at < :before AND status <> 'running'
        ORDER BY asked_at, id LIMIT :limit
    )
"""
_TRIM = """
    DELETE FROM questions WHERE position IN (
        SELECT position FROM questions WHERE status <> 'running' ORDER BY asked_at, id
        LIMIT max(0, min(:limit, (SELECT count(*) FROM questions WHERE status <> 'running') - :max_records))
    )
"""
_BEAT = "INSERT INTO servers (id, seen_at) VALUES (:server, :now) ON CONFLICT (id) DO UPDATE SET seen_at = :now"
_BURY = "DELETE FROM servers WHERE seen_at <= :dead_since"
_LOSE = "UPDATE questions SET status = 'lost' WHERE status = 'running' AND server NOT IN (SELECT id FROM servers)"
_LEAVE = "DELETE FROM servers WHERE id = :server"

_SUMMARY = "id, owner, asked_at, model, question, status, answer, seconds"
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteDatabase:
    """One file."""

    def __init__(self, path: Path, settings: StoreSettings, *, server: str, has_index: bool | None = None) -> None:
        """Open the file, made or brought up to date where needed.

        Args:
            path: the file; its folder is made.
            settings: how long to wait, and when a server counts as dead.
            server: this server's own name, never used before.
            has_index: whether to search with FTS5; None finds out.

        Raises:
            RecordError: it cannot be opened, is locked, or was written by a newer version.
        """
        self._path = path
        self._settings = settings
        self._server = server
        self._has_waste = False
        with self._naming_errors():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                # What people ask is for their eyes: the log beside it takes the same mode.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            except OSError as error:
                raise RecordError(f"cannot open the store {path}: {error.strerror}") from error
            self._writing = self._connect()
            try:
                self._writing.execute("PRAGMA journal_mode = WAL")
                self._writing.execute("PRAGMA journal_size_limit = 67108864")
                migrate(self._writing, MIGRATIONS, str(path))
                self._has_index = _set_index(
                    self._writing, _has_fts5(self._writing) if has_index is None else has_index
                )
                self.commit([Beat()])
            except BaseException:
                self._writing.close()
                raise

    def commit(self, writes: Sequence[Write]) -> list[int]:
        """See ``Database.commit``."""
        with self._naming_errors():
            try:
                self._writing.execute("BEGIN IMMEDIATE")
                counts = [self._carry_out(write) for write in writes]
                self._writing.execute("COMMIT")
            except BaseException:
                if self._writing.in_transaction:
                    self._writing.execute("ROLLBACK")
                raise
            deletions = (Delete, DeleteOwner, Expire, Trim)
            self._has_waste |= any(n and isinstance(w, deletions) for w, n in zip(writes, counts, strict=True))
            if self._has_waste:
                self._empty_log()
        return counts

    def get(self, id: str, owner: str | None) -> QuestionRecord | None:  # noqa: A002
        """See ``Database.get``."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT * FROM questions WHERE id = ? AND (? IS NULL OR owner = ?)", (id, owner, owner)
            ).fetchone()
            return None if row is None else _read(connection, row)

    def search(self, owner: str | None, text: str, before: float | None, limit: int) -> list[Summary]:
        """See ``Database.search``."""
        words = fold_words(text)
        clauses = ["instr(searched, ?) > 0"] * len(words)
        values: list[Any] = list(words)
        trigrams = [word for word in words if len(word) >= 3]
        if self._has_index and trigrams:
            clauses.append("position IN (SELECT rowid FROM found WHERE found MATCH ?)")
            values.append(" ".join('"' + word.replace('"', '""') + '"' for word in trigrams))
        for clause, value in (("owner = ?", owner), ("asked_at < ?", before)):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        where = " AND ".join(clauses) or "TRUE"
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {_SUMMARY} FROM questions WHERE {where} ORDER BY asked_at DESC, id DESC LIMIT ?",  # noqa: S608 - clauses of this function
                (*values, limit),
            ).fetchall()
            if rows and len(rows) == limit:
                last = rows[-1]
                rows += connection.execute(
                    f"SELECT {_SUMMARY} FROM questions WHERE {where} AND asked_at = ? AND id < ? ORDER BY id DESC",  # noqa: S608
                    (*values, last["asked_at"], last["id"]),
                ).fetchall()
        return [to_summary(dict(row)) for row in rows]

    def page(self, owner: str | None, after: tuple[float, str] | None, limit: int) -> list[QuestionRecord]:
        """See ``Database.page``."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT * FROM questions WHERE (asked_at, id) > (?, ?) AND (? IS NULL OR owner = ?) "
                "ORDER BY asked_at, id LIMIT ?",
                (*(after or (float("-inf"), "")), owner, owner, limit),
            ).fetchall()
            return [_read(connection, row) for row in rows]

    def close(self) -> None:
        """See ``Database.close``."""
        self._writing.close()

    def _carry_out(self, write: Write) -> int:
        """Carry one write out; returns how many records it changed."""
        now = time.time()
        match write:
            case Begin():
                return self._change(_BEGIN, write.to_row(self._server))
            case Append():
                return self._change(_APPEND, asdict(write))
            case End():
                return self._change(_END, asdict(write))
            case Delete():
                return self._change(_DELETE, asdict(write))
            case DeleteOwner():
                return self._change(_DELETE_OWNER, asdict(write))
            case Expire():
                return self._change(_EXPIRE, asdict(write))
            case Trim():
                return self._change(_TRIM, asdict(write))
            case Beat():
                self._change(_BEAT, {"server": self._server, "now": now})
                self._change(_BURY, {"dead_since": now - self._settings.lease_s})
                return self._change(_LOSE, {})
            case Leave():
                self._change(_LEAVE, {"server": self._server})
                return self._change(_LOSE, {})

    def _change(self, statement: str, values: Mapping[str, Any]) -> int:
        return self._writing.execute(statement, values).rowcount

    def _empty_log(self) -> None:
        """Move the log into the file and cut it to nothing; a reader may put that off to a later commit."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._writing.execute("PRAGMA busy_timeout = 100")
            is_busy = self._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._has_waste = bool(is_busy)
        self._writing.execute(f"PRAGMA busy_timeout = {round(1000 * self._settings.lock_wait_s)}")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._settings.lock_wait_s, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    @contextlib.contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        """Open a connection for one read, with one view of the file: cheap, and no thread shares it."""
        with self._naming_errors(), contextlib.closing(self._connect()) as connection:
            connection.execute("BEGIN")
            yield connection

    @contextlib.contextmanager
    def _naming_errors(self) -> Generator[None]:
        """Turn the driver's errors into ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _BUSY:
                reason = f"another process has it locked for more than {self._settings.lock_wait_s:g} s"
            elif code == sqlite3.SQLITE_FULL:
                reason = "the disk is full; make room, or delete records: abruzzi store expire"
            else:
                reason = str(error)
            raise RecordError(f"the store {self._path} does not take it: {reason}") from error
        except (sqlite3.DataError, sqlite3.IntegrityError, OverflowError) as error:
            raise UnwritableError(f"the store {self._path} cannot hold it: {error}") from error
        except sqlite3.Error as error:
            raise RecordError(
                f"the store {self._path} cannot be used: {error}; if it is damaged, move it away and start anew"
            ) from error


def migrate(connection: sqlite3.Connection, migrations: Sequence[str], name: str) -> None:
    """Bring a file to the newest version, in one transaction.

    Raises:
        RecordError: a newer version of Abruzzi wrote it.
    """
    if _version(connection) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > len(migrations):
            raise RecordError(
                f"the store {name} has version {version}, and this Abruzzi knows versions up to {len(migrations)}; "
                "use the newer Abruzzi that wrote it"
            )
        for script in migrations[version:]:
            _run_script(connection, script)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _has_fts5(connection: sqlite3.Connection) -> bool:
    """Tell whether FTS5 and its trigrams are there, by using them."""
    try:
        connection.execute("CREATE VIRTUAL TABLE temp.tried USING fts5 (x, tokenize='trigram case_sensitive 1')")
        connection.execute("DROP TABLE temp.tried")
    except sqlite3.OperationalError:
        return False
    return True


def _set_index(connection: sqlite3.Connection, is_wanted: bool) -> bool:
    """Make the search index, or cut it off where this SQLite cannot keep it; a file may travel between machines."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    if is_wanted == names.issuperset(_TRIGGERS):
        return is_wanted
    connection.execute("BEGIN IMMEDIATE")
    try:
        for trigger in _TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        if is_wanted:
            _run_script(connection, _INDEX)
            # Overwrite deleted entries of the index too; an SQLite before 3.42 has no such setting.
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("INSERT INTO found (found, rank) VALUES ('secure-delete', 1)")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return is_wanted


def _run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run statements one by one: ``executescript`` would commit the transaction first."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _read(connection: sqlite3.Connection, row: sqlite3.Row) -> QuestionRecord:
    pieces = connection.execute("SELECT rows FROM events WHERE question = ? ORDER BY position", (row["id"],))
    return to_record(dict(row), [piece["rows"] for piece in pieces])
