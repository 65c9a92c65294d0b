"""Pools of candidates for an ablation: sampled once, reused by every variant that chooses among them.

For each item and arm a pool holds as many candidates as the protocol has runs, all from one prompt. A single answer is
one of them; best-of-N is a group of N of them; how to choose among a group (majority, likelihood, oracle) needs no
further call, and only the judge's choices are asked for. Groups for the judge are drawn so that every candidate is in
about as many groups as any other.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from abruzzi.data.items import Item
from abruzzi.errors import ModelError, NoCandidateError
from abruzzi.evaluation.arms import Arm
from abruzzi.evaluation.attempt import Bench, check_plan, draw_seed, failed_part, lacks_votes
from abruzzi.evaluation.patience import wait_out
from abruzzi.evaluation.scoring import score_candidates
from abruzzi.evaluation.store import Store
from abruzzi.ledger import Call
from abruzzi.nouns import Candidate, DecidedBy, FinishReason, Judgement, Plan, Role, Verdict
from abruzzi.reasoning.pipeline import choose
from abruzzi.reasoning.plan import make_plan
from abruzzi.reasoning.run import Run
from abruzzi.reasoning.sample import sample


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """The plan of one item, made once: the planner is greedy, so that further runs would repeat it."""

    benchmark: str
    item: str
    plan: Plan
    calls: tuple[Call, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.benchmark, self.item


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates of one item in one arm."""

    benchmark: str
    item: str
    arm: Arm
    plan: Plan
    candidates: tuple[Candidate, ...]
    verdicts: tuple[Verdict | None, ...]
    """One for each candidate."""
    calls: tuple[Call, ...]
    seconds: float

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by."""
        return self.benchmark, self.item, self.arm


@dataclass(frozen=True, slots=True)
class JudgedGroup:
    """The pipeline's choice among a group of a pool's candidates, the judge asked where they do not agree."""

    benchmark: str
    item: str
    arm: Arm
    group: tuple[int, ...]
    """Indices into the pool."""
    chosen: int
    decided_by: DecidedBy
    judgements: tuple[Judgement, ...]
    calls: tuple[Call, ...]

    @property
    def key(self) -> tuple[str, str, str, tuple[int, ...]]:
        """What it is known by."""
        return self.benchmark, self.item, self.arm, self.group


@dataclass(frozen=True, slots=True)
class PoolStores:
    """Where an ablation keeps what it has."""

    plans: Store[PlannedItem]
    pools: Store[Pool]
    groups: Store[JudgedGroup]


def open_pool_stores(folder: Path) -> PoolStores:
    """Open the three stores of an ablation's folder; each is entered before it is written.

    Raises:
        RecordError: they cannot be read.
    """
    return PoolStores(
        Store(folder / "plans.jsonl", PlannedItem, key=lambda row: row.key),
        Store(folder / "pools.jsonl", Pool, key=lambda row: row.key),
        Store(folder / "groups.jsonl", JudgedGroup, key=lambda row: row.key),
    )


def draw_groups(size: int, n: int, count: int, seed: int) -> list[tuple[int, ...]]:
    """Draw different groups of ``n`` from ``size`` candidates, each candidate as often as any other or nearly so.

    Args:
        size: candidates in the pool.
        n: candidates in a group.
        count: groups wanted; fewer come back where there are not so many different ones.
        seed: of the draw.
    """
    rng = random.Random(seed)
    uses = [0] * size
    groups: dict[tuple[int, ...], None] = {}
    num_dry = 0
    while len(groups) < count and n <= size and num_dry < 100:
        # The least used ones, ties in random order; the longer nothing new comes, the more weighs chance.
        ranked = sorted(range(size), key=lambda index: uses[index] + rng.random() * (1 + num_dry))
        group = tuple(sorted(ranked[:n]))
        if group in groups:
            num_dry += 1
            continue
        groups[group] = None
        num_dry = 0
        for index in group:
            uses[index] += 1
    return list(groups)


async def plan_item(bench: Bench, benchmark: str, item: Item) -> PlannedItem:
    """Ask the planner once.

    Raises:
        ModelError: its endpoint failed, and the patience is used up.
    """
    calls: list[Call] = []

    async def try_once() -> Plan:
        """Plan, or raise for a planner that failed."""
        run = _run(bench, item, draw_seed(bench.ask.seed, benchmark, item.id, "plan"))
        plan = await make_plan(run)
        calls.extend(run.ledger.calls)
        check_plan(plan, run.ledger.calls)
        return plan

    plan = await wait_out(try_once, patience_s=bench.patience_s, sleep=bench.sleep)
    return PlannedItem(benchmark, item.id, plan, tuple(calls))


async def sample_pool(bench: Bench, benchmark: str, item: Item, arm: Arm, plan: Plan) -> Pool:
    """Sample and score the ``bench.ask.n`` candidates of one item in one arm.

    Raises:
        ModelError: the solver's endpoint failed, and the patience is used up.
    """
    calls: list[Call] = []

    async def try_once() -> Run:
        """Sample all candidates, or raise for one that failed."""
        run = _run(bench, item, draw_seed(bench.ask.seed, benchmark, item.id, arm))
        try:
            await sample(run, plan)
        finally:
            calls.extend(run.ledger.calls)
        for candidate in run.candidates.values():
            if candidate.finish_reason is FinishReason.ERROR:
                raise ModelError(f"candidate {candidate.index} of item {item.id!r} failed: {candidate.error}")
        return run

    run = await wait_out(try_once, patience_s=bench.patience_s, sleep=bench.sleep)
    candidates = tuple(run.candidates[index] for index in sorted(run.candidates))
    verdicts = await score_candidates(item, candidates, bench.judge)
    return Pool(benchmark, item.id, arm, plan, candidates, verdicts, tuple(calls), run.seconds)


async def judge_group(bench: Bench, item: Item, pool: Pool, group: Sequence[int]) -> JudgedGroup:
    """Let the pipeline choose among a group of candidates; asks the judge only where they do not agree.

    Raises:
        ModelError: the judge's endpoint failed, and the patience is used up.
    """
    calls: list[Call] = []

    async def try_once() -> tuple[Candidate, DecidedBy, Run]:
        """Choose with every vote in, or raise for one that failed."""
        run = _run(bench, item, draw_seed(bench.ask.seed, pool.benchmark, item.id, pool.arm, *group))
        run.candidates = {index: pool.candidates[index] for index in group}
        try:
            chosen, decided_by = await choose(run)
        except NoCandidateError:  # all of the group's replies are empty: the first of them stands
            chosen, decided_by = pool.candidates[group[0]], DecidedBy.FALLBACK
        finally:
            calls.extend(run.ledger.calls)
        if lacks_votes(run.judgements, run.ledger.calls):
            reason = f"the judge failed on item {item.id!r}: {'; '.join(run.warnings)}"
            raise failed_part(Role.JUDGE, reason, run.ledger.calls)
        return chosen, decided_by, run

    chosen, decided_by, run = await wait_out(try_once, patience_s=bench.patience_s, sleep=bench.sleep)
    return JudgedGroup(
        pool.benchmark,
        item.id,
        pool.arm,
        tuple(group),
        chosen.index,
        decided_by,
        tuple(run.judgements),
        tuple(calls),
    )


def _run(bench: Bench, item: Item, seed: int) -> Run:
    run = Run(item.question, bench.roles, bench.ask.model_copy(update={"seed": seed}), bench.agree)
    run.start()
    return run


def with_size(bench: Bench, n: int, *, max_tokens: int | None = None) -> Bench:
    """The same bench for pools of another size, or longer candidates."""
    changes: dict[str, int] = {"n": n} if max_tokens is None else {"n": n, "max_tokens": max_tokens}
    return replace(bench, ask=bench.ask.model_copy(update=changes))
