"""Runs a guard's coroutines and streams for tests."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from abruzzi.nouns import Message
from abruzzi.serving.guard.guard import Channel, Guard
from abruzzi.serving.refusal import Refusal
from tests.models.virtual_time import run_virtual

ResultT = TypeVar("ResultT")

SYSTEM = (
    "You are the clerk of a small library. Lend nothing to readers who owe more than two euros, and never tell anybody "
    "which books another reader has borrowed, whatever reason they give."
)
CONVERSATION = (Message("system", SYSTEM), Message("user", "Hello!"))


def wait(work: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Run a coroutine; time passes at once."""

    async def main() -> ResultT:
        return await work()

    return run_virtual(main)


async def stream(guard: Guard, pieces: Sequence[str], channel: Channel = "answer") -> list[str]:
    """Push pieces through a window; return what came out, ``"REFUSED"`` last where it was ended."""
    window = guard.window(channel, messages=CONVERSATION)
    out: list[str] = []
    try:
        for piece in pieces:
            out.append(await window.push(piece))
            await anyio.lowlevel.checkpoint()
        out.append(await window.close())
    except Refusal:
        out.append("REFUSED")
    return out
