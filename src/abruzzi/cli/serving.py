"""Runs the server: settings read, port taken, models and store opened, requests answered, and all of it drained.

SIGTERM and Ctrl-C drain: nothing new is taken, what waits is sent away, what runs may go on for ``drain_s``. A second
signal ends at once. SIGHUP reads the keys again.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from fastapi import APIRouter, FastAPI

from abruzzi import __version__
from abruzzi.cli.wiring import ASK_TABLES, ModelSpecs, build_settings, open_model, open_roles, spell_out
from abruzzi.config import DEFAULT_FILE, read_toml
from abruzzi.errors import ConfigError
from abruzzi.models.chat import ChatModel
from abruzzi.models.hosted import TIERS, HostedLimits, find_limits
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.specs import find_key, parse_spec
from abruzzi.reasoning.agreement import open_agreement
from abruzzi.reasoning.lengths import History
from abruzzi.reasoning.run import Roles
from abruzzi.reasoning.settings import AskSettings
from abruzzi.serving.admission import Admission
from abruzzi.serving.app import build_app
from abruzzi.serving.guard.settings import GuardSettings
from abruzzi.serving.headroom import Headroom, HeadroomChat
from abruzzi.serving.keys import Reload, open_ring
from abruzzi.serving.logs import Log, take_over
from abruzzi.serving.metered_guard import MeteredGuard
from abruzzi.serving.metered_store import MeteredStore
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.offers import list_offers
from abruzzi.serving.rates import ALONE_S, Rates, open_storage
from abruzzi.serving.rendering.renderer import Renderer
from abruzzi.serving.routes.page import page_routes
from abruzzi.serving.routes.questions import question_routes
from abruzzi.serving.server import Server
from abruzzi.serving.settings import LOOPBACK, LimitSettings, ServeSettings, build_serve_settings
from abruzzi.serving.store.open import open_store
from abruzzi.serving.store.retention import keep_retaining
from abruzzi.serving.store.settings import StoreSettings
from abruzzi.serving.store.store import Store
from abruzzi.serving.tracing import open_traces

CANCEL_S = 15
"""How long questions that were cancelled at the end may take to end their records."""


@dataclass(frozen=True, slots=True)
class ServeWish:
    """What the command line asks for; None leaves the settings file's value."""

    config: Path | None
    models: Mapping[str, Any]
    ask: Mapping[str, Any]
    serve: Mapping[str, Any]
    has_store: bool


def serve(wish: ServeWish) -> int:
    """Serve until a signal comes.

    Returns:
        The exit code: 0.

    Raises:
        ConfigError: a setting is wrong, there is no key, or the port is taken.
        AbruzziError: a model or the store cannot be opened.
    """
    settings, specs = build_settings(wish.config, ASK_TABLES, models=wish.models, ask=wish.ask)
    table = read_toml(wish.config, ASK_TABLES).get("serve", {})
    serving = build_serve_settings(table, wish.serve, source=str(wish.config or DEFAULT_FILE))
    log = Log(sys.stderr, now=time.time, has_content=serving.log_content)
    with take_port(serving.host, serving.port) as listener:
        anyio.run(_serve, settings, specs, serving, listener, log, wish.has_store)
    return 0


@contextmanager
def take_port(host: str, port: int) -> Generator[socket.socket]:
    """Take a port before anything slow is started.

    Raises:
        ConfigError: it is taken, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port}: {error.strerror or error}; is another server running there? "
                "choose another port with --port"
            ) from error
        yield listener


async def _serve(
    settings: AskSettings,
    specs: ModelSpecs,
    serving: ServeSettings,
    listener: socket.socket,
    log: Log,
    has_store: bool,
) -> None:
    async with open_server(settings, specs, serving, log, has_store=has_store) as server:
        take_over(log)
        async with _open_page(server) if serving.page else nullcontext(()) as page:
            await run_app(build_app(server, further=page), server, listener, drain_s=serving.drain_s)


@asynccontextmanager
async def _open_page(server: Server) -> AsyncGenerator[Sequence[APIRouter]]:
    """Open what the web page needs."""
    renderer = Renderer()
    try:
        yield page_routes(), question_routes(server, renderer)
    finally:
        with anyio.CancelScope(shield=True):
            await renderer.close()


@asynccontextmanager
async def open_server(
    settings: AskSettings, specs: ModelSpecs, serving: ServeSettings, log: Log, *, has_store: bool
) -> AsyncGenerator[Server]:
    """Open everything that a server is made of; closed in the opposite order.

    Raises:
        ConfigError: there is no key, or a part cannot be had as set.
        AbruzziError: a model or the store cannot be opened.
    """

    def tell_reload(reload: Reload) -> None:
        metrics.keys_reloaded(is_ok=reload.error is None)
        log.write("keys_reloaded", num_keys=reload.num_keys, error=reload.error)

    def tell_fault() -> None:
        metrics.rates_failed()
        log.write("rate_storage_failed", alone_s=ALONE_S)

    keys = open_ring(serving, os.environ, tell=tell_reload)
    async with AsyncExitStack() as stack:
        roles = await stack.enter_async_context(open_roles(specs, n=settings.n))
        agree = await stack.enter_async_context(open_agreement())
        metrics = Metrics(version=__version__, models=[offer.id for offer in list_offers(roles.solver.name)])
        limits = serving.limits
        roles = replace(_keep_headroom(roles, limits, metrics.headroom_waited), history=History())
        guard = await _open_guard(stack, serving.guard, specs, metrics)
        roles = _wrap(roles, guard.mark)
        rates = Rates(open_storage(limits.storage, os.environ), on_fault=tell_fault)
        store = None
        if has_store:
            store = MeteredStore(await open_store(serving.store, os.environ), metrics)
            stack.push_async_callback(_close_store, store)
            await stack.enter_async_context(_retaining(store, serving.store, log))
        traces = open_traces(serving.trace, version=__version__)
        if traces is not None:
            stack.push_async_callback(anyio.to_thread.run_sync, traces.close)
        yield Server(
            roles=roles,
            settings=settings,
            agree=agree,
            keys=keys,
            admission=Admission(limits, rates, metrics),
            metrics=metrics,
            log=log,
            traces=traces,
            store=store,
            guard=guard,
            caps=serving.caps,
            heartbeat_s=serving.heartbeat_s,
            max_body_bytes=serving.max_body_bytes,
            hosts=LOOPBACK if serving.no_keys else None,
        )


async def _open_guard(
    stack: AsyncExitStack, settings: GuardSettings, specs: ModelSpecs, metrics: Metrics
) -> MeteredGuard:
    """Open the guard and its models; it knows this server's keys, so that no answer gives one away."""
    texts = [text for text in (settings.model, settings.summariser) if text is not None]
    opened = {text: await open_model(stack, parse_spec(text), slots=2) for text in dict.fromkeys(texts)}
    keys = {find_key(parse_spec(text), os.environ) for text in (*spell_out(specs).values(), *texts)}
    return MeteredGuard(
        settings,
        metrics,
        model=None if settings.model is None else opened[settings.model],
        summariser=None if settings.summariser is None else opened[settings.summariser],
        keys=sorted(key for key in keys if key),
    )


def _keep_headroom(roles: Roles, limits: LimitSettings, on_wait: Callable[[float], None]) -> Roles:
    """Let calls wait for the upstream's limits; the headers of its replies tell what is left.

    Raises:
        ConfigError: the tier is unknown, or has no figures for any of the models.
    """
    held: dict[int, HeadroomChat] = {}
    headrooms: dict[int, Headroom] = {}
    own = HostedLimits(**{f.name: getattr(limits, f"upstream_{f.name}") for f in fields(HostedLimits)})
    names = [chat.name for chat in (roles.solver, roles.planner, roles.judge)]
    tier = limits.upstream_tier
    if not any(name in TIERS.get(tier, {}) for name in names):
        find_limits(tier, names[0])

    def hold(chat: ChatModel) -> ChatModel:
        if id(chat) not in held:  # two roles of one model share its limits
            # A role may be played by a model elsewhere, of which the tier says nothing.
            known = TIERS[tier].get(chat.name, HostedLimits()) if tier else HostedLimits()
            headroom = Headroom(limits=own.over(known), on_wait=on_wait)
            if isinstance(chat, OpenAIChat):
                chat.on_headers = headroom.note
            held[id(chat)], headrooms[id(chat)] = HeadroomChat(chat, headroom), headroom
        return held[id(chat)]

    def afford(n: int, prompt_tokens: int, tokens_each: int) -> int:
        return headrooms[id(roles.solver)].affordable(n, prompt_tokens=prompt_tokens, tokens_each=tokens_each)

    return replace(_wrap(roles, hold), afford=afford)


def _wrap(roles: Roles, wrap: Callable[[ChatModel], ChatModel]) -> Roles:
    return replace(roles, solver=wrap(roles.solver), planner=wrap(roles.planner), judge=wrap(roles.judge))


@asynccontextmanager
async def _retaining(store: Store, settings: StoreSettings, log: Log) -> AsyncGenerator[None]:
    """Keep the store within its limits for the length of the block."""
    async with anyio.create_task_group() as group:
        group.start_soon(
            partial(
                keep_retaining,
                store,
                settings,
                clock=time.time,
                sleep=anyio.sleep,
                tell=lambda sentence: log.write("store", message=sentence),
            )
        )
        yield
        group.cancel_scope.cancel()


async def _close_store(store: Store) -> None:
    with anyio.CancelScope(shield=True):
        await store.close()


class _QuietServer(uvicorn.Server):
    """uvicorn without its own hold on signals (a drain comes before its end) that tells when it can be reached."""

    def __init__(self, config: uvicorn.Config, tell_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_ready = tell_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        self._tell_ready()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals alone."""
        yield


async def run_app(app: FastAPI, server: Server, listener: socket.socket, *, drain_s: float) -> None:
    """Answer requests until a signal comes, then drain.

    Args:
        app: what is served.
        server: its parts.
        listener: a bound socket.
        drain_s: how long running questions may go on after the signal.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=CANCEL_S,
    )

    def tell_ready() -> None:
        host, port = listener.getsockname()[:2]
        print(f"serving {', '.join(offer.id for offer in server.offers)}")
        print(f"base_url http://{f'[{host}]' if ':' in host else host}:{port}/v1", flush=True)

    web = _QuietServer(config, tell_ready)
    async with anyio.create_task_group() as group:
        group.start_soon(_heed_signals, web, server, drain_s)
        await web.serve(sockets=[listener])
        group.cancel_scope.cancel()


async def _heed_signals(web: uvicorn.Server, server: Server, drain_s: float) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as group:
            async for number in signals:
                if number == signal.SIGHUP:
                    server.keys.reload()
                elif server.admission.is_draining:
                    web.should_exit = web.force_exit = True
                else:
                    server.log.write("draining", signal=signal.Signals(number).name, within_s=drain_s)
                    group.start_soon(_drain, web, server, drain_s)


async def _drain(web: uvicorn.Server, server: Server, drain_s: float) -> None:
    num_left = await server.admission.drain(drain_s)
    server.log.write("drained", num_left=num_left)
    web.should_exit = True
