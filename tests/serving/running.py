"""Makes servers over scripted models, and runs them on a real loopback socket."""

import io
import json
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
import httpx2
import uvicorn
from fastapi import APIRouter, FastAPI

from abruzzi.models.chat import ChatModel, ChatRequest
from abruzzi.models.scripted import Reply, ScriptedChat, reply
from abruzzi.nouns import Role
from abruzzi.reasoning.run import Roles
from abruzzi.reasoning.settings import AskSettings
from abruzzi.serving.admission import Admission
from abruzzi.serving.app import build_app
from abruzzi.serving.keys import OpenRing
from abruzzi.serving.logs import Log
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.rates import Rates, open_storage
from abruzzi.serving.server import Server
from abruzzi.serving.settings import KeyLimits, LimitSettings

PLAN = {"plan": "Add the tens.\nAdd the ones."}
FIRST = {"reasoning": "The first is right.", "verdict": "first"}
UNLIMITED = KeyLimits(requests_per_minute=0, concurrent=0)


async def same(a: str, b: str) -> bool:
    """Agree on equal text only."""
    return a == b


def solve(request: ChatRequest) -> list[Reply]:
    """Solve with one answer for all, after some thoughts."""
    return [
        reply("So it is <answer>42</answer>", reasoning="Let me think. 17 and 25.", seconds=0.02)
        for _ in range(request.n)
    ]


def scripted(name: str = "scripted", **script: Any) -> ScriptedChat:
    """Make a model: keywords are roles; plan, solution and verdict have defaults."""
    lines: dict[Role, Any] = {Role.PLANNER: reply(json=PLAN), Role.SOLVER: solve, Role.JUDGE: reply(json=FIRST)}
    return ScriptedChat(lines | {Role(role): line for role, line in script.items()}, name=name, max_context=8192)


def make_server(solver: ChatModel | None = None, **parts: Any) -> Server:
    """Make a server; keywords are fields of ``Server``, and ``limits``."""
    solver = solver or scripted()
    limits: LimitSettings = parts.pop("limits", LimitSettings(key=UNLIMITED))
    metrics = Metrics(version="test", models=["abruzzi", solver.name])
    fields: dict[str, Any] = {
        "roles": Roles(solver=solver, planner=solver, judge=solver),
        "settings": AskSettings(),
        "agree": same,
        "keys": OpenRing(limits.key),
        "admission": Admission(limits, Rates(open_storage("memory://", {})), metrics),
        "metrics": metrics,
        "log": Log(io.StringIO(), now=time.time),
    }
    return Server(**(fields | parts))


async def nothing() -> None:
    """Close nothing."""


@contextmanager
def running(app: FastAPI, *, close: Callable[[], Awaitable[None]] = nothing) -> Generator[str]:
    """Serve an app on a free port of loopback; yields its address. What it opened is closed in its own event loop."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))

    async def serve() -> None:
        await server.serve()
        await close()

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not end"


@contextmanager
def serving(
    solver: ChatModel | None = None,
    *,
    further: tuple[APIRouter, ...] = (),
    close: Callable[[], Awaitable[None]] = nothing,
    **parts: Any,
) -> Generator[str]:
    """Serve a scripted model; see ``make_server``."""
    with running(build_app(make_server(solver, **parts), further=further), close=close) as url:
        yield url


def ask(url: str, question: str = "What is 17 + 25?", **fields: Any) -> httpx2.Response:
    """Post a chat request."""
    body = {"model": "abruzzi", "messages": [{"role": "user", "content": question}], **fields}
    return httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30, trust_env=False)


def read_events(text: str) -> list[Any]:
    """Read the data of a stream; comments are left out, ``[DONE]`` is a string."""
    found: list[Any] = []
    for line in text.splitlines():
        if line.startswith("data: "):
            data = line.removeprefix("data: ")
            found.append(data if data == "[DONE]" else json.loads(data))
    return found


def wait_until(condition: Callable[[], bool], within_s: float = 5.0) -> float:
    """Wait for something to become true; returns the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within_s, "it did not become true in time"
        time.sleep(0.01)
    return time.monotonic() - started


def join(events: list[Any], field: str) -> str:
    """Put the pieces of one field of a chat stream together."""
    deltas: list[Mapping[str, Any]] = [
        choice["delta"] for event in events if event != "[DONE]" for choice in event.get("choices", ())
    ]
    return "".join(delta.get(field) or "" for delta in deltas)
