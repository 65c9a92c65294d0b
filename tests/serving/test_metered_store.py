"""Every operation of the store is counted, and passed on as it is."""

import inspect
from pathlib import Path

import anyio
import pytest

from abruzzi.errors import RecordError
from abruzzi.serving.metered_store import MeteredStore
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.question_record import QuestionRecord, Status
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.store import DeferredError, Store
from tests.serving.test_metrics import read

RECORD = QuestionRecord("chatcmpl-1", "ann", 1.0, "abruzzi", "What is 17 + 25?", (), {})


def counted(metrics: Metrics) -> dict[str, float]:
    """Operation and outcome → how often."""
    prefix = "abruzzi_store_seconds_count"
    return {name.removeprefix(prefix): count for name, count in read(metrics).items() if name.startswith(prefix)}


def label(operation: str, outcome: str = "ok") -> str:
    return f'{{operation="{operation}",outcome="{outcome}"}}'


def test_a_real_store_does_the_same_behind_the_meter(tmp_path: Path) -> None:
    metrics = Metrics(version="1", models=[])

    async def main() -> None:
        inner = await open_store(StoreSettings(url=str(tmp_path / "q.db")), {})
        store: Store = MeteredStore(inner, metrics)
        await store.begin(RECORD)
        with pytest.raises(RecordError):
            await store.begin(RECORD)
        await store.append(RECORD.id, [{"event": "warned", "at_s": 0.5, "message": "x"}])
        await store.end(RECORD.id, status=Status.ANSWERED, answer="42", usage={"total_tokens": 3}, seconds=2.0)
        kept = await store.get(RECORD.id, owner="ann")
        assert kept is not None
        assert (kept.status, kept.answer, len(kept.events)) == (Status.ANSWERED, "42", 1)
        assert [summary.id for summary in await store.search(owner="ann", text="17")] == [RECORD.id]
        assert [record.id async for record in store.each()] == [RECORD.id]
        assert await store.trim(5) == 0
        assert await store.expire(0.5) == 0
        assert await store.delete(RECORD.id, owner="ann")
        assert await store.delete_owner("ann") == 0
        await store.close()

    anyio.run(main)
    operations = ("begin", "append", "end", "get", "search", "trim", "expire", "delete", "delete_owner", "close")
    assert counted(metrics) == {label(operation): 1 for operation in operations} | {label("begin", "failed"): 1}


class Troubled(MeteredStore):
    """A store whose records cannot be had."""

    def __init__(self, trouble: RecordError | None) -> None:
        self._trouble = trouble

    async def get(self, id: str, *, owner: str | None) -> QuestionRecord | None:  # noqa: A002
        del id, owner
        if self._trouble is not None:
            raise self._trouble
        await anyio.sleep(3600)
        return None


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [(DeferredError("locked"), "deferred"), (RecordError("broken"), "failed"), (None, "cancelled")],
)
def test_trouble_is_counted_and_passed_on(trouble: RecordError | None, outcome: str) -> None:
    metrics = Metrics(version="1", models=[])

    async def main() -> None:
        store = MeteredStore(Troubled(trouble), metrics)
        if trouble is None:
            with anyio.move_on_after(0.001):
                await store.get("1", owner=None)
            return
        with pytest.raises(type(trouble)) as caught:
            await store.get("1", owner=None)
        assert caught.value is trouble

    anyio.run(main)
    assert counted(metrics) == {label("get", outcome): 1}


def test_no_method_of_the_store_is_missing() -> None:
    def methods(of: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(of, inspect.isfunction) if not name.startswith("_")}

    assert methods(MeteredStore) == methods(Store)
