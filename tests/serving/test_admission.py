"""Who is let in, who waits, who is refused: on virtual time, with real rates and metrics."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits.aio.storage import MemoryStorage

from abruzzi.serving.admission import Admission, Ticket
from abruzzi.serving.keys import Key
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.rates import Rates
from abruzzi.serving.refusal import Refusal
from abruzzi.serving.settings import KeyLimits, LimitSettings
from tests.models.virtual_time import run_virtual

FREE = KeyLimits(requests_per_minute=0, concurrent=0)


def key(name: str, **limits: int) -> Key:
    return Key(name, FREE.model_copy(update=limits))


ANN, BOB, CAT = key("ann"), key("bob"), key("cat")


@dataclass
class Door:
    """An admission, and what became of those who came."""

    admission: Admission
    metrics: Metrics
    order: list[str] = field(default_factory=list[str])
    """Who was let in, in order."""
    refusals: dict[str, Refusal] = field(default_factory=dict[str, Refusal])
    most: int = 0
    """Most that ran at once."""

    async def ask(self, who: Key, seconds: float, *, name: str = "", tokens: int = 0, spend: int | None = None) -> None:
        """Ask a question that takes so long."""
        name = name or who.name
        try:
            async with self.admission.enter(who, tokens=tokens) as ticket:
                self.order.append(name)
                self.most = max(self.most, self.admission.running)
                await anyio.sleep(seconds)
                ticket.spend(tokens if spend is None else spend)
        except Refusal as refusal:
            self.refusals[name] = refusal

    def lines(self, *names: str) -> list[str]:
        """The metrics of these names."""
        text = self.metrics.render()[0].decode()
        return [line for line in text.splitlines() if line.split(" ")[0].split("{")[0] in names]


def open_door(*, running: int = 2, waiting: int = 10, wait_s: float = 1000.0) -> Door:
    metrics = Metrics(version="1", models=["abruzzi"])
    limits = LimitSettings(running=running, waiting=waiting, wait_s=wait_s)
    # Rates count in wall time; on virtual time that is the loop's.
    rates = Rates(MemoryStorage(), now=lambda: 1_800_000_000.0 + anyio.current_time())
    return Door(Admission(limits, rates, metrics), metrics)


def at_door(
    main: Callable[[Door], Awaitable[None]], *, running: int = 2, waiting: int = 10, wait_s: float = 1000.0
) -> Door:
    """Run on virtual time with a door of its own, and see that nobody is left behind."""
    doors: list[Door] = []

    async def run() -> None:
        door = open_door(running=running, waiting=waiting, wait_s=wait_s)
        doors.append(door)
        await main(door)
        assert (door.admission.running, door.admission.waiting) == (0, 0)
        assert door.lines("abruzzi_questions_running", "abruzzi_questions_waiting") == [
            "abruzzi_questions_running 0.0",
            "abruzzi_questions_waiting 0.0",
        ]

    run_virtual(run)
    return doors[0]


def test_places_are_bounded_and_given_on_in_order() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            for i in range(5):
                group.start_soon(lambda i=i: door.ask(ANN, 10.0, name=f"q{i}"))
        assert anyio.current_time() == 30.0

    door = at_door(main)
    assert door.order == ["q0", "q1", "q2", "q3", "q4"]
    assert door.most == 2
    assert door.lines("abruzzi_queue_wait_seconds_count") == ["abruzzi_queue_wait_seconds_count 5.0"]
    assert door.lines("abruzzi_queue_wait_seconds_sum") == ["abruzzi_queue_wait_seconds_sum 40.0"]


def test_a_ticket_says_how_long_it_waited() -> None:
    async def main(door: Door) -> None:
        tickets: list[Ticket] = []

        async def second() -> None:
            async with door.admission.enter(ANN, tokens=0) as ticket:
                tickets.append(ticket)

        async with anyio.create_task_group() as group:
            group.start_soon(door.ask, ANN, 7.0)
            await anyio.sleep(1)
            group.start_soon(second)
        assert [ticket.waited_s for ticket in tickets] == [6.0]

    at_door(main, running=1)


def test_a_flood_of_one_key_does_not_starve_the_others() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            for i in range(12):
                group.start_soon(lambda i=i: door.ask(ANN, 10.0, name=f"a{i}"))
            await anyio.sleep(1)
            for i in range(2):
                group.start_soon(lambda i=i: door.ask(BOB, 10.0, name=f"b{i}"))
                group.start_soon(lambda i=i: door.ask(CAT, 10.0, name=f"c{i}"))

    door = at_door(main, running=2, waiting=100)
    # The flood came first and has both places; from then on the three keys take turns, however long its line is.
    assert door.order[:7] == ["a0", "a1", "b0", "c0", "a2", "b1", "c1"]
    assert door.order[7:] == [f"a{i}" for i in range(3, 12)]
    assert not door.refusals


def test_keys_take_turns() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            for who in (ANN, BOB, CAT):
                for i in range(3):
                    group.start_soon(lambda who=who, i=i: door.ask(who, 10.0, name=f"{who.name[0]}{i}"))

    assert at_door(main, running=1).order == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_a_full_queue_drops_the_newest_of_the_longest_line() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            for i in range(5):
                group.start_soon(lambda i=i: door.ask(ANN, 10.0, name=f"a{i}"))
            await anyio.sleep(1)
            assert list(door.refusals) == ["a4"], "one runs, three wait, one is too many"
            group.start_soon(door.ask, BOB, 10.0)
            await anyio.sleep(1)
            assert list(door.refusals) == ["a4", "a3"], "room for another key is made in the longest line"

    door = at_door(main, running=1, waiting=3)
    assert door.order == ["a0", "bob", "a1", "a2"]
    for refusal in door.refusals.values():
        assert (refusal.status, refusal.type, refusal.code) == (429, "rate_limit_error", "server_overloaded")
        # 5 s a question before any has ended, three wait, one place.
        assert refusal.retry_after_s == pytest.approx(20.0)


def test_lines_of_one_length_do_not_give_way_to_a_newcomer() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(door.ask, CAT, 10.0)
            await anyio.sleep(1)
            group.start_soon(lambda: door.ask(ANN, 1.0, name="a0"))
            group.start_soon(lambda: door.ask(BOB, 1.0, name="b0"))
            await anyio.sleep(1)
            group.start_soon(lambda: door.ask(CAT, 1.0, name="late"))

    assert list(at_door(main, running=1, waiting=2).refusals) == ["late"]


def test_with_no_queue_whoever_finds_no_place_is_refused() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(door.ask, ANN, 10.0)
            await anyio.sleep(1)
            await door.ask(BOB, 1.0)
            assert list(door.refusals) == ["bob"]

    assert at_door(main, running=1, waiting=0).order == ["ann"]


def test_a_wait_has_an_end() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(door.ask, ANN, 100.0)
            await anyio.sleep(1)
            await door.ask(BOB, 1.0)
            assert anyio.current_time() == 21.0

    refusal = at_door(main, running=1, wait_s=20.0).refusals["bob"]
    assert (refusal.status, refusal.code) == (429, "server_overloaded")
    assert "no place came free within 20 s" in str(refusal)


def test_a_key_runs_no_more_than_its_own_and_does_not_block_the_rest() -> None:
    async def main(door: Door) -> None:
        one = key("one", concurrent=1)
        async with anyio.create_task_group() as group:
            for i in range(3):
                group.start_soon(lambda i=i: door.ask(one, 10.0, name=f"o{i}"))
            await anyio.sleep(1)
            group.start_soon(door.ask, BOB, 10.0)
            await anyio.sleep(1)
            assert door.order == ["o0", "bob"], "a line that may not move lets others pass"

    assert at_door(main, running=5).order == ["o0", "bob", "o1", "o2"]


def test_whoever_is_cancelled_while_waiting_leaves_the_queue_and_costs_nothing() -> None:
    async def main(door: Door) -> None:
        limited = key("ann", requests_per_minute=2, tokens_per_minute=100)
        async with anyio.create_task_group() as group:
            group.start_soon(door.ask, BOB, 10.0)
            await anyio.sleep(1)
            for _ in range(5):
                with anyio.move_on_after(1):
                    await door.ask(limited, 1.0, tokens=100)
                assert door.admission.waiting == 0
        await door.ask(limited, 0.0, tokens=100)

    door = at_door(main, running=1)
    assert door.order == ["bob", "ann"]
    assert not door.refusals


def test_whoever_is_cancelled_in_the_moment_of_its_turn_gives_the_place_on() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as inner:

                    async def first() -> None:
                        async with door.admission.enter(ANN, tokens=0):
                            await anyio.sleep(5)
                        scope.cancel()  # BOB has just been given the place

                    inner.start_soon(first)
                    await anyio.sleep(1)
                    inner.start_soon(door.ask, BOB, 50.0)
                    await anyio.sleep(1)
                    group.start_soon(door.ask, CAT, 1.0)

    assert "cat" in at_door(main, running=1).order


def test_requests_beyond_the_rate_are_refused_with_the_time_to_wait() -> None:
    async def main(door: Door) -> None:
        two = key("ann", requests_per_minute=2)
        for i in range(3):
            await door.ask(two, 0.0, name=f"q{i}")
        refusal = door.refusals["q2"]
        assert (refusal.status, refusal.type, refusal.code) == (429, "rate_limit_error", "rate_limit_exceeded")
        # Both at 0 s; half of them has slid out of the last minute at 90 s.
        assert refusal.retry_after_s == pytest.approx(90.0)
        assert "2 requests a minute" in str(refusal)
        await anyio.sleep(refusal.retry_after_s or 0)
        await door.ask(two, 0.0, name="later")

    assert at_door(main).order == ["q0", "q1", "later"]


def test_tokens_are_reserved_and_corrected_by_what_was_spent() -> None:
    async def main(door: Door) -> None:
        thrifty = key("ann", tokens_per_minute=1000)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: door.ask(thrifty, 5.0, name="first", tokens=800, spend=100))
            await anyio.sleep(1)
            await door.ask(thrifty, 1.0, name="second", tokens=300)
        await door.ask(thrifty, 1.0, name="third", tokens=900, spend=1500)
        await door.ask(thrifty, 1.0, name="fourth", tokens=1)

    door = at_door(main)
    assert door.order == ["first", "third"]
    assert set(door.refusals) == {"second", "fourth"}


def test_a_question_that_fails_pays_for_what_it_used_alone() -> None:
    async def main(door: Door) -> None:
        thrifty = key("ann", tokens_per_minute=1000)

        async def fail() -> None:
            async with door.admission.enter(thrifty, tokens=1000) as ticket:
                ticket.spend(200)
                ticket.spend(100)
                assert ticket.spent == 300
                raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            await fail()
        await door.ask(thrifty, 0.0, tokens=700)

    assert at_door(main).order == ["ann"]


def test_a_day_that_is_used_up_is_a_quota() -> None:
    async def main(door: Door) -> None:
        poor = key("ann", tokens_per_day=1000)
        await door.ask(poor, 0.0, name="first", tokens=900)
        await door.ask(poor, 0.0, name="second", tokens=200)
        refusal = door.refusals["second"]
        assert (refusal.status, refusal.type, refusal.code) == (429, "insufficient_quota", "insufficient_quota")
        assert refusal.retry_after_s is not None
        assert refusal.retry_after_s > 3600

    at_door(main)


def test_a_question_larger_than_any_budget_is_a_bad_request() -> None:
    async def main(door: Door) -> None:
        await door.ask(key("ann", tokens_per_minute=1000), 0.0, tokens=5000)
        refusal = door.refusals["ann"]
        assert (refusal.status, refusal.code, refusal.retry_after_s) == (400, "request_too_large", None)
        assert "5,000 tokens" in str(refusal)
        assert "1,000 tokens a minute" in str(refusal)

    at_door(main)


def test_whoever_is_refused_by_one_rate_has_taken_nothing_of_another() -> None:
    async def main(door: Door) -> None:
        limited = key("ann", requests_per_minute=2, tokens_per_minute=100)
        for i in range(5):
            await door.ask(limited, 0.0, name=f"large{i}", tokens=101)
        for i in range(2):
            await door.ask(limited, 0.0, name=f"q{i}", tokens=10)

    assert at_door(main).order == ["q0", "q1"]


def test_draining_lets_what_runs_go_on_and_takes_nothing_new() -> None:
    async def main(door: Door) -> None:
        left: list[int] = []

        async def drain() -> None:
            left.append(await door.admission.drain(60.0))

        async with anyio.create_task_group() as group:
            group.start_soon(lambda: door.ask(ANN, 30.0, name="running"))
            await anyio.sleep(1)
            group.start_soon(lambda: door.ask(ANN, 1.0, name="waiting"))
            await anyio.sleep(1)
            group.start_soon(drain)
            await anyio.sleep(1)
            assert door.admission.is_draining
            assert list(door.refusals) == ["waiting"]
            await door.ask(BOB, 1.0, name="new")
        assert anyio.current_time() == 30.0
        assert left == [0]

    door = at_door(main, running=1)
    assert door.order == ["running"]
    for refusal in door.refusals.values():
        assert (refusal.status, refusal.code) == (503, "server_draining")
        assert refusal.retry_after_s


@pytest.mark.parametrize("within_s", [0.0, 10.0])
def test_draining_ends_at_its_deadline_and_cuts_short_what_still_runs(within_s: float) -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(door.ask, ANN, 100.0)
            group.start_soon(door.ask, BOB, 100.0)
            await anyio.sleep(1)
            assert await door.admission.drain(within_s) == 2
        assert anyio.current_time() == 1 + within_s

    refusals = at_door(main).refusals
    assert set(refusals) == {"ann", "bob"}
    for refusal in refusals.values():
        assert (refusal.status, refusal.code) == (503, "server_draining")
        assert "could not finish" in str(refusal)


def test_a_question_that_has_just_got_its_turn_is_cut_short_too() -> None:
    async def main(door: Door) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: door.ask(ANN, 5.0, name="first"))
            await anyio.sleep(1)
            group.start_soon(lambda: door.ask(BOB, 100.0, name="second"))
            await anyio.sleep(4.0)
            assert await door.admission.drain(0.0) <= 1
        assert anyio.current_time() < 100.0

    assert "second" in at_door(main, running=1).refusals


def test_an_idle_server_drains_at_once() -> None:
    async def main(door: Door) -> None:
        assert await door.admission.drain(60.0) == 0
        assert anyio.current_time() == 0.0

    at_door(main)


@settings(max_examples=25)
@given(
    arrivals=st.lists(
        st.tuples(
            st.sampled_from([ANN, BOB, key("cat", concurrent=1)]),
            st.floats(0, 3),
            st.floats(0.1, 10),
            st.floats(0.5, 40),
        ),
        max_size=40,
    ),
    running=st.integers(1, 3),
    waiting=st.integers(0, 5),
)
def test_whatever_comes_every_bound_holds_and_every_question_has_an_outcome(
    arrivals: list[tuple[Key, float, float, float]], running: int, waiting: int
) -> None:
    async def main(door: Door) -> None:
        outcomes: list[str] = []

        async def come(who: Key, seconds: float, patience: float) -> None:
            with anyio.move_on_after(patience) as scope:
                await door.ask(who, seconds)
            outcomes.append("left" if scope.cancelled_caught else "told")

        async with anyio.create_task_group() as group:
            for who, pause, seconds, patience in arrivals:
                await anyio.sleep(pause)
                group.start_soon(come, who, seconds, patience)
                assert door.admission.running <= running
                assert door.admission.waiting <= waiting
        assert len(outcomes) == len(arrivals)

    assert at_door(main, running=running, waiting=waiting, wait_s=8.0).most <= running
