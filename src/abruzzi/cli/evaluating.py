"""Runs an evaluation from the command line: settings resolved, models opened and identified, samples made and stored.

A progress bar with the running score goes to stderr, or a line now and then where that is no terminal. What was
finished is on disk whatever ends the command.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import anyio

from abruzzi import __version__
from abruzzi.cli.gauge import Gauge, open_gauge
from abruzzi.cli.wiring import ASK_TABLES, ModelSpecs, find_weights, fit_settings, open_roles, spell_out
from abruzzi.config import DEFAULT_FILE, build, read_toml
from abruzzi.data.items import Item, hash_items
from abruzzi.errors import DataError
from abruzzi.evaluation.attempt import Bench, make_sample
from abruzzi.evaluation.benchmarks.benchmark import Benchmark
from abruzzi.evaluation.benchmarks.registry import find_benchmark
from abruzzi.evaluation.folder import Evaluation, open_evaluation
from abruzzi.evaluation.protocol import BenchmarkIdentity, ModelIdentity, Protocol
from abruzzi.evaluation.runner import missing_samples, run_samples
from abruzzi.evaluation.samples import UNSCORED, Sample, SampleOutcome
from abruzzi.evaluation.systems import System, parse_system
from abruzzi.models.specs import EmbeddedSpec, HubSpec, parse_spec
from abruzzi.reasoning.agreement import open_agreement
from abruzzi.reasoning.prompts import prompt_versions
from abruzzi.reasoning.run import Roles
from abruzzi.reasoning.settings import AskSettings

MAX_SLOTS = 32
"""Completions that the embedded engine decodes side by side in an evaluation: more keep its cores busier."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for, whatever is being measured."""

    models: Mapping[str, str | None]
    """Role → model spec."""
    sampling: Mapping[str, Any]
    """Settings given on the command line."""
    data: Path | None
    limit: int | None
    parallel: int
    patience_s: float
    config: Path | None


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be measured, all settings resolved."""

    specs: ModelSpecs
    system: System
    benchmark: Benchmark
    items: list[Item]
    runs: int


def run_evaluation(
    benchmark_name: str, system_spec: str, runs: int | None, out: Path, wish: Wish, *, ray_address: str | None
) -> int:
    """Make all samples that are missing from the folder.

    Returns:
        The exit code: 0.

    Raises:
        AbruzziError: a setting is wrong, a model cannot be opened, too many samples fail in a row.
    """
    benchmark = find_benchmark(benchmark_name)
    specs, asked = read_settings(wish)
    system = parse_system(system_spec, {**sampling_of(benchmark, specs), **asked, **wish.sampling})
    order = _Order(
        specs=specs,
        system=replace(system, ask=fit_settings(specs, system.ask)),
        benchmark=benchmark,
        items=load_items(benchmark, wish),
        runs=runs or benchmark.sampling.runs,
    )
    if ray_address is not None:
        _run_on_ray(order, out, wish, ray_address)
    else:
        anyio.run(_run_here, order, out, wish)
    return 0


def read_settings(wish: Wish) -> tuple[ModelSpecs, dict[str, Any]]:
    """Merge settings file and command line into model specs; returns the file's ``[ask]`` table beside them."""
    file = read_toml(wish.config, ASK_TABLES)
    source = "settings" if not file else str(wish.config or DEFAULT_FILE)
    return build(ModelSpecs, file.get("models", {}), wish.models, source=source), dict(file.get("ask", {}))


def sampling_of(benchmark: Benchmark, specs: ModelSpecs) -> dict[str, Any]:
    """The benchmark's own sampling, less what the embedded model's context cannot hold."""
    sampling = benchmark.sampling
    found = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "stop": sampling.stop,
    }
    if isinstance(parse_spec(specs.solver), EmbeddedSpec):
        del found["max_tokens"]
    return found


def load_items(benchmark: Benchmark, wish: Wish) -> list[Item]:
    """Load a benchmark's items.

    Raises:
        DataError: they cannot be had, or there are none.
    """
    items = benchmark.load(wish.data)[: wish.limit]
    if not items:
        raise DataError(f"{benchmark.name} has no items{'' if wish.data is None else f' in {wish.data}'}")
    return items


def identify_benchmark(benchmark: Benchmark, items: Sequence[Item]) -> BenchmarkIdentity:
    """Say which items are asked."""
    return BenchmarkIdentity(
        name=benchmark.name, revision=benchmark.revision, num_items=len(items), items_sha256=hash_items(items)
    )


def identify_models(specs: ModelSpecs, roles: Roles, ask: AskSettings) -> dict[str, ModelIdentity]:
    """Say who plays which part; only parts that the system has."""
    is_paper = ask.preset == "paper"
    played = {"solver": roles.solver.name}
    if ask.plan != "off" or is_paper:
        played["planner"] = roles.planner.name
    if (ask.judge and ask.n > 1) or is_paper:
        played["judge"] = roles.judge.name
    texts = spell_out(specs)
    return {
        role: ModelIdentity(spec=texts[role], name=name, sha256=hash_weights(texts[role], role))
        for role, name in played.items()
    }


def hash_weights(spec: str, role: str) -> str | None:
    """Hash the file that a role plays on; with an adapter, the two files' hashes together."""
    parsed = parse_spec(spec)
    if not isinstance(parsed, EmbeddedSpec | HubSpec):
        return None
    weights = find_weights(parsed, role)
    model = _hash_file(weights.model)
    if weights.adapter is None:
        return model
    return hashlib.sha256(f"{model}+{_hash_file(weights.adapter)}".encode()).hexdigest()


@cache
def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@asynccontextmanager
async def open_bench(specs: ModelSpecs, ask: AskSettings, *, parallel: int, patience_s: float) -> AsyncGenerator[Bench]:
    """Open all that samples are made with."""
    async with (
        open_roles(specs, n=ask.n * parallel, max_slots=MAX_SLOTS, is_one_user=True) as roles,
        open_agreement() as agree,
    ):
        yield Bench(roles=roles, ask=ask, agree=agree, patience_s=patience_s)


def _run_on_ray(order: _Order, out: Path, wish: Wish, address: str) -> None:
    """Make the samples on a cluster; the models are opened here once, to tell which they are."""
    from abruzzi.evaluation.fanout import run_on_ray

    open_there = partial(open_bench, order.specs, order.system.ask, parallel=wish.parallel, patience_s=wish.patience_s)
    evaluation = open_evaluation(out, anyio.run(_identify, order), order.items)
    missing = missing_samples(evaluation.items, order.runs, evaluation.samples)
    with evaluation.samples as store, open_gauge() as gauge:
        watch = _Watch(gauge, evaluation)
        run_on_ray(address, missing, open_there, store, parallel=wish.parallel, on_sample=watch.note)


async def _run_here(order: _Order, out: Path, wish: Wish) -> None:
    async with open_bench(order.specs, order.system.ask, parallel=wish.parallel, patience_s=wish.patience_s) as bench:
        evaluation = open_evaluation(out, _describe(order, bench.roles), order.items)
        missing = missing_samples(evaluation.items, order.runs, evaluation.samples)
        with evaluation.samples as store, open_gauge() as gauge:
            watch = _Watch(gauge, evaluation)
            await run_samples(missing, partial(make_sample, bench), store, parallel=wish.parallel, on_sample=watch.note)


async def _identify(order: _Order) -> Protocol:
    async with open_roles(order.specs, n=1, is_one_user=True) as roles:
        return _describe(order, roles)


def _describe(order: _Order, roles: Roles) -> Protocol:
    return Protocol(
        version=__version__,
        benchmark=identify_benchmark(order.benchmark, order.items),
        system=order.system.name,
        ask=order.system.ask,
        models=identify_models(order.specs, roles, order.system.ask),
        prompts=prompt_versions(),
        runs=order.runs,
    )


class _Watch:
    """Shows how far an evaluation is, with the mean score so far and what has none; counts each sample once."""

    def __init__(self, gauge: Gauge, evaluation: Evaluation) -> None:
        self._gauge = gauge
        self._name = f"{evaluation.protocol.benchmark.name}, {evaluation.protocol.system}"
        self._total = len(evaluation.items) * evaluation.protocol.runs
        self._outcomes: Counter[SampleOutcome] = Counter()
        self._sum = 0.0
        self._failed = {sample.key for sample in evaluation.samples if sample.outcome is SampleOutcome.FAILED}
        """Failed before; each gives way to its next try."""
        for sample in evaluation.samples:
            self._count(sample)
        self._show()

    def note(self, sample: Sample) -> None:
        """Take the next sample in."""
        if sample.key in self._failed:
            self._failed.remove(sample.key)
            self._outcomes[SampleOutcome.FAILED] -= 1
        self._count(sample)
        self._show()

    def _count(self, sample: Sample) -> None:
        self._outcomes[sample.outcome] += 1
        self._sum += sample.score if sample.is_scored else 0.0

    def _show(self) -> None:
        num_unscored = sum(self._outcomes[outcome] for outcome in UNSCORED)
        num_scored = self._outcomes.total() - num_unscored
        notes = [
            f"score {self._sum / num_scored:.3f}" if num_scored else "",
            f"{num_unscored} failed" if num_unscored else "",
        ]
        done = self._outcomes.total() - self._outcomes[SampleOutcome.FAILED]
        self._gauge.show(self._name, done, self._total, ", ".join(note for note in notes if note))
