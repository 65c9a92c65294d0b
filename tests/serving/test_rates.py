"""Rates over a sliding window: never beyond, given back exactly, shared by replicas, alive without their storage."""

import math
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits.aio.storage import MemoryStorage, Storage
from limits.errors import StorageError

from abruzzi.errors import ConfigError
from abruzzi.serving.rates import ALONE_S, Full, Rate, Rates, Taken, find_room, open_storage
from tests.models.virtual_time import run_virtual

REQUESTS = Rate("requests", 10, 60)
TOKENS = Rate("tokens", 1000, 60)
START = 1_800_000_000.0
"""A multiple of 60: a window begins."""


@dataclass
class Clock:
    """Unix time that passes when told."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Faulty:
    """Counts the faults that were told."""

    count: int = 0

    def __call__(self) -> None:
        self.count += 1


async def take_all(rates: Rates, rate: Rate, cost: int = 1) -> tuple[int, float]:
    """Take until it is full; how often it went, and the wait at the end."""
    taken = 0
    while not isinstance(found := await rates.take(rate, "ann", cost), Full):
        taken += 1
    return taken, found.wait_s


def test_a_window_holds_its_amount_and_says_when_there_is_room() -> None:
    async def main() -> None:
        clock = Clock()
        rates = Rates(MemoryStorage(), now=clock)
        # All ten at 0 s: the next fits once a tenth of them has slid out of the last 60 s, at 66 s.
        assert await take_all(rates, REQUESTS) == (10, pytest.approx(66.0))
        clock.now = START + 65.9
        assert isinstance(await rates.take(REQUESTS, "ann", 1), Full)
        clock.now = START + 66.0
        assert await take_all(rates, REQUESTS) == (1, pytest.approx(6.0))
        clock.now = START + 180.0
        assert (await take_all(rates, REQUESTS))[0] == 10

    anyio.run(main)


def test_owners_rates_and_windows_do_not_mix() -> None:
    async def main() -> None:
        rates = Rates(MemoryStorage(), now=Clock())
        await take_all(rates, REQUESTS)
        assert isinstance(await rates.take(REQUESTS, "bob", 1), Taken)
        assert isinstance(await rates.take(TOKENS, "ann", 1), Taken)
        assert isinstance(await rates.take(Rate("tokens", 1000, 86_400), "ann", 1000), Taken)

    anyio.run(main)


def test_what_is_given_back_is_there_again_in_its_own_window() -> None:
    async def main() -> None:
        clock = Clock()
        rates = Rates(MemoryStorage(), now=clock)
        taken = await rates.take(TOKENS, "ann", 900)
        assert isinstance(taken, Taken)
        assert isinstance(await rates.take(TOKENS, "ann", 200), Full)
        await rates.give_back(taken, 700)
        assert isinstance(await rates.take(TOKENS, "ann", 800), Taken)
        # In the next window the old counter matters with its weight, and giving back reaches it there.
        clock.now = START + 90.0
        assert isinstance(await rates.take(TOKENS, "ann", 501), Full)
        await rates.give_back(taken, 200)
        assert isinstance(await rates.take(TOKENS, "ann", 600), Taken)

    anyio.run(main)


def test_what_was_used_beyond_the_estimate_counts_though_there_is_no_room() -> None:
    async def main() -> None:
        rates = Rates(MemoryStorage(), now=Clock())
        await rates.add(TOKENS, "ann", 3000)
        found = await rates.take(TOKENS, "ann", 500)
        # 3000 slide out over the next window; 500 are left of them after five sixths of it.
        assert isinstance(found, Full)
        assert found.wait_s == pytest.approx(60.0 + 50.0)

    anyio.run(main)


def test_more_than_the_whole_amount_never_fits() -> None:
    async def main() -> None:
        found = await Rates(MemoryStorage(), now=Clock()).take(TOKENS, "ann", 1001)
        assert found == Full(TOKENS, math.inf)

    anyio.run(main)


@given(
    used=st.integers(0, 3000),
    before=st.integers(0, 3000),
    share=st.floats(0, 0.999),
    cost=st.integers(1, 1000),
)
def test_there_is_room_when_it_was_said_and_not_before(used: int, before: int, share: float, cost: int) -> None:
    def fits(at: float) -> bool:
        """Whether the cost fits at this many windows from the beginning of ours, by the definition."""
        if at < 1:
            return used + cost + before * (1 - at) <= TOKENS.amount + 1e-6
        return cost + used * max(0.0, 2 - at) <= TOKENS.amount + 1e-6

    wait = find_room(TOKENS, used, before, share, cost) / TOKENS.window_s
    assert fits(share + wait)
    if wait > 0.01:
        assert not fits(share + wait - 0.01)


@settings(max_examples=40)
@given(costs=st.lists(st.tuples(st.integers(1, 400), st.floats(0, 40)), max_size=40))
def test_no_window_of_the_clock_sees_more_than_the_amount(costs: list[tuple[int, float]]) -> None:
    async def main() -> None:
        clock = Clock()
        rates = Rates(MemoryStorage(), now=clock)
        let_through: dict[int, int] = {}
        for cost, pause in costs:
            clock.now += pause
            if isinstance(await rates.take(TOKENS, "ann", cost), Taken):
                window = int(clock.now // 60)
                let_through[window] = let_through.get(window, 0) + cost
        assert all(total <= TOKENS.amount for total in let_through.values())

    anyio.run(main)


def test_replicas_count_together() -> None:
    async def main() -> None:
        storage, clock = MemoryStorage(), Clock()
        one, two = Rates(storage, now=clock), Rates(storage, now=clock)
        assert (await take_all(one, Rate("requests", 3, 60)))[0] == 3
        assert isinstance(await two.take(Rate("requests", 3, 60), "ann", 1), Full)

    anyio.run(main)


def test_those_who_ask_at_once_are_never_both_let_through() -> None:
    async def main() -> None:
        rates = Rates(MemoryStorage(), now=Clock())
        found: list[Taken | Full] = []

        async def ask() -> None:
            found.append(await rates.take(REQUESTS, "ann", 1))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)
        assert sum(isinstance(one, Taken) for one in found) <= 10
        assert isinstance(await rates.take(REQUESTS, "ann", 1), Full)

    anyio.run(main)


@dataclass
class Broken(MemoryStorage):
    """A storage that fails, or hangs, while it is told to."""

    STORAGE_SCHEME = None  # pyright: ignore[reportAssignmentType] -- not to be found by an address
    trouble: str = ""
    calls: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        super().__init__()

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        self.calls.append(key)
        if self.trouble == "fails":
            raise StorageError(ConnectionError("gone"))
        if self.trouble == "hangs":
            await anyio.sleep(3600)
        return await super().incr(key, expiry, amount)


@pytest.mark.parametrize("trouble", ["fails", "hangs"])
def test_without_its_storage_the_server_counts_alone_for_a_while(trouble: str) -> None:
    async def main() -> None:
        storage, clock, told = Broken(trouble=trouble), Clock(), Faulty()
        rates = Rates(storage, now=clock, on_fault=told)
        assert (await take_all(rates, REQUESTS))[0] == 10
        assert (told.count, len(storage.calls)) == (1, 1), "it is left alone once it has failed"
        assert anyio.current_time() < 2
        clock.now += ALONE_S
        storage.trouble = ""
        assert isinstance(await rates.take(REQUESTS, "ann", 1), Taken)
        assert (told.count, len(storage.calls)) == (1, 2)

    run_virtual(main)


def test_giving_back_to_a_storage_that_has_failed_loses_it_and_goes_on() -> None:
    async def main() -> None:
        storage, told = Broken(), Faulty()
        rates = Rates(storage, now=Clock(), on_fault=told)
        taken = await rates.take(TOKENS, "ann", 900)
        assert isinstance(taken, Taken)
        storage.trouble = "hangs"
        await rates.give_back(taken, 900)
        await rates.give_back(taken, 900)
        assert (told.count, anyio.current_time()) == (1, 1.0), "a storage that hangs is waited for once"

    run_virtual(main)


def test_storages_open_by_their_address() -> None:
    assert isinstance(open_storage("memory://", {}), MemoryStorage)
    assert isinstance(open_storage("nowhere://", {"ABRUZZI_LIMITS_STORAGE": "memory://"}), Storage)
    with pytest.raises(ConfigError, match="'nowhere://'") as caught:
        open_storage("memory://", {"ABRUZZI_LIMITS_STORAGE": "nowhere://:geheim@host"})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("address", ["redis://[geheim", "redis:geheim", "geheim", "redis://:geheim@host:port"])
def test_an_address_that_cannot_be_read_is_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError, match="no storage of rates") as caught:
        open_storage("memory://", {"ABRUZZI_LIMITS_STORAGE": address})
    assert "geheim" not in str(caught.value)
