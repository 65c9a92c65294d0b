"""What is special about PostgreSQL: it restarts, it is elsewhere, and several servers share it."""

import anyio
import psycopg
import pytest

from abruzzi.errors import RecordError
from abruzzi.serving.question_record import Status
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.postgres import MIGRATIONS, PostgresDatabase
from abruzzi.serving.store.queued import QueuedStore
from abruzzi.serving.store.settings import StoreSettings
from tests.serving.store.making import ROWS, keep, make_record
from tests.serving.store.servers import PostgresServer

SETTINGS = StoreSettings(lock_wait_s=0.5)


@pytest.fixture
def server(postgres: PostgresServer) -> PostgresServer:
    postgres.run("DROP SCHEMA IF EXISTS abruzzi CASCADE")
    return postgres


def test_a_restart_loses_nothing(server: PostgresServer) -> None:
    async def main() -> None:
        store = QueuedStore(PostgresDatabase(server.url, SETTINGS, server="s"), SETTINGS)
        await keep(store, make_record("early"))
        await store.begin(make_record("q"))
        assert await store.get("early", owner=None) is not None
        server.stop()
        with pytest.raises(RecordError, match="stays in memory"):
            await store.append("q", ROWS)
        with pytest.raises(RecordError, match="stays in memory"):
            await store.end("q", status=Status.ANSWERED, answer="42", usage=None, seconds=1.0)
        with pytest.raises(RecordError, match="does not take it"):
            await store.get("early", owner=None)
        server.start()
        with anyio.fail_after(20):
            while (await store.search(owner=None, text="42"))[0].id != "q":
                await anyio.sleep(0.05)
        found = await store.get("q", owner=None)
        assert found is not None
        assert found.events == tuple(ROWS)
        await store.close()

    anyio.run(main)


def test_a_locked_table_is_told(server: PostgresServer) -> None:
    async def main() -> None:
        store = QueuedStore(PostgresDatabase(server.url, SETTINGS, server="s"), SETTINGS)
        await store.begin(make_record("q"))
        with psycopg.connect(server.url) as other:
            other.execute("LOCK TABLE abruzzi.questions IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(RecordError, match=r"locked for more than 0\.5 s; it stays in memory"):
                await store.append("q", ROWS)
        await store.append("q", ROWS)
        found = await store.get("q", owner=None)
        assert found is not None
        assert found.events == tuple(ROWS + ROWS)
        await store.close()

    anyio.run(main)


def test_servers_that_start_together_make_the_tables_once_and_write_side_by_side(server: PostgresServer) -> None:
    async def serve(name: str) -> None:
        store = await open_store(StoreSettings(url=server.url), {})
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(keep, store, make_record(f"{name}{number}"))
        await store.close()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for name in "abcd":
                group.start_soon(serve, name)
        store = await open_store(StoreSettings(url=server.url), {})
        records = [record async for record in store.each()]
        assert len(records) == 80
        assert {record.status for record in records} == {Status.ANSWERED}
        await store.close()

    anyio.run(main)


def test_a_server_that_is_not_there_is_one_clear_line_without_the_password() -> None:
    url = "postgresql://ann:hunter2@127.0.0.1:1/q"
    with pytest.raises(RecordError, match="does not take it") as caught:
        PostgresDatabase(url, SETTINGS, server="s")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("password", ["hunter2%zz", "hun ter2", "hunter2%"])
def test_a_password_that_breaks_its_address_is_not_quoted(password: str) -> None:
    with pytest.raises(RecordError, match="%-escapes") as caught:
        PostgresDatabase(f"postgresql://ann:{password}@127.0.0.1:1/q", SETTINGS, server="s")
    assert "ter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_newer_database_is_refused(server: PostgresServer) -> None:
    PostgresDatabase(server.url, SETTINGS, server="s").close()
    server.run("UPDATE abruzzi.version SET version = 99")
    with pytest.raises(RecordError, match=f"version 99.*up to {len(MIGRATIONS)}"):
        PostgresDatabase(server.url, SETTINGS, server="s2")


def test_a_search_has_an_index_where_the_extension_is_there(server: PostgresServer) -> None:
    PostgresDatabase(server.url, SETTINGS, server="s").close()
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'").fetchone()
        index = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'found'").fetchone()
    assert row is not None
    assert (index is not None) == bool(row[0])
