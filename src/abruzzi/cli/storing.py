"""Carries out ``abruzzi store``: opens the store that the options and settings name, and closes it."""

import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
from rich.console import Console
from rich.table import Table

from abruzzi.config import DEFAULT_FILE, SHARED_TABLES, build, read_toml
from abruzzi.errors import ConfigError, DataError
from abruzzi.serving.store.export import Form, export_store
from abruzzi.serving.store.open import URL_VARIABLE, open_store
from abruzzi.serving.store.retention import DAY_S, retain
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.store import Store

_SHOWN_CHARS = 60


def list_records(store: str | None, config: Path | None, *, search: str, owner: str | None, limit: int) -> int:
    """Print a table of records."""

    async def main() -> None:
        async with _opened(store, read_settings(config)) as opened:
            found = await opened.search(owner=owner, text=search, limit=limit)
        table = Table(box=None)
        for column in ("id", "asked (UTC)", "owner", "model", "status", "question"):
            table.add_column(column, no_wrap=column == "id")
        for summary in found:
            asked = time.strftime("%Y-%m-%d %H:%M", time.gmtime(summary.asked_at))
            question = " ".join(summary.question.split())[:_SHOWN_CHARS]
            table.add_row(summary.id, asked, summary.owner, summary.model, summary.status.value, question)
        Console(markup=False).print(table)

    anyio.run(main)
    return 0


def export_records(
    store: str | None, config: Path | None, out: Path, form: Form, *, owner: str | None, is_agreed_only: bool
) -> int:
    """Write records to a file and say how many."""

    async def main() -> None:
        async with _opened(store, read_settings(config)) as opened:
            done = await export_store(opened, out, form, owner=owner, is_agreed_only=is_agreed_only)
        print(f"{out}: {done.num_written} {form}, {done.num_left_out} records left out")

    anyio.run(main)
    return 0


def delete_records(store: str | None, config: Path | None, *, id_: str | None, owner: str | None) -> int:
    """Delete one record or an owner's, and say how many.

    Raises:
        DataError: there is no such record.
    """

    async def main() -> int:
        async with _opened(store, read_settings(config)) as opened:
            if owner is not None:
                return await opened.delete_owner(owner)
            return int(await opened.delete(str(id_), owner=None))

    count = anyio.run(main)
    if not count:
        raise DataError(
            f"the store has no record {id_!r}" if owner is None else f"the store has no record of {owner!r}"
        )
    print(f"deleted {count} records")
    return 0


def expire_records(store: str | None, config: Path | None, *, days: float | None, keep: int | None) -> int:
    """Delete what the options, or else the settings, say is too old or too many.

    Raises:
        ConfigError: neither says anything.
    """
    settings = read_settings(config)

    async def main() -> int:
        async with _opened(store, settings) as opened:
            if days is None and keep is None:
                return await retain(opened, settings, now=time.time())
            count = 0 if days is None else await opened.expire(time.time() - days * DAY_S)
            return count + (0 if keep is None else await opened.trim(keep))

    if days is None and keep is None and settings.max_age_days is None and settings.max_records is None:
        raise ConfigError("nothing says what is too old; pass --days or --keep, or set max_age_days in [serve.store]")
    print(f"deleted {anyio.run(main)} records")
    return 0


def read_settings(config: Path | None) -> StoreSettings:
    """Read ``[serve.store]`` of the settings file.

    Raises:
        ConfigError: anything in it is unknown or out of range.
    """
    table: object = read_toml(config, SHARED_TABLES).get("serve", {}).get("store", {})
    source = f"{config or DEFAULT_FILE}: [serve.store]"
    if not isinstance(table, dict):
        raise ConfigError(f"{source} is a table, and not {table!r}")
    return build(StoreSettings, cast("dict[str, Any]", table), source=source)


@asynccontextmanager
async def _opened(store: str | None, settings: StoreSettings) -> AsyncGenerator[Store]:
    environ = os.environ if store is None else os.environ | {URL_VARIABLE: store}
    opened = await open_store(settings, environ)
    try:
        yield opened
    finally:
        await opened.close()
