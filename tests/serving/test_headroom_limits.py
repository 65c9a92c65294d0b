"""Headroom under several limits at once, against a simulated host that refuses what is too much."""

import contextlib

import anyio
import pytest

from abruzzi.errors import RateLimitError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest
from abruzzi.models.hosted import HostedLimits, find_limits
from abruzzi.nouns import Message, Role
from abruzzi.serving.headroom import Headroom, HeadroomChat
from tests.models.virtual_time import run_virtual
from tests.serving.simulated_host import SimulatedHost

FREE = find_limits("cerebras-free", "gpt-oss-120b")


def want(tokens: int = 1000, n: int = 1) -> ChatRequest:
    return ChatRequest(Role.SOLVER, (Message("user", "x" * 400),), n=n, max_tokens=tokens)


async def ask_many(model: ChatModel, num: int, request: ChatRequest) -> None:
    async def ask() -> None:
        with contextlib.suppress(RateLimitError):
            await model.complete(request, ledger=Ledger())

    async with anyio.create_task_group() as group:
        for _ in range(num):
            group.start_soon(ask)


def test_within_the_limits_nothing_is_ever_refused() -> None:
    async def main() -> None:
        host = SimulatedHost(FREE)
        headroom = Headroom(limits=FREE)
        host.on_headers = headroom.note
        await ask_many(HeadroomChat(host, headroom), 20, want())
        assert (host.num_answered, host.num_refused) == (20, 0)
        # Five requests at once, then one every twelve seconds; the last one takes a second.
        assert anyio.current_time() == pytest.approx(15 * 12 + 1)

    run_virtual(main)


def test_without_headroom_the_same_host_refuses_most() -> None:
    async def main() -> None:
        host = SimulatedHost(FREE)
        await ask_many(host, 20, want())
        assert (host.num_answered, host.num_refused) == (5, 15)

    run_virtual(main)


def test_tokens_bind_where_requests_do_not() -> None:
    async def main() -> None:
        host = SimulatedHost(FREE, seconds=0.0)
        headroom = Headroom(limits=FREE)
        await ask_many(HeadroomChat(host, headroom), 4, want(7400, n=2))
        assert (host.num_answered, host.num_refused) == (4, 0)
        # 14,900 tokens are taken and 7,500 used by each: two fit at once, and each gives 7,400 back as it ends.
        assert anyio.current_time() == pytest.approx((4 * 7500 + 7400 - 30000) * 60 / 30000, abs=0.1)

    run_virtual(main)


def test_limits_that_nobody_set_are_learnt_from_the_first_reply() -> None:
    async def main() -> None:
        host = SimulatedHost(HostedLimits(tokens_per_minute=3000, requests_per_day=10))
        headroom = Headroom()
        host.on_headers = headroom.note
        chat = HeadroomChat(host, headroom)
        await chat.complete(want(), ledger=Ledger())
        assert headroom.limit == 3000
        for _ in range(9):
            await chat.complete(want(), ledger=Ledger())
        assert (host.num_answered, host.num_refused) == (10, 0)
        with pytest.raises(RateLimitError, match="10 requests per day are used up"):
            await chat.complete(want(), ledger=Ledger())

    run_virtual(main)


def test_a_days_limit_is_not_waited_for_and_tells_when_to_come_back() -> None:
    async def main() -> None:
        headroom = Headroom(limits=HostedLimits(tokens_per_day=86_400))
        await headroom.take(86_400)
        with pytest.raises(
            RateLimitError, match=r"86,400 tokens per day are used up; there is room again in 500 s"
        ) as e:
            await headroom.take(500)
        assert e.value.retry_after_s == pytest.approx(500)
        assert anyio.current_time() == 0.0
        await headroom.take(100)
        assert anyio.current_time() == pytest.approx(100), "a short wait is waited"

    run_virtual(main)


def test_a_refused_call_takes_nothing() -> None:
    async def main() -> None:
        headroom = Headroom(limits=HostedLimits(tokens_per_minute=1000, requests_per_day=1))
        await headroom.take(10)
        with pytest.raises(RateLimitError, match="1 requests per day"):
            await headroom.take(500)
        assert headroom.affordable(1, prompt_tokens=0, tokens_each=1) == 0
        with pytest.raises(RateLimitError):
            await headroom.take(990)

    run_virtual(main)


def test_one_request_that_came_to_three_counts_as_three() -> None:
    async def main() -> None:
        headroom = Headroom(limits=HostedLimits(requests_per_minute=4))
        headroom.correct(await headroom.take(100), 100, num_requests=3)
        await headroom.take(1)
        assert anyio.current_time() == 0.0
        await headroom.take(1)
        assert anyio.current_time() == pytest.approx(15.0)

    run_virtual(main)


def test_a_call_that_was_never_sent_gives_its_request_back() -> None:
    async def main() -> None:
        headroom = Headroom(limits=HostedLimits(requests_per_minute=1))
        headroom.correct(await headroom.take(100), 0, num_requests=0)
        await headroom.take(100)
        assert anyio.current_time() == 0.0

    run_virtual(main)


@pytest.mark.parametrize(
    ("n", "prompt", "each", "fits"),
    [
        (3, 0, 1000, 3),
        (3, 100, 1000, 2),
        (3, 100, 2900, 1),
        (8, 0, 1000, 3),
        (3, 3001, 1, 0),
        (3, 0, 3001, 0),
        (3, 3000, 1, 0),
    ],
)
def test_so_many_choices_fit_what_is_left(n: int, prompt: int, each: int, fits: int) -> None:
    async def main() -> None:
        headroom = Headroom(3000)
        assert headroom.affordable(n, prompt_tokens=prompt, tokens_each=each) == fits

    run_virtual(main)


def test_any_number_fits_where_no_limit_is_known() -> None:
    async def main() -> None:
        assert Headroom().affordable(64, prompt_tokens=10**9, tokens_each=10**9) == 64

    run_virtual(main)


def test_what_fits_is_answered_without_a_wait() -> None:
    async def main() -> None:
        host, headroom = SimulatedHost(HostedLimits(tokens_per_minute=3000)), Headroom(3000)
        chat = HeadroomChat(host, headroom)
        await chat.complete(want(900), ledger=Ledger())
        # 100 of the prompt and 450 used; 50 a second came back.
        fits = headroom.affordable(8, prompt_tokens=100, tokens_each=600)
        assert fits == 4
        before = anyio.current_time()
        await chat.complete(want(600, n=fits), ledger=Ledger())
        assert anyio.current_time() - before == pytest.approx(1.0)
        assert host.num_refused == 0

    run_virtual(main)
