"""Makes what a component table is computed from: plans, candidate pools and the judge's choices, nothing twice.

The order is that of importance, so that an ablation stopped early still says something: plain candidates, plans,
planned candidates, the judge, placebos, the longer single sample. Each step goes through all benchmarks before the next
begins. Whatever is finished is stored at once, and the same command goes on from there.

The table itself is computed elsewhere, from the stores alone.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from abruzzi.data.items import Item
from abruzzi.evaluation.arms import NO_PLAN, PLACEBOS, Arm, plans_for
from abruzzi.evaluation.attempt import Bench, draw_seed
from abruzzi.evaluation.pools import (
    JudgedGroup,
    PlannedItem,
    Pool,
    PoolStores,
    draw_groups,
    judge_group,
    plan_item,
    sample_pool,
    with_size,
)
from abruzzi.evaluation.runner import work_off
from abruzzi.ledger import Call, sum_usage
from abruzzi.nouns import FinishReason, Plan
from abruzzi.reasoning.settings import MAX_N, AskSettings

J = TypeVar("J")


class AblationSettings(BaseModel):
    """How much of each arm is sampled; frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: Annotated[int, Field(ge=1, le=MAX_N)] = 16
    """Candidates per item in the plain and the planned arm: each is one run of the single sample."""
    n: Annotated[int, Field(ge=2, le=MAX_N)] = 3
    """Candidates per answer in best-of-N."""
    judged_runs: Annotated[int, Field(ge=0)] = 16
    """Groups of N per item and arm that the judge chooses among; 0 leaves the judge out."""
    placebo_runs: Annotated[int, Field(ge=0, le=MAX_N)] = 16
    """Candidates per item in each placebo arm; 0 leaves the placebos out."""
    long_runs: Annotated[int, Field(ge=0, le=MAX_N)] = 16
    """Longer single samples per item; 0 leaves them out."""

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.n > self.runs:
            raise ValueError(f"n={self.n} is more than the runs={self.runs} candidates of a pool; make runs larger")
        return self


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of an ablation."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Ablation:
    """An ablation under way."""

    bench: Bench
    settings: AblationSettings
    benchmarks: Mapping[str, Sequence[Item]]
    """Name → items."""
    stores: PoolStores
    """Entered for writing."""
    parallel: int
    """Requests under way at a time."""
    on_step: Callable[[Step], None]


async def run_ablation(ablation: Ablation) -> None:
    """Make all that is missing.

    Raises:
        ModelError: an endpoint failed for longer than the patience lasts; what was finished is stored.
        DataError: no verifier takes an item.
        RecordError: something cannot be stored.
    """
    settings = ablation.settings
    await _sample_arm(ablation, Arm.NONE, settings.runs)
    await _plan(ablation)
    await _sample_arm(ablation, Arm.PLAN, settings.runs)
    await _judge(ablation)
    for arm in PLACEBOS:
        await _sample_arm(ablation, arm, settings.placebo_runs)
    await _sample_long(ablation)


def plans_of(stores: PoolStores, benchmark: str) -> dict[str, Plan]:
    """Return item id → plan of a benchmark's planned items."""
    return {row.item: row.plan for row in stores.plans if row.benchmark == benchmark}


def pools_of(stores: PoolStores, benchmark: str, arm: Arm) -> dict[str, Pool]:
    """Return item id → pool of one benchmark and arm."""
    return {row.item: row for row in stores.pools if row.benchmark == benchmark and row.arm is arm}


def shown_pools(stores: PoolStores, benchmark: str, arm: Arm) -> dict[str, Pool]:
    """Return item id → pool of an arm that shows plans; empty before any is sampled.

    An item for which the planner gave no plan is answered as without one: it has the plain candidates.
    """
    own = pools_of(stores, benchmark, arm)
    plain = pools_of(stores, benchmark, Arm.NONE) if own else {}
    return own | {item: plain[item] for item in unplanned_items(stores, benchmark) & plain.keys()}


def judged_groups(stores: PoolStores, benchmark: str, arm: Arm) -> list[JudgedGroup]:
    """Return the judged groups of the pools that ``pools_of`` (no plan) or ``shown_pools`` gives."""
    own = [row for row in stores.groups if row.benchmark == benchmark and row.arm is arm]
    if arm is Arm.NONE or not own:
        return own
    unplanned = unplanned_items(stores, benchmark)
    return own + [row for row in judged_groups(stores, benchmark, Arm.NONE) if row.item in unplanned]


def unplanned_items(stores: PoolStores, benchmark: str) -> frozenset[str]:
    """Return the items that the planner was asked about and gave no plan for."""
    return frozenset(item for item, plan in plans_of(stores, benchmark).items() if not plan.text)


def full_budget(stores: PoolStores, benchmark: str, n: int) -> float | None:
    """Mean completion tokens that the full system (plan, N candidates, judge) spends on a question.

    Returns:
        Tokens; None before the planned arm is sampled.
    """
    pools = shown_pools(stores, benchmark, Arm.PLAN) or pools_of(stores, benchmark, Arm.NONE)
    if not pools:
        return None
    solving = n * mean_tokens(list(pools.values()))
    planning = [completion_tokens(row.calls) for row in stores.plans if row.benchmark == benchmark]
    judging = [completion_tokens(row.calls) for row in judged_groups(stores, benchmark, Arm.PLAN)]
    return solving + _mean(planning) + _mean(judging)


def long_limit(budget: float, ask: AskSettings) -> int:
    """Tokens that a longer sample may take: the full system's, and no fewer than the plain candidates'."""
    return max(math.ceil(budget), ask.max_tokens or 0)


def mean_tokens(pools: Sequence[Pool]) -> float:
    """Mean completion tokens of a candidate, over pools."""
    num_candidates = sum(len(pool.candidates) for pool in pools)
    return sum(completion_tokens(pool.calls) for pool in pools) / max(1, num_candidates)


def completion_tokens(calls: Sequence[Call]) -> int:
    """Completion tokens of some calls."""
    return sum_usage([call.usage for call in calls]).completion_tokens


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


async def _plan(ablation: Ablation) -> None:
    stores = ablation.stores
    missing = [
        (name, item)
        for name, items in ablation.benchmarks.items()
        for item in items
        if not stores.plans.is_done((name, item.id))
    ]

    async def make(job: tuple[str, Item]) -> None:
        """Plan one item."""
        row: PlannedItem = await plan_item(ablation.bench, *job)
        stores.plans.add(row)

    await _work(ablation, "plans", missing, make, total=sum(map(len, ablation.benchmarks.values())))


async def _sample_arm(ablation: Ablation, arm: Arm, size: int) -> None:
    if size == 0:
        return
    stores, missing, total = ablation.stores, list[tuple[str, Item, Plan]](), 0
    for name, items in ablation.benchmarks.items():
        known = plans_of(stores, name)
        plans = plans_for(arm, known, draw_seed(ablation.bench.ask.seed, name, arm))
        for item in items:
            plan = NO_PLAN if arm is Arm.NONE else plans.get(item.id)
            if plan is None:
                continue
            total += 1
            if not stores.pools.is_done((name, item.id, arm)):
                missing.append((name, item, plan))
    bench = with_size(ablation.bench, size)

    async def make(job: tuple[str, Item, Plan]) -> None:
        """Sample one pool."""
        name, item, plan = job
        stores.pools.add(await sample_pool(bench, name, item, arm, plan))

    await _work(ablation, f"candidates, {arm}", missing, make, total=total)


async def _judge(ablation: Ablation) -> None:
    """Have groups judged, all benchmarks and both arms in step: stopped early, each has about as many."""
    settings, stores = ablation.settings, ablation.stores
    jobs: list[tuple[int, Item, Pool, tuple[int, ...]]] = []
    for arm in (Arm.NONE, Arm.PLAN):
        for name, items in ablation.benchmarks.items():
            pools = pools_of(stores, name, arm)
            for place, item in enumerate(items):
                if pool := pools.get(item.id):
                    seed = draw_seed(ablation.bench.ask.seed, name, item.id, "groups")
                    groups = draw_groups(len(pool.candidates), settings.n, settings.judged_runs, seed)
                    jobs += [(number * len(items) + place, item, pool, group) for number, group in enumerate(groups)]
    jobs.sort(key=lambda job: job[0])
    missing = [job[1:] for job in jobs if not stores.groups.is_done((*job[2].key, job[3]))]
    bench = with_size(ablation.bench, settings.n)

    async def make(job: tuple[Item, Pool, tuple[int, ...]]) -> None:
        """Have one group judged."""
        row: JudgedGroup = await judge_group(bench, *job)
        stores.groups.add(row)

    await _work(ablation, "judge", missing, make, total=len(jobs))


async def _sample_long(ablation: Ablation) -> None:
    """Sample single candidates with the full system's tokens, where any plain one was cut at its limit at all."""
    settings, stores = ablation.settings, ablation.stores
    if settings.long_runs == 0:
        return
    for name, items in ablation.benchmarks.items():
        plain = pools_of(stores, name, Arm.NONE)
        budget = full_budget(stores, name, settings.n)
        if budget is None or not any(
            c.finish_reason is FinishReason.LENGTH for p in plain.values() for c in p.candidates
        ):
            continue
        bench = with_size(ablation.bench, settings.long_runs, max_tokens=long_limit(budget, ablation.bench.ask))
        missing = [item for item in items if not stores.pools.is_done((name, item.id, Arm.LONG))]

        async def make(item: Item, name: str = name, bench: Bench = bench) -> None:
            stores.pools.add(await sample_pool(bench, name, item, Arm.LONG, NO_PLAN))

        await _work(ablation, f"longer samples, {name}", missing, make, total=len(items))


async def _work(
    ablation: Ablation, name: str, missing: Sequence[J], make: Callable[[J], Awaitable[None]], *, total: int
) -> None:
    """Do a step's jobs, so many side by side."""
    done = total - len(missing)
    ablation.on_step(Step(name, done, total))

    async def finish(job: J) -> None:
        """Do a job and count it."""
        nonlocal done
        await make(job)
        done += 1
        ablation.on_step(Step(name, done, total))

    await work_off(iter(missing), finish, parallel=ablation.parallel)
