"""Lets questions in: rates and token budgets of each key, a bounded number that runs, a bounded queue that is fair.

A question passes three gates, the cheap ones first:

1. Rates: requests a minute, tokens a minute, tokens a day of its key. Tokens are reserved by estimate and corrected by
   what the question really spent. Beyond a rate: 429 at once, with the seconds after which there is room.
2. The queue, a line for each key. When a place is free, the key with the fewest running questions has its turn, and of
   equals the one that has waited longest since its last turn; within a key first come, first served. A flood of one key
   so makes its own line longer and nobody else's: max-min fairness over the places, in the manner of fair queueing
   (Demers, Keshav, Shenker 1989). A full queue drops the newest of the longest line, which is the flood's (longest
   queue drop; Suter, Lakshman, Stiliadis, Choudhury 1998), with 429.
3. A place: at most so many of all keys, and of one key, run at once.

Places are of one server; rates are shared by replicas where their storage is. What runs is interrupted only where a
drain comes to its end: a key's ``concurrent`` limit is what keeps it from holding every place with questions that take
hours.

A caller that is cancelled while it waits leaves the queue and costs nothing.
"""

import math
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

import anyio

from abruzzi.serving.keys import Key
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.rates import DAY_S, MINUTE_S, Full, Rate, Rates, Taken
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.settings import KeyLimits, LimitSettings

FIRST_GUESS_S = 5.0
"""How long a question takes, before one has ended."""
MEMORY = 0.9
"""What an older mean weighs beside a new duration."""
MAX_RETRY_S = 60.0
DRAIN_RETRY_S = 5.0
"""After so long another replica, or this one restarted, should answer."""


class Ticket:
    """One question that is being answered."""

    def __init__(self) -> None:
        self.waited_s = 0.0
        """Seconds in the queue."""
        self.spent = 0
        """Tokens, so far."""

    def spend(self, tokens: int) -> None:
        """Count tokens of an upstream call against the key's budgets."""
        self.spent += tokens


class _State(Enum):
    WAITING = auto()
    RUNNING = auto()
    DROPPED = auto()


@dataclass(slots=True, eq=False)
class _Waiter:
    key: Key
    state: _State = _State.WAITING
    refusal: Refusal | None = None
    turn: anyio.Event = field(default_factory=anyio.Event)


class Admission:
    """Who runs, who waits, who is refused.

    Args:
        limits: of the server.
        rates: of the keys.
        metrics: told of the queue.
    """

    def __init__(self, limits: LimitSettings, rates: Rates, metrics: Metrics) -> None:
        self._limits = limits
        self._rates = rates
        self._metrics = metrics
        self._lines: dict[str, deque[_Waiter]] = {}
        """Who waits, by key."""
        self._running_of: Counter[str] = Counter()
        self._turns: dict[str, int] = {}
        """When each key had its last turn, counted in turns."""
        self._num_turns = 0
        self._scopes: set[anyio.CancelScope] = set()
        """Of the questions that wait or run; what waits is not in its scope yet."""
        self._mean_s = FIRST_GUESS_S
        self._is_draining = False
        self._is_idle = anyio.Event()

    @property
    def running(self) -> int:
        """Questions that run."""
        return self._running_of.total()

    @property
    def waiting(self) -> int:
        """Questions in the queue."""
        return sum(len(line) for line in self._lines.values())

    @property
    def is_draining(self) -> bool:
        """True once ``drain`` was called: the server takes nothing new."""
        return self._is_draining

    @asynccontextmanager
    async def enter(self, key: Key, *, tokens: int) -> AsyncGenerator[Ticket]:
        """Wait for a place, and hold it for the length of the block.

        Args:
            key: whose question it is.
            tokens: prompt and completion tokens that the question may come to; reserved until the block ends, then
                corrected by ``Ticket.spend``.

        Raises:
            Refusal: 429 beyond a rate, with a full queue or after too long a wait; 400 for more tokens than the key may
                ever use at once; 503 while the server drains, and where it ends the question by force.
        """
        self._check_open()
        ticket, scope = Ticket(), anyio.CancelScope()
        entered = anyio.current_time()
        taken = await self._take(key, tokens)
        is_running = False
        self._scopes.add(scope)
        try:
            await self._wait_turn(key)
            is_running = True
            ticket.waited_s = anyio.current_time() - entered
            self._metrics.waited(ticket.waited_s)
            with scope:
                yield ticket
            if scope.cancelled_caught:
                raise _cut_short()
        finally:
            self._scopes.discard(scope)
            if is_running:
                held_s = anyio.current_time() - entered - ticket.waited_s
                self._mean_s = MEMORY * self._mean_s + (1 - MEMORY) * held_s
                self._leave(key)
            with anyio.CancelScope(shield=True):
                await self._settle(key, taken, ticket.spent if is_running else None)

    async def drain(self, within_s: float) -> int:
        """Take nothing new, send the queue away, wait for what runs, and cancel what still runs then.

        Args:
            within_s: how long to wait.

        Returns:
            Questions that were cancelled; they end in a moment, and their clients are told by a 503.
        """
        self._is_draining = True
        for line in self._lines.values():
            for waiter in line:
                self._drop(waiter, _draining())
        self._lines.clear()
        self._note_queue()
        with anyio.move_on_after(within_s):
            while self.running:
                self._is_idle = anyio.Event()
                await self._is_idle.wait()
        num_left = self.running
        for scope in tuple(self._scopes):
            scope.cancel()
        return num_left

    def _check_open(self) -> None:
        if self._is_draining:
            raise _draining()

    async def _take(self, key: Key, tokens: int) -> list[Taken]:
        """Take from each of the key's rates, or from none."""
        taken: list[Taken] = []
        is_whole = False
        try:
            for rate in _list_rates(key.limits):
                cost = 1 if rate.what == "requests" else tokens
                # Not to be cancelled halfway, or what was taken could not be given back; it takes moments.
                with anyio.CancelScope(shield=True):
                    match await self._rates.take(rate, key.name, cost):
                        case Taken() as part:
                            taken.append(part)
                        case Full() as full:
                            raise _beyond(full, cost)
            is_whole = True
            return taken
        finally:
            if not is_whole:
                with anyio.CancelScope(shield=True):
                    await self._settle(key, taken, None)

    async def _settle(self, key: Key, taken: list[Taken], spent: int | None) -> None:
        """Correct the estimates; None spent means that the question never ran, so not even its request counts."""
        for part in taken:
            if spent is None:
                await self._rates.give_back(part, part.cost)
            elif part.rate.what == "tokens":
                await self._rates.give_back(part, part.cost - spent)
                if spent > part.cost:
                    await self._rates.add(part.rate, key.name, spent - part.cost)

    async def _wait_turn(self, key: Key) -> None:
        """Stand in line until there is a place.

        Raises:
            Refusal: the queue is full, the wait too long, or the server drains.
        """
        self._check_open()  # counting rates may have taken a while
        waiter = _Waiter(key)
        self._lines.setdefault(key.name, deque()).append(waiter)
        self._admit()
        if self.waiting > self._limits.waiting:
            self._drop_newest_of_longest(key)
        self._note_queue()
        try:
            with anyio.move_on_after(self._limits.wait_s):
                await waiter.turn.wait()
        except anyio.get_cancelled_exc_class():
            if waiter.state is _State.RUNNING:
                self._leave(key)
            else:
                self._withdraw(waiter)
            raise
        if waiter.state is _State.WAITING:
            self._withdraw(waiter)
            raise self._overloaded(f"no place came free within {self._limits.wait_s:g} s")
        if waiter.refusal is not None:
            raise waiter.refusal

    def _admit(self) -> None:
        """Give the free places away."""
        while self.running < self._limits.running:
            names = [name for name, line in self._lines.items() if self._has_room(line[0].key)]
            if not names:
                return
            name = min(names, key=lambda name: (self._running_of[name], self._turns.get(name, 0)))
            waiter = self._lines[name].popleft()
            if not self._lines[name]:
                del self._lines[name]
            waiter.state = _State.RUNNING
            self._running_of[name] += 1
            self._num_turns += 1
            self._turns[name] = self._num_turns
            waiter.turn.set()

    def _has_room(self, key: Key) -> bool:
        return not key.limits.concurrent or self._running_of[key.name] < key.limits.concurrent

    def _leave(self, key: Key) -> None:
        """Give a place up."""
        self._running_of[key.name] -= 1
        if not self._running_of[key.name]:
            del self._running_of[key.name]
        self._admit()
        self._note_queue()
        if not self.running:
            self._is_idle.set()

    def _withdraw(self, waiter: _Waiter) -> None:
        """Take a waiter out of its line, if it still stands there."""
        line = self._lines.get(waiter.key.name)
        if line is None or waiter not in line:
            return
        line.remove(waiter)
        if not line:
            del self._lines[waiter.key.name]
        self._note_queue()

    def _drop_newest_of_longest(self, key: Key) -> None:
        # Of lines of one length the newcomer's is the one to be shortened.
        name = max(self._lines, key=lambda name: (len(self._lines[name]), name == key.name))
        waiter = self._lines[name].pop()
        if not self._lines[name]:
            del self._lines[name]
        self._drop(waiter, self._overloaded(f"the queue of {self._limits.waiting} is full"))

    @staticmethod
    def _drop(waiter: _Waiter, refusal: Refusal) -> None:
        waiter.state, waiter.refusal = _State.DROPPED, refusal
        waiter.turn.set()

    def _overloaded(self, why: str) -> Refusal:
        """Refuse for now; by then the line should have moved, at the pace of late."""
        wait_s = self._mean_s * (self.waiting + 1) / self._limits.running
        return Refusal(
            f"the server has too much to do: {why}; try again later",
            status=429,
            type="rate_limit_error",
            code="server_overloaded",
            retry_after_s=min(MAX_RETRY_S, max(1.0, wait_s)),
        )

    def _note_queue(self) -> None:
        self._metrics.queue_changed(running=self.running, waiting=self.waiting)


def _list_rates(limits: KeyLimits) -> list[Rate]:
    rates = (
        Rate("requests", limits.requests_per_minute, MINUTE_S),
        Rate("tokens", limits.tokens_per_minute, MINUTE_S),
        Rate("tokens", limits.tokens_per_day, DAY_S),
    )
    return [rate for rate in rates if rate.amount]


def _beyond(full: Full, cost: int) -> Refusal:
    rate = full.rate
    limit = f"the key's limit is {rate.amount:,} {rate.what} a {'minute' if rate.window_s == MINUTE_S else 'day'}"
    if math.isinf(full.wait_s):
        return Refusal(
            f"the question may come to {cost:,} tokens, and {limit}; ask for fewer tokens or candidates",
            status=400,
            type="invalid_request_error",
            code="request_too_large",
        )
    is_budget = rate.window_s == DAY_S
    return Refusal(
        f"{limit}, and there is room again in {math.ceil(full.wait_s):,} s; try again then",
        status=429,
        type="insufficient_quota" if is_budget else "rate_limit_error",
        code="insufficient_quota" if is_budget else "rate_limit_exceeded",
        retry_after_s=max(1.0, full.wait_s),
    )


def _draining() -> Refusal:
    return _going_down("the server is going down and takes nothing new; try again")


def _cut_short() -> Refusal:
    return _going_down("the server is going down and could not finish the answer; ask again")


def _going_down(message: str) -> Refusal:
    return Refusal(
        message,
        status=503,
        type="service_unavailable_error",
        code="server_draining",
        retry_after_s=DRAIN_RETRY_S,
    )
