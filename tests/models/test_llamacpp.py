"""Calls to llama.cpp are billed to the token against its counters, the cancelled ones included."""

from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from abruzzi.models.llamacpp import Counters, SlotBook, SlotMeter, read_metrics
from abruzzi.models.usage import StreamEnd
from abruzzi.models.wire import read_chunk
from abruzzi.nouns import Usage
from tests.models.virtual_time import run_virtual

METRICS = """# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 120
llamacpp:prompt_tokens_cached_total 30
llamacpp:tokens_predicted_total 77
llamacpp:requests_processing 2
llamacpp:requests_deferred 1
llamacpp:odd one two
"""


def test_the_metrics_page_is_read() -> None:
    assert read_metrics(METRICS, "p1") == Counters(150, 77, num_busy=2, num_queued=1, process="p1")
    rounded = read_metrics(METRICS.replace(" 77", " 1.00235e+06"), "p1")
    assert rounded is not None
    assert not rounded.is_exact
    assert read_metrics("<html>", "p1") is None
    assert read_metrics("llamacpp:prompt_tokens_total 3", "p1") is None


@dataclass(slots=True)
class FakeServer:
    """Counts as llama.cpp does: completion tokens when a slot is freed, prompt tokens as they are computed."""

    counters: Counters | None = field(default_factory=lambda: Counters(1000, 500, 0, 0, "p1"))
    reads: int = 0

    async def read(self) -> Counters | None:
        self.reads += 1
        await anyio.sleep(0.001)
        return self.counters

    def change(self, **by: int) -> None:
        assert self.counters is not None
        self.counters = replace(self.counters, **{k: getattr(self.counters, k) + v for k, v in by.items()})


def progress(processed: int, total: int = 40, cache: int = 10) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}],
        "prompt_progress": {"total": total, "cache": cache, "processed": processed},
    }


def token(index: int, predicted: int) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": "x"}}], "timings": {"predicted_n": predicted}}


def end(index: int) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}


def summary(completion: int, **timings: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 40, "completion_tokens": completion, "prompt_tokens_details": {"cached_tokens": 10}}
    return {"choices": [], "usage": usage, "timings": {"predicted_n": completion, **timings}}


def note(meter: SlotMeter, *chunks: dict[str, Any]) -> None:
    for chunk in chunks:
        meter.note(read_chunk(chunk))


def test_a_finished_call_is_billed_by_its_summaries() -> None:
    server = FakeServer()

    async def main() -> tuple[Usage, bool]:
        meter = await SlotBook(server.read).open(2)
        note(meter, progress(40), token(0, 1), token(1, 1), token(0, 2), end(0))
        assert meter.note(read_chunk(summary(3, draft_n=4, draft_n_accepted=2))) == 3
        note(meter, token(1, 2), end(1), summary(2, draft_n=1, draft_n_accepted=0))
        return await meter.settle(StreamEnd.WHOLE)

    assert run_virtual(main) == (Usage(40, 10, 5, 0, draft_tokens=5, accepted_tokens=2), True)
    assert server.reads == 1, "the baseline"


def test_a_cut_call_waits_for_its_slots_and_takes_what_is_left_over() -> None:
    server = FakeServer()

    async def main() -> tuple[Usage, bool]:
        book = SlotBook(server.read)
        whole, cut = await book.open(1), await book.open(2)
        server.change(prompt_tokens=80, num_busy=3)
        note(whole, progress(40), token(0, 1))
        note(cut, progress(40), token(0, 3), token(1, 2), end(1), summary(2))
        server.change(completion_tokens=2, num_busy=-1)

        async def free() -> None:
            await anyio.sleep(0.05)
            server.change(completion_tokens=5, num_busy=-1)

        bill = Usage(), False
        async with anyio.create_task_group() as group:
            group.start_soon(free)
            bill = await cut.settle(StreamEnd.BROKEN)
        assert anyio.current_time() >= 0.05
        note(whole, end(0), summary(4))
        server.change(completion_tokens=4, num_busy=-1)
        assert await whole.settle(StreamEnd.WHOLE) == (Usage(40, 10, 4), True)
        return bill

    assert run_virtual(main) == (Usage(40, 10, 2 + 5), True)


def test_a_call_cut_while_its_prompt_is_computed() -> None:
    server = FakeServer()

    async def main() -> tuple[Usage, bool]:
        meter = await SlotBook(server.read).open(1)
        note(meter, {**progress(20), **token(0, 0)}, progress(0, total=0, cache=0))
        server.change(prompt_tokens=30)
        return await meter.settle(StreamEnd.BROKEN)

    assert run_virtual(main) == (Usage(30, 10, 0), True)


def test_a_call_cut_in_the_queue_costs_nothing() -> None:
    server = FakeServer()

    async def main() -> tuple[Usage, bool]:
        meter = await SlotBook(server.read).open(3)
        return await meter.settle(StreamEnd.BROKEN)

    assert run_virtual(main) == (Usage(), True)


def test_a_call_that_a_busy_machine_takes_up_after_it_was_cut_is_billed() -> None:
    @dataclass(slots=True)
    class LateServer(FakeServer):
        async def read(self) -> Counters | None:
            counters = await FakeServer.read(self)
            if self.reads == 4:  # the first is the meter's opening
                self.change(num_busy=1)
            if self.reads == 5:
                self.change(num_busy=-1, prompt_tokens=128)
            return counters

    server = LateServer()

    async def main() -> tuple[Usage, bool]:
        meter = await SlotBook(server.read).open(1)
        return await meter.settle(StreamEnd.BROKEN)

    assert run_virtual(main) == (Usage(prompt_tokens=128), True)


def test_calls_that_are_cut_together_are_settled_together() -> None:
    server = FakeServer()

    async def main() -> list[tuple[Usage, bool]]:
        book = SlotBook(server.read)
        meters = [await book.open(1) for _ in range(3)]
        for told, meter in enumerate(meters, start=1):
            note(meter, progress(40), token(0, told))
        server.change(prompt_tokens=120, completion_tokens=1 + 2 + 3 + 5)
        bills: list[tuple[Usage, bool]] = []

        async def settle(meter: SlotMeter) -> None:
            bills.append(await meter.settle(StreamEnd.BROKEN))

        async with anyio.create_task_group() as group:
            for meter in meters:
                group.start_soon(settle, meter)
        return bills

    bills = run_virtual(main)
    assert sum(usage.completion_tokens for usage, _ in bills) == 11
    assert [usage.prompt_tokens for usage, _ in bills] == [40] * 3
    assert all(is_exact for _, is_exact in bills)


def test_two_calls_that_look_alike_are_two() -> None:
    server = FakeServer()

    async def main() -> None:
        book = SlotBook(server.read)
        first, second = await book.open(1), await book.open(1)
        assert await second.settle(StreamEnd.REFUSED) == (Usage(), True)
        assert book.running == [first]
        assert await first.settle(StreamEnd.REFUSED) == (Usage(), True)

    run_virtual(main)


def test_a_refused_call_costs_nothing_and_asks_nothing() -> None:
    server = FakeServer()

    async def main() -> tuple[Usage, bool]:
        meter = await SlotBook(server.read).open(1)
        return await meter.settle(StreamEnd.REFUSED)

    assert run_virtual(main) == (Usage(), True)
    assert server.reads == 1


def cut_one(server: FakeServer, changes: dict[str, int], **replaced: Any) -> tuple[Usage, bool]:
    """Cut a call after 3 tokens, with the counters changed as given."""

    async def main() -> tuple[Usage, bool]:
        meter = await SlotBook(server.read).open(1)
        note(meter, progress(40), token(0, 3))
        if server.counters is not None:
            server.change(**changes)
            server.counters = replace(server.counters, **replaced)
        return await meter.settle(StreamEnd.BROKEN)

    return run_virtual(main)


FREED = {"prompt_tokens": 40, "completion_tokens": 4}


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        ({"prompt_tokens": 40, "completion_tokens": 90}, {}),
        ({"prompt_tokens": 99, "completion_tokens": 4}, {}),
        ({"prompt_tokens": 40, "completion_tokens": 2}, {}),
        (FREED, {"process": "p2"}),
        (FREED, {"completion_tokens": 1_000_000}),
        (FREED, {"num_busy": 1}),
    ],
    ids=["foreign tokens", "foreign prompt", "too few", "restarted", "rounded", "never freed"],
)
def test_counters_that_do_not_add_up_give_a_lower_bound(changes: dict[str, int], replaced: dict[str, Any]) -> None:
    assert cut_one(FakeServer(), changes, **replaced) == (Usage(40, 10, 3), False)


def test_the_same_call_with_counters_that_add_up() -> None:
    assert cut_one(FakeServer(), FREED) == (Usage(40, 10, 4), True)


def test_a_server_without_counters_is_billed_by_its_chunks() -> None:
    assert cut_one(FakeServer(counters=None), {}) == (Usage(40, 10, 3), False)


def test_a_server_that_is_busy_for_others_is_not_a_baseline() -> None:
    assert cut_one(FakeServer(Counters(0, 0, 1, 0, "p1")), FREED, num_busy=0) == (Usage(40, 10, 3), False)


def test_after_a_muddle_the_next_quiet_moment_is_the_new_baseline() -> None:
    server = FakeServer()

    async def main() -> list[tuple[Usage, bool]]:
        book, bills = SlotBook(server.read), list[tuple[Usage, bool]]()
        for foreign in (1000, 0):
            meter = await book.open(1)
            note(meter, progress(40), token(0, 3))
            server.change(prompt_tokens=40, completion_tokens=5 + foreign)
            bills.append(await meter.settle(StreamEnd.BROKEN))
        return bills

    assert run_virtual(main) == [(Usage(40, 10, 3), False), (Usage(40, 10, 5), True)]


def test_after_a_muddle_a_settled_moment_among_running_calls_will_do_too() -> None:
    server = FakeServer()

    async def main() -> list[tuple[Usage, bool]]:
        book, bills = SlotBook(server.read), list[tuple[Usage, bool]]()
        other = await book.open(2)
        server.change(prompt_tokens=40, num_busy=2)
        note(other, progress(40), token(0, 1), end(0), summary(2))
        server.change(completion_tokens=2, num_busy=-1)
        for foreign in (1000, 0):
            meter = await book.open(1)
            note(meter, progress(40), token(0, 3))
            server.change(prompt_tokens=40, completion_tokens=5 + foreign)
            bills.append(await meter.settle(StreamEnd.BROKEN))
        note(other, token(1, 6), end(1), summary(7))
        server.change(completion_tokens=7, num_busy=-1)
        bills.append(await other.settle(StreamEnd.WHOLE))
        return bills

    assert run_virtual(main) == [(Usage(40, 10, 3), False), (Usage(40, 10, 5), True), (Usage(40, 10, 9), True)]


def test_a_call_cut_in_its_prompt_waits_for_the_prompts_of_others() -> None:
    server = FakeServer()

    async def main() -> tuple[Usage, bool]:
        book = SlotBook(server.read)
        other, cut, queued = await book.open(1), await book.open(1), await book.open(3)
        note(other, progress(20))
        note(cut, progress(20))
        server.change(prompt_tokens=40, num_busy=1, num_queued=1)

        async def go_on() -> None:
            await anyio.sleep(0.2)
            server.change(prompt_tokens=20 + 10)
            note(other, progress(40))

        bill = Usage(), False
        async with anyio.create_task_group() as group:
            group.start_soon(go_on)
            bill = await cut.settle(StreamEnd.BROKEN)
        assert anyio.current_time() >= 0.2
        assert not queued.has_begun
        return bill

    assert run_virtual(main) == (Usage(30, 10, 0), True)
