"""Opens the store that the settings name."""

import re
import secrets
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import anyio.to_thread

from abruzzi.config import missing_package
from abruzzi.errors import ConfigError
from abruzzi.serving.store.queued import Database, QueuedStore
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.sqlite import SqliteDatabase
from abruzzi.serving.store.store import Store

DEFAULT_FILE = "questions.db"
URL_VARIABLE = "ABRUZZI_STORE"
_PASSWORD = re.compile(r"://[^@]*:.*@|password\s*=", re.IGNORECASE)
"""In an address, or in libpq's other form: ``host=db password=…``. A password may hold a slash."""
_POSTGRES = ("postgresql://", "postgres://")


def locate_store(settings: StoreSettings, environ: Mapping[str, str]) -> str:
    """Say where records are kept: ``$ABRUZZI_STORE``, the setting, or ``questions.db`` in the user's data folder.

    Raises:
        ConfigError: the setting holds a password.
    """
    if environ.get(URL_VARIABLE):
        return environ[URL_VARIABLE]
    if settings.url is not None:
        # A validator of the settings would show the value, password included.
        if _PASSWORD.search(settings.url):
            raise ConfigError(f"[serve.store] url holds a password; set the whole address as {URL_VARIABLE} instead")
        return settings.url
    home = environ.get("ABRUZZI_HOME")
    if home:
        return str(Path(home) / DEFAULT_FILE)
    from platformdirs import user_data_path

    return str(user_data_path("abruzzi") / DEFAULT_FILE)


async def open_store(settings: StoreSettings, environ: Mapping[str, str]) -> Store:
    """Open the store, made or brought up to date where needed; close it with ``Store.close``.

    Args:
        settings: the ``[serve.store]`` table.
        environ: the process's environment.

    Raises:
        RecordError: it cannot be opened, or was written by a newer version.
        ConfigError: PostgreSQL is named and ``psycopg`` is not installed.
    """
    target = locate_store(settings, environ)
    database = await anyio.to_thread.run_sync(_open_database, target, settings)
    return QueuedStore(database, settings)


def _open_database(target: str, settings: StoreSettings) -> Database:
    server = secrets.token_hex(8)
    if target.startswith(_POSTGRES):
        if find_spec("psycopg") is None:
            raise missing_package("a store in PostgreSQL", "psycopg", extra="postgres")
        from abruzzi.serving.store.postgres import PostgresDatabase

        return PostgresDatabase(target, settings, server=server)
    if "://" in target:
        raise ConfigError(
            f"the store {target.partition('://')[0]}://… is of no known kind; name postgresql://… or an SQLite file"
        )
    if target.startswith(("postgresql:", "postgres:")) or _PASSWORD.search(target):
        raise ConfigError("the store's address cannot be read; write it as postgresql://user:password@host:5432/name")
    return SqliteDatabase(Path(target).expanduser(), settings, server=server)
