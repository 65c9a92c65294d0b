import anyio
import anyio.lowlevel
import pytest

from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.retention import DAY_S, EVERY_S, keep_retaining, retain
from abruzzi.serving.store.settings import StoreSettings
from tests.serving.store.making import keep, make_record
from tests.serving.store.test_sqlite import IMPATIENT, lock


def test_age_and_number_are_held(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def main() -> None:
        store = await open_store(StoreSettings(url=str(tmp_path_factory.mktemp("store") / "q.db")), {})
        for day in range(6):
            await keep(store, make_record(f"day{day}", asked_at=day * DAY_S))
        now = 5.5 * DAY_S
        assert await retain(store, StoreSettings(), now=now) == 0
        assert await retain(store, StoreSettings(max_age_days=4), now=now) == 2
        assert await retain(store, StoreSettings(max_age_days=4, max_records=3), now=now) == 1
        assert [record.id async for record in store.each()] == ["day3", "day4", "day5"]
        await store.close()

    anyio.run(main)


def test_it_goes_on_in_the_background_whatever_fails(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("store") / "q.db"
    settings = IMPATIENT.model_copy(update={"url": str(path), "max_records": 1})
    told: list[str] = []
    slept: list[float] = []

    async def main() -> None:
        store = await open_store(settings, {})
        locked = lock(path)

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            match len(slept):
                case 1:
                    for number in range(3):
                        await keep(store, make_record(f"q{number}"))
                    locked.__enter__()
                case 2:
                    locked.__exit__(None, None, None)
                case 3:
                    scope.cancel()
                case _:
                    raise AssertionError
            await anyio.lowlevel.checkpoint()

        with anyio.CancelScope() as scope:
            await keep_retaining(store, settings, clock=lambda: 0.0, sleep=sleep, tell=told.append)
        await store.close()

    anyio.run(main)
    assert slept == [EVERY_S] * 3
    assert [text.partition(":")[0] for text in told] == ["retention failed", "retention deleted 2 records"]
