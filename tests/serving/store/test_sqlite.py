"""What is special about the file: full disks, locks, kills, bytes that must be gone, versions."""

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import cast

import anyio
import anyio.from_thread
import pytest

from abruzzi.errors import RecordError
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.queued import QueuedStore
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.sqlite import MIGRATIONS, SqliteDatabase, migrate
from abruzzi.serving.store.store import DeferredError
from abruzzi.serving.store.writes import Begin
from tests.serving.store.making import ROWS, keep, make_record

IMPATIENT = StoreSettings(lock_wait_s=0.2)


@contextlib.contextmanager
def lock(path: Path) -> Generator[None]:
    """Hold the file as another process would."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def read_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_only_its_user_reads_the_file(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "new" / "q.db", IMPATIENT, server="s")
    database.commit([Begin(make_record("q"))])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    database.close()
    assert modes == {0o600}


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    with anyio.from_thread.start_blocking_portal() as portal:
        path = tmp_path / "q.db"
        settings = StoreSettings(lock_wait_s=10)
        store = QueuedStore(SqliteDatabase(path, settings, server="s"), settings)
        with lock(path):
            begun = portal.start_task_soon(store.begin, make_record("q"))
            time.sleep(0.3)
            assert not begun.done()
        begun.result(timeout=10)
        portal.call(store.close)


def test_a_long_lock_is_told_and_what_was_paid_for_is_written_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "q.db"

    async def main() -> None:
        store = QueuedStore(SqliteDatabase(path, IMPATIENT, server="s"), IMPATIENT)
        await store.begin(make_record("q"))
        with lock(path):
            with pytest.raises(DeferredError, match=r"locked for more than 0\.2 s; it stays in memory"):
                await store.append("q", ROWS)
            with pytest.raises(RecordError, match="stays in memory"):
                await store.end("q", status=Status.ANSWERED, answer="42", usage=None, seconds=1.0)
            with pytest.raises(RecordError, match="nothing was kept"):
                await store.begin(make_record("q2"))
            assert (await store.search(owner=None))[0].status is Status.RUNNING
        with anyio.fail_after(10):
            while (await store.search(owner=None))[0].status is Status.RUNNING:
                await anyio.sleep(0.05)
        found = await store.get("q", owner=None)
        assert found is not None
        assert (found.answer, found.events) == ("42", tuple(ROWS))
        assert await store.get("q2", owner=None) is None
        await store.close()

    anyio.run(main)


def test_a_store_that_closes_under_a_lock_says_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "q.db"

    async def main() -> None:
        store = QueuedStore(SqliteDatabase(path, IMPATIENT, server="s"), IMPATIENT)
        await store.begin(make_record("q"))
        with lock(path):
            with pytest.raises(RecordError, match="stays in memory"):
                await store.append("q", ROWS)
            with pytest.raises(RecordError, match="1 writes could not be carried out"):
                await store.close()

    anyio.run(main)


def test_memory_for_what_waits_is_bounded(tmp_path: Path) -> None:
    settings = StoreSettings(lock_wait_s=0.1, max_backlog_bytes=2000)
    path = tmp_path / "q.db"

    async def main() -> None:
        store = QueuedStore(SqliteDatabase(path, settings, server="s"), settings)
        await store.begin(make_record("q"))
        with lock(path):
            with pytest.raises(RecordError, match="max_backlog_bytes"):
                await store.append("q", [{"event": "x" * 3000}])
            with pytest.raises(RecordError, match="stays in memory"):
                await store.append("q", [{"event": "short"}])
        await store.append("q", [{"event": "last"}])
        found = await store.get("q", owner=None)
        assert found is not None
        assert [row["event"] for row in found.events] == ["short", "last"]
        await store.close()

    anyio.run(main)


def test_a_store_that_is_locked_at_the_start_is_one_clear_line(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path / "q.db", IMPATIENT, server="s").close()
    with lock(tmp_path / "q.db"), pytest.raises(RecordError, match=r"q\.db does not take it: another process"):
        SqliteDatabase(tmp_path / "q.db", IMPATIENT, server="s2")


def test_a_full_disk_is_told_and_earlier_records_stay(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=2m none {tmp_path}"
    enter = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*enter, mount], check=False, capture_output=True).returncode:
        pytest.skip("this machine lends no small file system of its own to a test")
    fill = f"{mount} && exec {sys.executable} -m tests.serving.store.filling {tmp_path}"
    done = subprocess.run([*enter, fill], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"the store {tmp_path}/q.db does not take it: the disk is full; make room, or delete records: abruzzi store "
        "expire; it stays in memory and is written when that has passed",
        "answered It is 42.",
        "answered room again 60000",
    ]


def test_what_is_deleted_is_gone_from_the_files(tmp_path: Path) -> None:
    """Also after the pages have been split and joined by many other records, and while the store stays open."""
    secret, kept = "Zebraflugzeug", "Elefantenboot"
    draw = Random(7)

    async def main() -> None:
        store = await open_store(StoreSettings(url=str(tmp_path / "q.db")), {})
        for number in range(60):
            is_secret = number % 3 == 0
            word = secret if is_secret else kept
            record = make_record(f"q{number}", owner="gone" if is_secret else "stays", question=f"{word} " * 5)
            await store.begin(record)
            for _ in range(draw.randint(1, 4)):
                await store.append(record.id, [{"event": word * draw.randint(1, 700)}])
            await store.end(record.id, status=Status.ANSWERED, answer=word * 9, usage={"x": word}, seconds=1.0)
        before = read_bytes(tmp_path)
        assert secret.encode() in before
        assert secret.lower().encode() in before
        assert await store.delete_owner("gone") == 20
        after = read_bytes(tmp_path)
        assert secret.encode() not in after
        assert secret.lower().encode() not in after
        assert kept.encode() in after
        assert len(await store.search(owner=None, text=kept)) == 40
        with contextlib.closing(sqlite3.connect(tmp_path / "q.db")) as other:
            other.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab (main, found, row)")
            terms = {row[0] for row in other.execute("SELECT term FROM temp.terms")}
            other.execute("INSERT INTO found (found) VALUES ('integrity-check')")
        assert {"ele", "fan"} <= terms
        assert not {"zeb", "flu"} & terms
        await store.close()

    anyio.run(main)


def test_deleted_bytes_wait_for_a_reader_and_go_after_it(tmp_path: Path) -> None:
    async def main() -> None:
        settings = StoreSettings(heartbeat_s=0.1, lease_s=10)
        store = QueuedStore(SqliteDatabase(tmp_path / "q.db", settings, server="s"), settings)
        await keep(store, make_record("q", question="Zebraflugzeug"))
        with contextlib.closing(sqlite3.connect(tmp_path / "q.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT question FROM questions").fetchone()[0] == "Zebraflugzeug"
            assert await store.delete("q", owner=None)
        with anyio.fail_after(10):
            while b"Zebraflugzeug" in read_bytes(tmp_path):
                await anyio.sleep(0.05)
        await store.close()

    anyio.run(main)


def test_a_file_that_lost_its_index_gets_it_again(tmp_path: Path) -> None:
    for number, has_index in enumerate([None, False, None, False]):
        database = SqliteDatabase(tmp_path / "q.db", IMPATIENT, server=f"s{number}", has_index=has_index)
        database.commit([Begin(make_record(f"q{number}", question=f"common word{number}"))])
        assert len(database.search(None, "common", None, 10)) == number + 1
        assert [summary.id for summary in database.search(None, f"word{number}", None, 10)] == [f"q{number}"]
        database.close()


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path / "q.db", IMPATIENT, server="s").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "q.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RecordError, match=r"version 99.*up to 1"):
        SqliteDatabase(tmp_path / "q.db", IMPATIENT, server="s2")


def test_versions_are_climbed_one_by_one_and_whole_or_not_at_all(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "m.db", isolation_level=None)) as connection:
        migrate(connection, MIGRATIONS, "m")
        migrate(connection, (*MIGRATIONS, "ALTER TABLE questions ADD COLUMN mood TEXT; CREATE TABLE more (x);"), "m")
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, (*MIGRATIONS, "", "CREATE TABLE third (x); DROP TABLE nowhere;"), "m")
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
        assert "more" in names
        assert "third" not in names


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "q.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(RecordError, match=r"cannot be used.*move it away"):
        SqliteDatabase(tmp_path / "q.db", IMPATIENT, server="s")
    with pytest.raises(RecordError, match="cannot open the store"):
        SqliteDatabase(tmp_path / "q.db" / "under a file", IMPATIENT, server="s")


def test_one_write_that_cannot_be_held_spoils_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        store = QueuedStore(SqliteDatabase(tmp_path / "q.db", IMPATIENT, server="s"), IMPATIENT)
        await keep(store, make_record("first"))
        results: list[object] = []

        async def begin(record: QuestionRecord) -> None:
            try:
                results.append(await store.begin(record))
            except RecordError as error:
                results.append(str(error))

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(begin, make_record(f"q{number}", asked_at=float("nan") if number == 2 else 1.0))
        assert results.count(None) == 4
        assert sum("cannot hold it" in str(result) for result in results) == 1
        assert len(await store.search(owner=None)) == 5
        await store.close()

    anyio.run(main)


def test_a_mistake_of_ours_ends_nobody_elses_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        store = QueuedStore(SqliteDatabase(tmp_path / "q.db", IMPATIENT, server="s"), IMPATIENT)
        broken = replace(make_record("q"), asked_at=cast("float", "yesterday"))
        with pytest.raises(RecordError, match="this is a bug"):
            await store.begin(broken)
        await store.begin(make_record("q"))
        await store.close()

    anyio.run(main)
