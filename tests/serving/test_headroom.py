"""The upstream's tokens per minute: calls wait before it, learn it from headers, give back what they spare."""

import anyio
import pytest

from abruzzi.ledger import Call, CallOutcome, Ledger
from abruzzi.models.chat import ChatRequest
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.scripted import ScriptedChat
from abruzzi.nouns import Message, Role
from abruzzi.serving.headroom import Headroom, HeadroomChat, estimate_tokens
from tests.faultserver import FaultServer, refuse, say
from tests.models.virtual_time import run_virtual

REQUEST = ChatRequest(Role.SOLVER, (Message("user", "x" * 400),), n=2, max_tokens=450)


def test_the_estimate_is_the_prompt_and_the_limit_of_each_choice() -> None:
    assert estimate_tokens(REQUEST) == 100 + 2 * 450


def test_without_a_limit_nothing_waits() -> None:
    async def main() -> None:
        headroom = Headroom()
        for _ in range(10):
            assert await headroom.take(10**9) == 0
        assert anyio.current_time() == 0.0

    run_virtual(main)


def test_a_minute_of_tokens_is_there_at_once_and_the_rest_comes_by_and_by() -> None:
    async def main() -> None:
        waits: list[float] = []
        headroom = Headroom(600, on_wait=waits.append)
        assert await headroom.take(600) == 600
        assert anyio.current_time() == 0.0
        await headroom.take(100)
        assert anyio.current_time() == pytest.approx(10.0)
        await anyio.sleep(30)
        await headroom.take(300)
        assert anyio.current_time() == pytest.approx(40.0)
        assert waits == pytest.approx([0.0, 10.0, 0.0])

    run_virtual(main)


def test_a_call_larger_than_a_minute_waits_for_a_whole_one_and_no_longer() -> None:
    async def main() -> None:
        headroom = Headroom(600)
        await headroom.take(600)
        assert await headroom.take(10**6) == 600
        assert anyio.current_time() == pytest.approx(60.0)

    run_virtual(main)


def test_first_come_first_served_and_whoever_leaves_makes_room() -> None:
    async def main() -> None:
        headroom, order = Headroom(600), list[str]()

        async def call(name: str, tokens: int, patience: float = 1e6) -> None:
            with anyio.move_on_after(patience):
                await headroom.take(tokens)
                order.append(name)

        await headroom.take(600)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: call("leaves", 600, 5.0))
            group.start_soon(lambda: call("large", 300))
            group.start_soon(lambda: call("small", 10))
        assert order == ["large", "small"]
        assert anyio.current_time() == pytest.approx(31.0)

    run_virtual(main)


def test_what_was_not_used_is_there_again() -> None:
    async def main() -> None:
        headroom = Headroom(600)
        headroom.correct(await headroom.take(600), 100)
        await headroom.take(500)
        assert anyio.current_time() == 0.0
        headroom.correct(500, 1100)
        await headroom.take(60)
        assert anyio.current_time() == pytest.approx(66.0), "what was used beyond is owed"

    run_virtual(main)


@pytest.mark.parametrize("ending", ["tokens", "tokens-minute", "tokens-per-minute"])
def test_the_limit_is_learnt_from_headers(ending: str) -> None:
    async def main() -> None:
        headroom = Headroom()
        headroom.note({f"x-ratelimit-limit-{ending}": "600", f"x-ratelimit-remaining-{ending}": "100"})
        assert headroom.limit == 600
        await headroom.take(400)
        assert anyio.current_time() == pytest.approx(30.0)

    run_virtual(main)


def test_what_others_have_used_lowers_the_bucket_and_is_never_raised_by_a_header() -> None:
    async def main() -> None:
        headroom = Headroom(600)
        await headroom.take(600)
        headroom.note({"x-ratelimit-remaining-tokens": "600", "x-ratelimit-limit-tokens": "9999"})
        assert headroom.limit == 600, "the settings win"
        await headroom.take(60)
        assert anyio.current_time() == pytest.approx(6.0)

    run_virtual(main)


@pytest.mark.parametrize("value", ["-1", "", "many", "1e3", "٣"])
def test_headers_that_say_nothing_change_nothing(value: str) -> None:
    async def main() -> None:
        headroom = Headroom()
        headroom.note({"x-ratelimit-limit-tokens": value, "x-ratelimit-remaining-tokens": value})
        assert headroom.limit == 0

    run_virtual(main)


def test_a_model_waits_for_room_and_its_calls_stand_in_the_ledger_as_ever() -> None:
    async def main() -> None:
        headroom = Headroom(1000)
        inner = ScriptedChat({Role.SOLVER: ["a b c", "d e f", "g h i", "j k l"]})
        chat = HeadroomChat(inner, headroom)
        assert (chat.name, chat.max_context) == (inner.name, inner.max_context)
        told: list[Call] = []
        ledger = Ledger(clock=anyio.current_time, on_call=told.append)
        first = await chat.complete(REQUEST, ledger=ledger)
        assert [completion.text for completion in first] == ["a b c", "d e f"]
        used = ledger.totals().usage.total_tokens
        assert 0 < used < 100
        # The estimate of 1,000 was put right; the second call misses only what the first one used.
        await chat.complete(REQUEST, ledger=ledger)
        assert told == ledger.calls
        assert len(told) == 2
        assert told[1].started_s == pytest.approx(used * 60 / 1000, abs=0.5)

    run_virtual(main)


def test_a_call_cancelled_while_it_waits_makes_no_row() -> None:
    async def main() -> None:
        headroom = Headroom(1000)
        await headroom.take(1000)
        ledger = Ledger(clock=anyio.current_time)
        with anyio.move_on_after(1):
            await HeadroomChat(ScriptedChat({}), headroom).complete(REQUEST, ledger=ledger)
        assert ledger.calls == []

    run_virtual(main)


def test_the_client_tells_the_headers_of_replies_and_refusals() -> None:
    seen: list[str | None] = []

    async def main(url: str) -> CallOutcome:
        async with OpenAIChat(url, model="m") as chat:
            chat.on_headers = lambda headers: seen.append(headers.get("Content-Type"))
            ledger = Ledger()
            await chat.complete(ChatRequest(Role.SOLVER, (Message("user", "x"),)), ledger=ledger)
            return ledger.calls[-1].outcome

    with FaultServer([refuse(503, retry_after="0"), say("fine")]) as server:
        assert anyio.run(main, server.base_url) is CallOutcome.OK
    assert len(seen) == 2
    assert "text/event-stream" in str(seen[1])
