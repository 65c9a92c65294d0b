"""The databases that the store's tests run against."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from abruzzi.serving.store.postgres import PostgresDatabase
from abruzzi.serving.store.queued import Database
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.sqlite import SqliteDatabase
from tests.serving.store.servers import PostgresServer, serve_postgres

OpenDatabase = Callable[[str, StoreSettings], Database]
"""Opens the test's database under a server's name; many may be open at once."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with serve_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "sqlite without FTS5", "postgresql"])
def open_database(request: pytest.FixtureRequest, tmp_path: Path) -> OpenDatabase:
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        server.run("DROP SCHEMA IF EXISTS abruzzi CASCADE")
        return lambda name, settings: PostgresDatabase(server.url, settings, server=name)
    has_index = None if request.param == "sqlite" else False
    return lambda name, settings: SqliteDatabase(tmp_path / "q.db", settings, server=name, has_index=has_index)
