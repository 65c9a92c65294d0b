"""Asks many questions at once, in all ways in turn, while something happens to the server or to its upstream."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.serving.load.streams import Heard, Outcome, ask

WITHIN_S = 300.0
"""A client that has no outcome by then hangs: far beyond every limit that the servers of these tests are given. On a
busy machine 500 clients have been seen to need more than a minute."""
WAYS: tuple[dict[str, Any], ...] = (
    {"model": "simulated"},
    {"model": "simulated", "stream": False},
    {"model": "abruzzi-single"},
    {"model": "abruzzi-bo3"},
)


def flood(
    url: str,
    num: int,
    *,
    over_s: float = 0.5,
    ways: Sequence[dict[str, Any]] = WAYS,
    meanwhile: Callable[[], object] = lambda: None,
    after_s: float = 0.0,
) -> list[Heard]:
    """Ask questions.

    Args:
        url: the server's address, ``/v1`` and all.
        num: of questions.
        over_s: they begin evenly within so many seconds.
        ways: of asking, in turn.
        meanwhile: what happens, in a thread of its own.
        after_s: and when.

    Returns:
        What each client heard, in order.
    """

    async def one(number: int) -> Heard:
        await asyncio.sleep(number * over_s / num)
        return await ask(url, within_s=WITHIN_S, **ways[number % len(ways)])

    async def happen() -> None:
        await asyncio.sleep(after_s)
        await asyncio.to_thread(meanwhile)

    async def main() -> list[Heard]:
        async with asyncio.TaskGroup() as group:
            group.create_task(happen())
            asked = [group.create_task(one(number)) for number in range(num)]
        return [task.result() for task in asked]

    return asyncio.run(main())


def count_ends(heard: Sequence[Heard]) -> Counter[tuple[Outcome, str | None]]:
    """Count how clients ended: outcome, and the code of an error."""
    return Counter((one.outcome, one.code) for one in heard)
