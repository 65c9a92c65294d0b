"""Best-of-3 on the embedded engine as a multiple of a plain loop and of Hugging Face ``generate``, in one run.

Ways of sampling the same three candidates take turns, question by question, so that a noisy machine is noisy to all of
them. The prompt is the solver's own, with a plan, and a new question for each way and each turn, so that no way profits
from another's prompt cache. Every candidate has the same number of tokens, its end-of-text token held back: what is
compared is the work, not how long a model likes to talk. Nothing is planned, stopped early or judged here.

How much a shared prompt saves depends on how long it is beside the candidates, so the report says both.
"""

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import anyio

from abruzzi.cli.bench_costs import Cost, Stopwatch, Watch
from abruzzi.cli.bench_report import Report
from abruzzi.cli.ratios import Ratio, estimate_ratio
from abruzzi.cli.wiring import Weights, fetch_weights, find_weights, open_engine
from abruzzi.engine.settings import Adapter, EngineSettings
from abruzzi.errors import ConfigError
from abruzzi.ledger import Ledger
from abruzzi.models.chat import ChatModel, ChatRequest
from abruzzi.models.specs import EmbeddedSpec, HubSpec, parse_spec
from abruzzi.nouns import Message, Role, Usage
from abruzzi.reasoning.sample import solver_messages
from abruzzi.reasoning.settings import AskSettings

ONE, SHARED, PARALLEL, IN_TURN, LOOP = (
    "one candidate",
    "three, one request",
    "three parallel requests",
    "three in turn, prompt cached",
    "three in turn, nothing cached",
)
HF_BATCH, HF_LOOP = "transformers, three in one batch", "transformers, three in turn"
LOOP_GOAL, HF_GOAL = 0.4, 0.3

PLAN = """Write down what the library has at the start.
Count its shelves from its books.
Add what it buys in the first year, and do the same for each year after it.
Take a tenth of the books away each year, and compare both results."""

Way = Callable[[tuple[Message, ...], int], Awaitable[Usage]]
"""(prompt, seed) → the tokens it took."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured."""

    model: str = "embedded:base"
    """``embedded``, ``embedded:base``, ``embedded:FILE.gguf`` (a model or an adapter) or ``hf:…``."""
    adapter: Path | None = None
    """Folder of an exported adapter of the base, for the engine and for transformers alike."""
    repeats: int = 5
    tokens: int = 40
    """Of every candidate."""
    with_transformers: bool = False


@dataclass(slots=True)
class _Measured:
    costs: list[Cost] = field(default_factory=list[Cost])
    usages: list[Usage] = field(default_factory=list[Usage])


def ignore(report: Report) -> None:
    """Drop a report of what was found so far."""


async def measure(wanted: Wanted, tell: Callable[[Report], None] = ignore) -> Report:
    """Measure every way of sampling.

    Args:
        wanted: what is measured.
        tell: told after each turn of all ways what was found so far, since a slow machine may take long.

    Returns:
        A row per way, and ours as a multiple of the others.

    Raises:
        ConfigError: the model is no embedded one, or transformers cannot open what the engine can.
        EngineError: the engine has no weights or does not start.
    """
    spec = parse_spec(wanted.model)
    if not isinstance(spec, EmbeddedSpec | HubSpec):
        raise ConfigError(
            f"{wanted.model!r} does not run in the embedded engine: name embedded, embedded:FILE.gguf or hf:…"
        )
    async with AsyncExitStack() as stack:
        weights = await anyio.to_thread.run_sync(_find, stack, spec, wanted.adapter)
        ways = list_ways(await _open_chat(stack, weights), wanted.tokens)
        if wanted.with_transformers:
            ways |= await anyio.to_thread.run_sync(_list_transformers, weights, wanted)
        return await take_turns(ways, wanted, tell)


async def take_turns(
    ways: Mapping[str, Way],
    wanted: Wanted,
    tell: Callable[[Report], None] = ignore,
    *,
    start_watch: Callable[[], Watch] = Stopwatch,
) -> Report:
    """Let ways of sampling take turns, after one turn of all that warms up.

    Args:
        ways: by name, ours among them.
        wanted: how often, and what the report says of it.
        tell: see ``measure``.
        start_watch: begins to measure a turn.
    """
    found = {name: _Measured() for name in ways}
    for repeat in range(-1, wanted.repeats):
        for number, (name, way) in enumerate(ways.items()):
            prompt = solver_messages(write_question(repeat, number), PLAN)
            watch = start_watch()
            usage = await way(prompt, repeat + 1)
            if repeat >= 0:
                found[name].costs.append(watch.read())
                found[name].usages.append(usage)
        if repeat >= 0:
            tell(_report(wanted, found))
    return _report(wanted, found)


def write_question(repeat: int, number: int) -> str:
    """Write a question of its own for every turn, of the same length in tokens (digits are tokens of their own)."""
    first, second = 1000 + 37 * (repeat + 2) + 11 * number, 300 + 13 * (repeat + 2) + 7 * number
    return (
        f"In {first} a library held {second} books. Every year it buys as many books as it has shelves, and it has one "
        f"shelf for every {number + 11} books. Explain step by step, in full sentences, how its stock grows over four "
        "years, and what would change if it gave a tenth of its books away each year."
    )


def _find(stack: AsyncExitStack, spec: EmbeddedSpec | HubSpec, adapter: Path | None) -> Weights:
    """Find what the engine loads; an adapter's folder is exported to a file that lives as long as the bench."""
    if adapter is None:
        return find_weights(spec, "solver")
    if spec not in (EmbeddedSpec(), EmbeddedSpec(is_base=True)):
        raise ConfigError(f"the adapter {adapter} is one of the embedded base: name the model embedded:base beside it")
    from abruzzi.cli.bench_transformers import export_adapter

    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return Weights(fetch_weights(EmbeddedSpec()), export_adapter(adapter, scratch / "adapter.gguf"))


async def _open_chat(stack: AsyncExitStack, weights: Weights) -> ChatModel:
    adapters = () if weights.adapter is None else (Adapter("solver", weights.adapter),)
    chat = await open_engine(stack, EngineSettings(model=weights.model, slots=3, adapters=adapters))
    return chat if weights.adapter is None else chat.with_adapter(0, name=chat.name)


def list_ways(chat: ChatModel, tokens: int) -> dict[str, Way]:
    """List the ways of sampling on an engine, by name.

    Args:
        chat: a client of the engine, which honours ``n``.
        tokens: of every candidate.
    """
    settings = AskSettings()

    async def ask(prompt: tuple[Message, ...], seed: int, *, n: int = 1, cached: bool = True) -> Usage:
        request = ChatRequest(
            role=Role.SOLVER,
            messages=prompt,
            n=n,
            max_tokens=tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=seed,
            sampling={"ignore_eos": True, "cache_prompt": cached},
        )
        ledger = Ledger()
        await chat.complete(request, ledger=ledger)
        return ledger.totals().usage

    async def ask_in_turn(prompt: tuple[Message, ...], seed: int, *, cached: bool) -> Usage:
        return _add([await ask(prompt, 3 * seed + number, cached=cached) for number in range(3)])

    async def ask_side_by_side(prompt: tuple[Message, ...], seed: int) -> Usage:
        usages: list[Usage] = []

        async def one(number: int) -> None:
            usages.append(await ask(prompt, 3 * seed + number))

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(one, number)
        return _add(usages)

    return {
        ONE: ask,
        SHARED: lambda prompt, seed: ask(prompt, seed, n=3),
        PARALLEL: ask_side_by_side,
        IN_TURN: lambda prompt, seed: ask_in_turn(prompt, seed, cached=True),
        LOOP: lambda prompt, seed: ask_in_turn(prompt, seed, cached=False),
    }


def _list_transformers(weights: Weights, wanted: Wanted) -> dict[str, Way]:
    """List the ways of sampling in transformers, on the same weights."""
    from abruzzi.cli.bench_transformers import open_sampler

    sampler = open_sampler(weights, wanted.adapter)

    async def ask_once(prompt: tuple[Message, ...], seed: int) -> Usage:
        return sampler(prompt, 3, wanted.tokens, seed)

    async def ask_in_turn(prompt: tuple[Message, ...], seed: int) -> Usage:
        return _add([sampler(prompt, 1, wanted.tokens, 3 * seed + number) for number in range(3)])

    return {HF_BATCH: ask_once, HF_LOOP: ask_in_turn}


def _report(wanted: Wanted, found: Mapping[str, _Measured]) -> Report:
    num_turns = len(found[SHARED].costs)
    return Report(
        title=f"best-of-3, {wanted.tokens} tokens a candidate, medians of {num_turns}",
        rows=[_describe(name, measured) for name, measured in found.items()],
        ratios=_compare(found),
    )


def _add(usages: list[Usage]) -> Usage:
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
    )


def _describe(name: str, measured: _Measured) -> dict[str, Any]:
    return {
        "way": name,
        "cpu_s": median(cost.cpu_s for cost in measured.costs),
        "wall_s": median(cost.wall_s for cost in measured.costs),
        "prompt_tokens": int(median(usage.prompt_tokens for usage in measured.usages)),
        "of_them_cached": int(median(usage.cached_tokens for usage in measured.usages)),
        "completion_tokens": int(median(usage.completion_tokens for usage in measured.usages)),
    }


def _compare(found: Mapping[str, _Measured]) -> list[Ratio]:
    """Ours as a multiple of the others, in CPU seconds; in wall seconds too where a goal is set."""
    goals = {LOOP: LOOP_GOAL, HF_BATCH: HF_GOAL, HF_LOOP: HF_GOAL}
    ratios: list[Ratio] = []
    for name, measured in found.items():
        if name == SHARED:
            continue
        for unit in ("cpu_s", "wall_s") if name in goals else ("cpu_s",):
            ours, theirs = ([getattr(cost, unit) for cost in one.costs] for one in (found[SHARED], measured))
            goal = goals.get(name) if unit == "cpu_s" else None
            ratios.append(estimate_ratio(f"{SHARED} / {name}, {unit}", ours, theirs, goal=goal))
    return ratios
