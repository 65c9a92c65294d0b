"""Counts what each key uses in a minute and in a day, and says when there is room again.

A sliding window of two counters: time is cut into windows of the rate's length, and what was used in the window before
counts for the share of it that still lies within one length of now. It never lets more through than the rate times
(1 + the unevenness within one window), needs two numbers a key, and what was reserved and not used can be given back
exactly, which the strategies of the package ``limits`` cannot do with tokens; its storages are what counts here:
in memory, or in Redis for several replicas together. Method: the sliding window counter, as described by Cloudflare,
https://blog.cloudflare.com/counting-things-a-lot-of-different-things/.

A shared storage that fails does not stop the server: for a while it counts alone, in memory, and says so.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio
from limits.aio.storage import MemoryStorage, Storage
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from abruzzi.errors import ConfigError

VARIABLE = "ABRUZZI_LIMITS_STORAGE"
MINUTE_S, DAY_S = 60, 86_400
STORAGE_S = 1.0
"""How long the storage may take for one operation."""
MAX_AT_ONCE = 8
"""Operations on the storage side by side; a burst shares so many connections and does not open one each."""
ALONE_S = 10.0
"""How long the server counts alone after the storage failed, before it tries it again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So much of something in so many seconds."""

    what: str
    """``requests`` or ``tokens``; part of the counter's name."""
    amount: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken of a rate, and from which counter: as much can be given back."""

    rate: Rate
    cost: int
    counter: str
    storage: Storage


@dataclass(frozen=True, slots=True)
class Full:
    """Nothing was taken; there is room after ``wait_s`` seconds, if nobody else takes it. Infinite: never."""

    rate: Rate
    wait_s: float


class Rates:
    """The counters of all keys.

    Args:
        storage: where they are kept.
        now: Unix time, seconds; replicas agree on it.
        on_fault: told each time that the storage failed and is left alone for a while.
    """

    def __init__(
        self, storage: Storage, *, now: Callable[[], float] = time.time, on_fault: Callable[[], None] = lambda: None
    ) -> None:
        self._storage = storage
        self._spare = MemoryStorage()
        self._now = now
        self._on_fault = on_fault
        self._alone_until = -math.inf
        self._at_once = anyio.CapacityLimiter(MAX_AT_ONCE)

    async def take(self, rate: Rate, owner: str, cost: int) -> Taken | Full:
        """Take from a rate, or say when it can be.

        Two that ask at once can both be told to wait where one would have fitted; they are never both let through.
        """
        if cost > rate.amount:
            return Full(rate, math.inf)
        index, share = self._place(rate)
        storage, (used, before) = await self._count(
            _name(rate, owner, index), _name(rate, owner, index - 1), rate, cost
        )
        taken = Taken(rate, cost, _name(rate, owner, index), storage)
        if used + before * (1 - share) <= rate.amount:
            return taken
        await self.give_back(taken, cost)
        return Full(rate, find_room(rate, used - cost, before, share, cost))

    async def add(self, rate: Rate, owner: str, cost: int) -> None:
        """Count what was used already, whether there is room for it or not."""
        index, _ = self._place(rate)
        await self._count(_name(rate, owner, index), _name(rate, owner, index - 1), rate, cost)

    async def give_back(self, taken: Taken, amount: int) -> None:
        """Give back what was taken and not used; a storage that has failed since loses it."""
        if amount <= 0 or (taken.storage is self._storage and self._is_alone):
            return
        async with self._at_once:
            with anyio.move_on_after(STORAGE_S):
                try:
                    await taken.storage.incr(taken.counter, 2 * taken.rate.window_s, -amount)
                    return
                except StorageError:
                    pass
        self._fail()

    def _place(self, rate: Rate) -> tuple[int, float]:
        """Say in which window we are, and which share of it has passed."""
        index, into = divmod(self._now(), rate.window_s)
        return int(index), into / rate.window_s

    async def _count(self, counter: str, before: str, rate: Rate, cost: int) -> tuple[Storage, tuple[int, int]]:
        """Add to a counter and read it and the one before, in the storage or without it."""
        async with self._at_once:
            if not self._is_alone:
                with anyio.move_on_after(STORAGE_S):
                    try:
                        return self._storage, await _add_and_read(self._storage, counter, before, rate, cost)
                    except StorageError:
                        pass
                self._fail()
        return self._spare, await _add_and_read(self._spare, counter, before, rate, cost)

    @property
    def _is_alone(self) -> bool:
        return self._now() < self._alone_until

    def _fail(self) -> None:
        if self._is_alone:
            return  # several operations were on their way when the storage failed
        self._alone_until = self._now() + ALONE_S
        self._on_fault()


async def _add_and_read(storage: Storage, counter: str, before: str, rate: Rate, cost: int) -> tuple[int, int]:
    # A counter matters until the window after its own has passed.
    used = await storage.incr(counter, 2 * rate.window_s, cost)
    return used, max(0, await storage.get(before))


def find_room(rate: Rate, used: int, before: int, share: float, cost: int) -> float:
    """Say when a cost would fit if nothing else happened, in seconds.

    Args:
        rate: that is full.
        used: in this window.
        before: in the window before, which counts less and less.
        share: of this window that has passed, from 0 to 1.
        cost: that is to fit; no more than the rate's amount.
    """
    room = rate.amount - cost
    if room >= used:
        # Within this window, once enough of the one before has slid out.
        return max(0.0, (1 - (room - used) / before) - share) * rate.window_s if before else 0.0
    # In the next one, once enough of this one has.
    return (1 - share + max(0.0, 1 - room / used)) * rate.window_s


def open_storage(uri: str, environ: Mapping[str, str]) -> Storage:
    """Open the storage of rates.

    Args:
        uri: as in ``[serve.limits] storage``: ``memory://``, ``redis://host:6379``, …
        environ: ``ABRUZZI_LIMITS_STORAGE`` in it wins.

    Raises:
        ConfigError: there is no such storage, or the package for it is missing.
    """
    chosen = environ.get(VARIABLE) or uri
    scheme = chosen.partition(":")[0]
    options = {"implementation": "redispy"} if scheme.startswith("redis") else {}
    try:
        opened = storage_from_string(f"async+{chosen}", wrap_exceptions=True, **options)
    except (ConfigurationError, ValueError) as error:
        # Nothing of the address but its scheme is repeated: it may hold a password.
        named = f" for {scheme + '://'!r}" if "://" in chosen else ""
        missing = "the package limits has none of that name, or cannot read the address"
        if "prerequisite" in str(error):
            missing = str(error)
        raise ConfigError(
            f"no storage of rates{named}: {missing}; use memory://, or redis://host:6379 with the package redis"
        ) from None
    assert isinstance(opened, Storage), "a scheme that begins with async+ opens an asynchronous storage"
    return opened


def _name(rate: Rate, owner: str, index: int) -> str:
    return f"abruzzi/{rate.what}/{rate.window_s}/{index}/{owner}"
