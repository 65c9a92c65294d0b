"""Cancelling closes the upstream connection at once, wherever it stands, and leaves a row."""

import time
from collections.abc import Callable

import anyio
import pytest

from abruzzi.models.chat import ChatEvent, Ended, Timeouts
from tests.faultserver import Action, FaultServer, Said, Silence, Traits, refuse, say
from tests.models.asking import Asked, client, outcomes_of, put, request

SLOW = say("a " * 40, token_s=0.05)
PATIENT = Timeouts()


def cancel_when(
    server: FaultServer, is_time: Callable[[], bool], n: int = 1, **settings: object
) -> tuple[Asked, float]:
    """Ask, cancel once the server has come so far, and return when (monotonic) that was."""
    asked = Asked()
    cancelled: list[float] = []

    async def main() -> None:
        async with client(server, anyio.sleep, **settings) as chat, anyio.create_task_group() as group:
            group.start_soon(put, chat, request(n=n, timeouts=PATIENT), asked)
            with anyio.fail_after(10):
                await poll(is_time)
            await anyio.sleep(0.05)
            cancelled.append(time.monotonic())
            group.cancel_scope.cancel()

    anyio.run(main)
    server.wait_until_idle()
    return asked, cancelled[0]


async def poll(is_time: Callable[[], bool]) -> None:
    while not is_time():
        await anyio.sleep(0.005)


@pytest.mark.parametrize(
    "action", [Silence(), say("x", header_s=30), say("x", ttft_s=30), SLOW, say("a b", stall_after=1)]
)
@pytest.mark.parametrize("max_n", [None, 1])
def test_the_connection_is_closed_at_once(action: Action, max_n: int | None) -> None:
    num_calls = 1 if max_n is None else 2
    with FaultServer(lambda _: action) as server:
        asked, cancelled = cancel_when(server, lambda: len(server.records) == num_calls, n=2, max_n=max_n)
    assert len(server.records) == num_calls
    for record in server.records:
        assert record.closed_by_client
        assert not record.is_finished
        assert (record.ended or 0.0) - cancelled < 1.0, "the server would have gone on for much longer"
    assert outcomes_of(asked) == ["cancelled"] * num_calls
    assert asked.completions == ()
    assert not any(call.is_exact for call in asked.ledger.calls)


def test_what_the_server_had_told_by_then_is_billed() -> None:
    with FaultServer([SLOW], Traits(usage="running")) as server:
        asked, _ = cancel_when(server, lambda: server.completion_tokens >= 3)
    (call,) = asked.ledger.calls
    assert 3 <= call.usage.completion_tokens <= server.completion_tokens < 40
    assert call.usage.prompt_tokens == server.prompt_tokens == 6
    assert call.ttft_s is not None
    assert call.ttft_s >= 0.05


def test_choices_that_had_ended_are_told_and_the_rest_is_not() -> None:
    with FaultServer([say("a", Said("b c", token_s=30.0))]) as server:
        asked, _ = cancel_when(server, lambda: server.completion_tokens >= 1, n=2)
    assert [event.completion.text for event in asked.events if isinstance(event, Ended)] == ["a"]


@pytest.mark.parametrize("n", [1, 3])
def test_cancelling_at_the_last_end_finds_nothing_left_to_cancel(n: int) -> None:
    """The pipeline does this: it stops as soon as it has what it needs, and that may be everything."""
    asked = Asked()
    with FaultServer([say("a b", lingers_s=0.1)], Traits(usage="total")) as server:

        async def main() -> None:
            ends: list[Ended] = []
            async with client(server) as chat:
                with anyio.CancelScope() as scope:

                    def stop_at_the_last(event: ChatEvent) -> None:
                        if isinstance(event, Ended):
                            ends.append(event)
                            if len(ends) == n:
                                scope.cancel()

                    await chat.complete(request(n=n), ledger=asked.ledger, emit=stop_at_the_last)
            assert len(ends) == n

        anyio.run(main)
    assert [(call.outcome.value, call.is_exact) for call in asked.ledger.calls] == [("ok", True)]
    assert asked.ledger.totals().usage.completion_tokens == server.completion_tokens == 2 * n


def test_a_wait_between_tries_can_be_cancelled() -> None:
    with FaultServer([refuse(429, "busy", retry_after="60")]) as server:
        asked, _ = cancel_when(server, lambda: len(server.records) == 1)
    assert outcomes_of(asked) == ["error"]
    assert len(server.records) == 1


def test_the_client_can_be_used_again_after_a_cancellation() -> None:
    with FaultServer([SLOW, say("fine")]) as server:
        asked = Asked()

        async def main() -> None:
            async with client(server) as chat:
                with anyio.move_on_after(0.1):
                    await put(chat, request(), asked)
                await put(chat, request(), asked)

        anyio.run(main)
    assert asked.texts == ["fine"]
    assert outcomes_of(asked) == ["cancelled", "ok"]


def test_a_listener_that_fails_closes_the_connection_too() -> None:
    class OwnError(Exception):
        pass

    def fail(_: object) -> None:
        raise OwnError

    with FaultServer([SLOW]) as server:
        asked = Asked()

        async def main() -> None:
            async with client(server) as chat:
                await chat.complete(request(), ledger=asked.ledger, emit=fail)

        with pytest.raises(ExceptionGroup) as caught:
            anyio.run(main)
        server.wait_until_idle()
    assert caught.group_contains(OwnError)
    assert server.records[0].closed_by_client
    assert outcomes_of(asked) == ["error"]
