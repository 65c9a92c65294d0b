"""The page on a real server: scripted model, SQLite store, a socket of loopback, and Chromium in front of it."""

import functools
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page

from abruzzi.models.chat import ChatModel
from abruzzi.serving.app import build_app
from abruzzi.serving.rendering.renderer import Renderer
from abruzzi.serving.routes.page import page_routes
from abruzzi.serving.routes.questions import question_routes
from abruzzi.serving.server import Server
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.settings import StoreSettings
from tests.serving.running import make_server

WAIT_MS = 30_000
"""Patience for a machine that others keep busy."""
_renderer = functools.cache(Renderer)
"""One for all servers: each would import the same into a process of its own. It ends with this process."""


@dataclass(slots=True)
class Host:
    """A server that runs."""

    url: str
    server: Server
    web: uvicorn.Server = field(repr=False)

    def drop_connections(self) -> None:
        """Cut every connection, as a network that fails does."""
        for connection in list(self.web.server_state.connections):
            transport = connection.transport  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportAttributeAccessIssue]
            transport.abort()  # pyright: ignore[reportUnknownMemberType, reportOptionalMemberAccess]


@contextmanager
def hosting(
    model: ChatModel, folder: Path | None, *, prepare: Callable[[Server], None] = lambda _: None, **parts: Any
) -> Generator[Host]:
    """Serve a model with the page; its store lies in the folder, or there is none."""
    ready = threading.Event()
    hosts: list[Host] = []

    async def serve() -> None:
        store = None if folder is None else await open_store(StoreSettings(url=str(folder / "questions.db")), {})
        server = make_server(model, store=store, **parts)
        app = build_app(server, further=(page_routes(), question_routes(server, _renderer())))
        web = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
        prepare(server)
        async with anyio.create_task_group() as group:
            group.start_soon(web.serve)
            while not web.started:
                await anyio.sleep(0.01)
            port = web.servers[0].sockets[0].getsockname()[1]
            hosts.append(Host(f"http://127.0.0.1:{port}", server, web))
            ready.set()
        if store is not None:
            await store.close()

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    try:
        assert ready.wait(60), "the server did not start"
        yield hosts[0]
    finally:
        if hosts:
            hosts[0].web.should_exit = True
            hosts[0].web.force_exit = True
        thread.join(timeout=30)
        assert not thread.is_alive(), "the server did not end"


@dataclass(slots=True)
class Visit:
    """A page that is open, and what the browser said about it."""

    page: Page
    context: BrowserContext
    url: str
    said: list[str] = field(default_factory=list[str])
    """Console messages and errors of scripts."""
    requested: list[str] = field(default_factory=list[str])
    """Addresses asked for outside the server."""
    dialogs: list[str] = field(default_factory=list[str])
    """What ``alert`` and its like said: a script of somebody else's ran."""

    def check_quiet(self, *allowed: str) -> None:
        """See that nothing complained, nothing foreign ran, and nothing outside was asked for.

        Args:
            allowed: parts of console messages that the test itself provoked.
        """
        assert [line for line in self.said if not any(part in line for part in allowed)] == []
        assert self.requested == []
        assert self.dialogs == []
        assert self.page.evaluate("globalThis.pwned === undefined")

    def ask(self, question: str) -> None:
        """Write a question and ask it."""
        self.page.fill("#question", question)
        self.page.click("#ask")

    def wait(self, selector: str) -> None:
        """Wait until something is seen."""
        self.page.wait_for_selector(selector)


@contextmanager
def visiting(
    browser: Browser,
    host: Host,
    *,
    width: int = 1280,
    height: int = 900,
    is_dark: bool = False,
    path: str = "/",
    **options: Any,
) -> Generator[Visit]:
    """Open the page in a fresh browser profile."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if is_dark else "light", **options
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    visit = Visit(page, context, host.url)
    page.on("console", lambda message: visit.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: visit.said.append(str(error)))
    page.on("request", lambda request: visit.requested.append(request.url) if _is_foreign(request.url, host) else None)

    def dismiss(dialog: Any) -> None:
        visit.dialogs.append(str(dialog.message))
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.goto(host.url + path)
    try:
        yield visit
    finally:
        context.close()


def _is_foreign(url: str, host: Host) -> bool:
    return not url.startswith((host.url + "/", "data:", "blob:"))
