"""Keeps records as fast as it can, and says each id once its end is kept; run as a process of its own and killed."""

import itertools
import os
import sys

import anyio

from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.settings import StoreSettings
from tests.serving.store.making import keep, make_record

STREAMS = 20


async def main(url: str, name: str) -> None:
    store = await open_store(StoreSettings(url=url), {})

    async def ask(stream: int) -> None:
        for number in itertools.count():
            record = make_record(f"{name}-{stream}-{number}", question=f"{number} " * 50)
            await keep(store, record, answer=record.id)
            os.write(1, f"{record.id}\n".encode())

    async with anyio.create_task_group() as group:
        for stream in range(STREAMS):
            group.start_soon(ask, stream)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
