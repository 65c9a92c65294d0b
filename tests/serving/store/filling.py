"""Fills the small disk that it is given under a store, and makes room again; run as a process of its own."""

import sys
from pathlib import Path

import anyio

from abruzzi.errors import RecordError
from abruzzi.serving.question_record import Status
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.settings import StoreSettings
from tests.serving.store.making import keep, make_record


async def main(folder: Path) -> None:
    store = await open_store(StoreSettings(url=str(folder / "q.db"), lock_wait_s=0.2), {})
    await keep(store, make_record("early"))
    await store.begin(make_record("full"))
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    try:
        await store.append("full", [{"event": "x" * 60_000}])
    except RecordError as error:
        sys.stdout.write(f"{error}\n")
    early = await store.get("early", owner=None)
    assert early is not None
    sys.stdout.write(f"{early.status} {early.answer}\n")
    (folder / "ballast").unlink()
    await store.end("full", status=Status.ANSWERED, answer="room again", usage=None, seconds=1.0)
    full = await store.get("full", owner=None)
    assert full is not None
    sys.stdout.write(f"{full.status} {full.answer} {len(full.events[0]['event'])}\n")
    await store.close()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
