"""Chooses implementations: settings and model specs in, open models out.

The embedded engine starts here and ends with the question. Two roles with the same spec share one model. Roles that
play on the same weights share one engine, each under its own adapter: ``embedded`` takes the adapter that is shipped
for the role, ``embedded:FILE.gguf`` one of yours.

Whether the embedded engine speculates is settled here, too. Who opens models says whether one user is behind all that
will be asked; nothing said means no, and then only methods are used that keep nothing of one question for the next.
"""

import os
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict

from abruzzi.cli.progress import download_bar
from abruzzi.config import DEFAULT_FILE, SHARED_TABLES, build, read_toml
from abruzzi.engine.adapters import shipped_adapter
from abruzzi.engine.drafting.attribution import AttributingChat
from abruzzi.engine.drafting.draft import DraftLimits
from abruzzi.engine.drafting.tokens import EngineTokens
from abruzzi.engine.gguf import inspect
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.engine.speculation import Method, check_isolated, check_offered, offered_methods, parse_speculation
from abruzzi.engine.tuned import find_tuned
from abruzzi.engine.weights import fetch_base
from abruzzi.errors import ConfigError
from abruzzi.models.chat import ChatModel
from abruzzi.models.endpoints import Endpoints
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.specs import (
    EmbeddedSpec,
    EndpointSpec,
    HubSpec,
    ModelSpec,
    ScriptedSpec,
    find_key,
    key_variables,
    parse_spec,
)
from abruzzi.reasoning.run import Roles
from abruzzi.reasoning.settings import AskSettings

ASK_TABLES = SHARED_TABLES

MAX_SLOTS = 16
"""Candidates that the embedded engine decodes side by side; more wait their turn."""
EMBEDDED_TOKENS = {"max_tokens": 512, "plan_tokens": 160, "judge_tokens": 256}
"""Limits for the embedded model where the user sets none: a 135M model that has not ended by then is looping."""
EMBEDDED_CUTS = {"top_k": 40, "min_p": 0.05}
"""Cuts of the embedded solver's distribution where the user sets none: llama.cpp's own defaults, said aloud."""


class ModelSpecs(BaseModel):
    """Which models play the roles: the ``[models]`` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    solver: str = "embedded"
    planner: str | None = None
    """None: the solver plans."""
    judge: str | None = None
    """None: the solver judges."""
    speculation: str = "auto"
    """In the embedded engine: ``off``, a method, ``draft=FILE.gguf``; ``auto``: what ``abruzzi engine tune`` found."""


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where weights and findings about endpoints are kept: ``$ABRUZZI_HOME/cache``, or the user's cache folder."""
    home = environ.get("ABRUZZI_HOME")
    if home:
        return Path(home) / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("abruzzi")


def build_settings(
    config: Path | None, tables: Iterable[str], *, models: Mapping[str, Any], ask: Mapping[str, Any]
) -> tuple[AskSettings, ModelSpecs]:
    """Merge defaults, the settings file and the options of the command line.

    Returns:
        The settings, with the limits of the embedded model where the user set none, and the model specs.

    Raises:
        ConfigError: anything in them is unknown or out of range, model specs included.
    """
    file = read_toml(config, tables)
    source = "settings" if not file else str(config or DEFAULT_FILE)
    settings = build(AskSettings, file.get("ask", {}), ask, source=source)
    specs = build(ModelSpecs, file.get("models", {}), models, source=source)
    return fit_settings(specs, settings), specs


@dataclass(frozen=True, slots=True)
class Weights:
    """What the embedded engine loads for a role."""

    model: Path
    adapter: Path | None = None


@asynccontextmanager
async def open_roles(
    specs: ModelSpecs, *, n: int, max_slots: int = MAX_SLOTS, is_one_user: bool = False
) -> AsyncGenerator[Roles]:
    """Open the models that play the roles.

    Args:
        specs: which ones.
        n: candidates that will be asked for at once.
        max_slots: completions that the embedded engine decodes side by side, at most.
        is_one_user: True when all that will be asked comes from one user, who may see it all.

    Raises:
        ConfigError: a key is missing, a spec cannot be served on this machine, or its speculation not be used here.
        EngineError: the embedded engine has no weights or does not start.
        ModelError: an endpoint does not say which model it serves.
    """
    played = {role: parse_spec(text) for role, text in spell_out(specs).items()}
    weights = {
        role: await anyio.to_thread.run_sync(find_weights, spec, role)
        for role, spec in played.items()
        if isinstance(spec, EmbeddedSpec | HubSpec)
    }
    async with AsyncExitStack() as stack:
        fit = partial(fit_speculation, wanted=specs.speculation, is_one_user=is_one_user)
        embedded = await _open_embedded(stack, weights, fit, n=min(n, max_slots))
        others: dict[ModelSpec, ChatModel] = {}
        for role, spec in played.items():
            if role not in embedded and spec not in others:
                others[spec] = await open_model(stack, spec, slots=min(n, max_slots))
        models = {role: embedded[role] if role in embedded else others[spec] for role, spec in played.items()}
        yield Roles(solver=models["solver"], planner=models["planner"], judge=models["judge"])


def spell_out(specs: ModelSpecs) -> dict[str, str]:
    """Say which spec plays each role."""
    return {
        "solver": specs.solver,
        "planner": specs.solver if specs.planner is None else specs.planner,
        "judge": specs.solver if specs.judge is None else specs.judge,
    }


def find_weights(spec: EmbeddedSpec | HubSpec, role: str) -> Weights:
    """Find the files that the embedded engine loads for a role, fetching the model where it is not at hand.

    Raises:
        WeightsError: they cannot be had; says what to do.
        ConfigError: the spec needs an engine that this platform has no wheel for.
    """
    file = fetch_weights(spec)
    if isinstance(spec, HubSpec) or spec.is_base:
        return Weights(file)
    if spec.path is None:
        return Weights(file, shipped_adapter(role))
    return Weights(fetch_weights(EmbeddedSpec()), file) if inspect(file).is_adapter else Weights(file)


async def _open_embedded(
    stack: AsyncExitStack, weights: Mapping[str, Weights], fit: Callable[[EngineSettings], EngineSettings], *, n: int
) -> dict[str, ChatModel]:
    """Start an engine for each model, with the adapters of all roles that play on it."""
    opened: dict[str, ChatModel] = {}
    for model in dict.fromkeys(found.model for found in weights.values()):
        playing = {role: found.adapter for role, found in weights.items() if found.model == model}
        files = list(dict.fromkeys(adapter for adapter in playing.values() if adapter is not None))
        adapters = tuple(Adapter(f"{number}-{file.stem}", file) for number, file in enumerate(files))
        # A slot for each role but the solver: their instructions are long, and the same for every question.
        wanted = replace(embedded_settings(model, n), adapters=adapters, spare_slots=len(playing.keys() - {"solver"}))
        settings = await anyio.to_thread.run_sync(fit, wanted)
        engine = await start_engine(stack, settings)
        chat = await connect(stack, engine)
        for role, adapter in playing.items():
            opened[role] = name_sources(
                chat
                if adapter is None
                else chat.with_adapter(files.index(adapter), name=f"{chat.name}+{adapter.stem}"),
                engine,
            )
    return opened


def name_sources(chat: ChatModel, engine: Engine) -> ChatModel:
    """Have the ledger say where accepted tokens came from, if the engine drafts by the rule that can be replayed."""
    speculation = engine.settings.speculation
    if speculation is None or speculation.method is not Method.NGRAM_SIMPLE:
        return chat
    limits = DraftLimits(speculation.ngram_tokens, speculation.max_draft_tokens)
    return AttributingChat(chat, EngineTokens(engine.base_url, engine.api_key), limits)


def fit_settings(specs: ModelSpecs, settings: AskSettings) -> AskSettings:
    """Give the embedded model its limits, role by role, and its sampling, where the user set nothing."""
    roles = spell_out(specs)
    played_by = {"max_tokens": roles["solver"], "plan_tokens": roles["planner"], "judge_tokens": roles["judge"]}
    fitted: dict[str, float] = {
        field: EMBEDDED_TOKENS[field] for field, text in played_by.items() if isinstance(parse_spec(text), EmbeddedSpec)
    }
    if isinstance(parse_spec(roles["solver"]), EmbeddedSpec):
        fitted |= EMBEDDED_CUTS
    unset = {field: value for field, value in fitted.items() if field not in settings.model_fields_set}
    return settings.model_copy(update=unset)


async def open_model(stack: AsyncExitStack, spec: ModelSpec, *, slots: int) -> ChatModel:
    """Open one model; ``stack`` closes it.

    Args:
        stack: takes over what must be closed.
        spec: which model.
        slots: completions side by side, in the embedded engine.
    """
    match spec:
        case EndpointSpec():
            return await _open_endpoint(stack, spec)
        case EmbeddedSpec() | HubSpec():
            model = await anyio.to_thread.run_sync(fetch_weights, spec)
            settings = await anyio.to_thread.run_sync(fit_speculation, embedded_settings(model, slots))
            return await open_engine(stack, settings)
        case ScriptedSpec():
            from abruzzi.models.scripted_demo import demonstrate

            return demonstrate()


def embedded_settings(model: Path, n: int) -> EngineSettings:
    """Tell how the embedded engine runs a model for n candidates at once, before speculation is settled."""
    return EngineSettings(model=model, slots=max(2, n))


def fit_speculation(
    settings: EngineSettings, wanted: str = "auto", *, is_one_user: bool = False, folder: Path | None = None
) -> EngineSettings:
    """Settle whether an engine speculates, and how.

    Args:
        settings: the engine's.
        wanted: ``auto`` takes what was measured for such an engine on this machine, and otherwise nothing; see
            ``parse_speculation`` for the rest.
        is_one_user: False keeps out what drafts from other questions.
        folder: where measurements are kept; None: the cache folder.

    Raises:
        ConfigError: there is no such method, the installed library does not have it, or it is not for several users.
        EngineStartError: the library cannot be loaded.
    """
    if wanted == "auto":
        tuned = find_tuned(folder or cache_folder(os.environ), settings)
        return replace(settings, speculation=None if tuned is None else tuned.pick(is_one_user=is_one_user))
    speculation = parse_speculation(wanted)
    if speculation is not None:
        if not is_one_user:
            check_isolated(speculation)
        check_offered(speculation, offered_methods())
    return replace(settings, speculation=speculation)


async def _open_endpoint(stack: AsyncExitStack, spec: EndpointSpec) -> ChatModel:
    variables = key_variables(spec)
    chat = OpenAIChat(
        spec.base_url,
        model=spec.model,
        api_key=find_key(spec, os.environ) or "",
        key_variable=variables[0] if spec.host != "127.0.0.1" else "ABRUZZI_API_KEY",
        endpoints=Endpoints(cache_folder(os.environ) / "endpoints.json"),
    )
    await stack.enter_async_context(chat)
    await chat.discover()
    return chat


async def open_engine(stack: AsyncExitStack, settings: EngineSettings) -> OpenAIChat:
    """Start the embedded engine and a client for it; ``stack`` closes both."""
    return await connect(stack, await start_engine(stack, settings))


async def start_engine(stack: AsyncExitStack, settings: EngineSettings) -> Engine:
    """Start the embedded engine; ``stack`` stops it."""
    engine = Engine(settings)
    stack.push_async_callback(_stop_engine, engine)
    await anyio.to_thread.run_sync(engine.start)
    return engine


async def connect(stack: AsyncExitStack, engine: Engine) -> OpenAIChat:
    """Make a client of a running engine; ``stack`` closes it."""
    settings = engine.settings
    chat = OpenAIChat(
        engine.base_url,
        model=engine.model,
        api_key=engine.api_key,
        name=f"embedded:{settings.model.stem}",
        dialect="llama.cpp",
        max_n=settings.slots,
        max_context=engine.max_context,
        num_adapters=len(settings.adapters),
    )
    return await stack.enter_async_context(chat)


async def _stop_engine(engine: Engine) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(engine.stop)


def fetch_weights(spec: EmbeddedSpec | HubSpec) -> Path:
    """Find the GGUF file of a spec, fetching it with a progress bar on stderr where it is not at hand.

    Raises:
        WeightsError: it cannot be had; says what to do.
        ConfigError: the spec needs an engine that this platform has no wheel for.
    """
    if sys.platform not in ("linux", "darwin", "win32"):
        raise ConfigError(
            f"the embedded engine has no build for {sys.platform}; name an endpoint: -m http://host:port/v1"
        )
    cache = cache_folder(os.environ)
    match spec:
        case EmbeddedSpec(path=path) if path is not None:
            return Path(path)
        case EmbeddedSpec():
            with download_bar("SmolLM2-135M-Instruct") as progress:
                return fetch_base(cache, progress)
        case HubSpec(repo, file):
            from abruzzi.engine.hub import HubFile, fetch_hub

            with download_bar(file) as progress:
                return fetch_hub(HubFile(repo, file), cache, progress)
