"""One behaviour, whatever database is below."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abruzzi.errors import RecordError
from abruzzi.serving.question_record import Status
from abruzzi.serving.store.queued import QueuedStore
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.store import Store
from tests.serving.store.conftest import OpenDatabase
from tests.serving.store.making import ROWS, USAGE, keep, make_record

SETTINGS = StoreSettings()


def run(open_database: OpenDatabase, use: Callable[[Store], Awaitable[None]], server: str = "s1") -> None:
    async def main() -> None:
        store = QueuedStore(open_database(server, SETTINGS), SETTINGS)
        try:
            await use(store)
        finally:
            await store.close()

    anyio.run(main)


def test_a_record_comes_back_as_it_was_kept(open_database: OpenDatabase) -> None:
    record = make_record("q1", question="Größe?\nzwei")

    async def write(store: Store) -> None:
        await store.begin(record)
        assert await store.get("q1", owner=None) == record
        await store.append("q1", ROWS[:1])
        await store.append("q1", [])
        await store.append("q1", ROWS[1:])
        await store.end("q1", status=Status.ANSWERED, answer="42", usage=USAGE, seconds=1.5)

    async def read(store: Store) -> None:
        whole = replace(record, status=Status.ANSWERED, events=tuple(ROWS), answer="42", usage=USAGE, seconds=1.5)
        assert await store.get("q1", owner="ann") == whole
        assert await store.get("q1", owner="bob") is None
        assert await store.get("other", owner=None) is None
        assert [found async for found in store.each()] == [whole]

    run(open_database, write)
    run(open_database, read, "s2")


def test_text_that_no_database_holds_is_replaced_and_the_conversation_is_not(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        await keep(store, make_record("q\x00", owner="a\ud800", question="a\x00b \ud800"), answer="\x00")
        (found,) = await store.search(owner="a\ud800", text="b")
        assert (found.question, found.answer) == ("a\ufffdb ?", "\ufffd")
        whole = await store.get("q\x00", owner=None)
        assert whole is not None
        assert whole.messages == ({"role": "user", "content": "a\x00b \ud800"},)

    run(open_database, use)


def test_an_id_is_taken_once(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        await store.begin(make_record("q1"))
        with pytest.raises(RecordError, match="'q1' already"):
            await store.begin(make_record("q1", owner="bob"))
        assert await store.get("q1", owner="bob") is None

    run(open_database, use)


def test_the_first_end_stands(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        await keep(store, make_record("q1"), answer="first")
        await store.end("q1", status=Status.FAILED, answer="second", usage=None, seconds=None)
        found = await store.get("q1", owner=None)
        assert found is not None
        assert (found.status, found.answer) == (Status.ANSWERED, "first")

    run(open_database, use)


def test_a_list_goes_back_in_time_and_skips_none_asked_at_once(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        for number, asked_at in enumerate([1.0, 2.0, 2.0, 2.0, 3.0]):
            await store.begin(make_record(f"q{number}", asked_at=asked_at))
        await store.begin(make_record("bobs", owner="bob", asked_at=9.0))
        first = await store.search(owner="ann", limit=2)
        assert [summary.id for summary in first] == ["q4", "q3", "q2", "q1"]
        rest = await store.search(owner="ann", limit=2, before=first[-1].asked_at)
        assert [summary.id for summary in rest] == ["q0"]
        assert [summary.id for summary in await store.search(owner=None, limit=1)] == ["bobs"]

    run(open_database, use)


def test_a_search_finds_words_anywhere_in_question_and_answer(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        await keep(store, make_record("sum", question='What is 40 + 2, "really"?'), answer="It is 42: 100%_sure\\n.")
        await keep(store, make_record("euler", question="Wer war Euler? GRÖSSE 数学史"), answer="Ein Mathematiker")
        await keep(store, make_record("bobs", owner="bob", question="Euler again"), answer="yes")

        async def find(text: str, owner: str | None = "ann") -> set[str]:
            return {summary.id for summary in await store.search(owner=owner, text=text)}

        assert await find("euler") == {"euler"}
        assert await find("EULER", owner=None) == {"euler", "bobs"}
        assert await find("mathe wer") == {"euler"}
        assert await find("größe") == {"euler"}
        assert await find("gro\u0308ße") == {"euler"}
        assert await find("学史") == {"euler"}
        assert await find('"really"') == {"sum"}
        assert await find("100%_sure\\n") == {"sum"}
        assert await find("100%x") == set()
        assert await find("_") == {"sum"}
        assert await find("42 euler") == set()
        assert await find("NOT OR AND") == set()
        assert await find("  ") == {"sum", "euler"}

    run(open_database, use)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("aAbB %_\"'\\é*-", max_size=8), max_size=6), wanted=st.text("aAbB %_\"'\\é*-", max_size=5)
)
def test_a_search_does_what_a_plain_loop_would(open_database: OpenDatabase, texts: list[str], wanted: str) -> None:
    async def use(store: Store) -> None:
        await store.delete_owner("ann")
        for number, text in enumerate(texts):
            await store.begin(make_record(f"q{number}", question=text))
        found = {summary.id for summary in await store.search(owner="ann", text=wanted)}
        assert found == {
            f"q{number}"
            for number, text in enumerate(texts)
            if all(word in text.casefold() for word in wanted.casefold().split())
        }

    run(open_database, use)


def test_deleting_takes_what_belongs_to_the_owner_and_stays_done(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        for id_, owner in (("a1", "ann"), ("a2", "ann"), ("b1", "bob")):
            await keep(store, make_record(id_, owner=owner))
        await store.begin(make_record("a3"))
        assert not await store.delete("b1", owner="ann")
        assert await store.delete("a1", owner="ann")
        assert not await store.delete("a1", owner="ann")
        assert await store.delete_owner("ann") == 2
        await store.append("a3", ROWS)
        await store.end("a3", status=Status.ANSWERED, answer="late", usage=None, seconds=1.0)
        assert await store.search(owner="ann", text="late") == []
        assert [record.id async for record in store.each()] == ["b1"]
        assert await store.delete("b1", owner=None)

    run(open_database, use)


def test_retention_takes_the_oldest_and_leaves_what_runs(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        for number in range(6):
            await keep(store, make_record(f"q{number}", asked_at=float(number)))
        await store.begin(make_record("running", asked_at=-1.0))
        assert await store.expire(2.0) == 2
        assert await store.trim(3) == 1
        assert await store.trim(3) == 0
        assert [record.id async for record in store.each(owner="ann")] == ["running", "q3", "q4", "q5"]
        assert await store.expire(1e12) == 3

    run(open_database, use)


def test_retention_and_reading_go_on_beyond_one_step(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        async with anyio.create_task_group() as group:
            for number in range(1100):
                group.start_soon(keep, store, make_record(f"q{number:04}", asked_at=float(number // 3)))
        assert [record.id async for record in store.each()] == [f"q{number:04}" for number in range(1100)]
        assert await store.trim(50) == 1050
        assert await store.expire(1e12) == 50

    run(open_database, use)


def test_what_a_dead_server_left_running_is_lost_and_a_living_ones_is_not(open_database: OpenDatabase) -> None:
    quick = StoreSettings(heartbeat_s=0.1, lease_s=0.6)

    async def status(store: Store, id_: str) -> Status:
        record = await store.get(id_, owner=None)
        assert record is not None
        return record.status

    async def main() -> None:
        living = QueuedStore(open_database("living", quick), quick)
        await living.begin(make_record("a"))
        dead = open_database("dead", quick)  # nobody beats for it
        await living.begin(make_record("b"))
        assert await status(living, "a") is Status.RUNNING
        dead.close()
        silent = StoreSettings(heartbeat_s=1000, lease_s=2000)
        killed = QueuedStore(open_database("killed", silent), silent)
        await killed.begin(make_record("k"))
        await killed.append("k", ROWS)
        await anyio.sleep(1.0)
        late = QueuedStore(open_database("late", quick), quick)
        assert [await status(late, id_) for id_ in ("a", "b", "k")] == [Status.RUNNING, Status.RUNNING, Status.LOST]
        found = await late.get("k", owner=None)
        assert found is not None
        assert found.events == tuple(ROWS)
        await killed.end("k", status=Status.ANSWERED, answer="after all", usage=None, seconds=9.0)
        assert await status(late, "k") is Status.ANSWERED
        await living.close()
        assert [await status(late, id_) for id_ in ("a", "b")] == [Status.LOST, Status.LOST]
        await late.close()
        await killed.close()

    anyio.run(main)


def test_a_cancelled_waiter_does_not_undo_its_write(open_database: OpenDatabase) -> None:
    async def use(store: Store) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.begin(make_record("q1"))
        assert scope.cancelled_caught
        await store.append("q1", ROWS)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.end("q1", status=Status.CANCELLED, answer="", usage=None, seconds=0.1)
        await store.append("q1", [])
        deadline = time.monotonic() + 10
        while (found := await store.get("q1", owner=None)) is None or found.status is Status.RUNNING:
            assert time.monotonic() < deadline
            await anyio.sleep(0.01)
        assert found.status is Status.CANCELLED
        assert found.events == tuple(ROWS)

    run(open_database, use)


def test_a_closed_store_takes_nothing_more(open_database: OpenDatabase) -> None:
    async def main() -> None:
        store = QueuedStore(open_database("s1", SETTINGS), SETTINGS)
        await store.close()
        await store.close()
        with pytest.raises(RecordError, match="closed"):
            await store.begin(make_record("q1"))

    anyio.run(main)
