"""An ablation on a scripted model: its steps in order, nothing made twice, and whole after any interruption."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from abruzzi.data.items import Item
from abruzzi.errors import DataError, EndpointError, ModelError
from abruzzi.evaluation.ablation import (
    Ablation,
    AblationSettings,
    Step,
    full_budget,
    long_limit,
    mean_tokens,
    plans_of,
    pools_of,
    run_ablation,
)
from abruzzi.evaluation.arms import NO_PLAN, Arm
from abruzzi.evaluation.pools import JudgedGroup, PlannedItem, Pool, PoolStores, open_pool_stores
from abruzzi.ledger import Call
from abruzzi.models.chat import ChatRequest
from abruzzi.models.scripted import Line, ScriptedChat, fail, reply
from abruzzi.nouns import FinishReason, PlanOutcome, Role
from abruzzi.reasoning.settings import AskSettings
from tests.evaluation.making import (
    make_bench,
    make_call,
    make_candidate,
    make_group,
    make_item,
    make_plan,
    make_pool,
    write_ablation,
)
from tests.models.virtual_time import run_virtual
from tests.reasoning.asking import FIRST, SECOND

SUMS = {"sums": [make_item("a"), make_item("b"), make_item("easy")], "more": [make_item("c"), make_item("d")]}
SIZES = AblationSettings(runs=4, n=3, judged_runs=2, placebo_runs=2, long_runs=2)


def draw(*parts: object) -> int:
    return hashlib.sha256(repr(parts).encode()).digest()[0]


class Model(ScriptedChat):
    """Its replies are a function of what it is asked; it may be out of order from some request on."""

    def __init__(self, *, is_cut: bool = False, works_for: int | None = None) -> None:
        super().__init__(self._reply)
        self._is_cut = is_cut
        self._works_for = works_for

    def _reply(self, request: ChatRequest) -> Sequence[Line]:
        if self._works_for is not None and len(self.requests) > self._works_for:
            return [fail(EndpointError("out of order", 404))] * request.n
        if request.role is Role.PLANNER:
            is_easy = "Sum easy?" in request.messages[-1].content
            return [reply(json={"plan": "" if is_easy else f"By {request.seed}."})]
        if request.role is Role.JUDGE:
            return [reply(json=FIRST if draw(request.seed) % 2 else SECOND, seconds=1.0)]
        finish = FinishReason.LENGTH if self._is_cut else FinishReason.STOP
        answers = [40 + draw(request.seed, choice) % 4 for choice in range(request.n)]
        return [reply(f"So <answer>{answer}", finish_reason=finish, seconds=answer - 39) for answer in answers]


def ablate(
    folder: Path,
    model: ScriptedChat,
    settings: AblationSettings = SIZES,
    *,
    parallel: int = 1,
    benchmarks: Mapping[str, Sequence[Item]] = SUMS,
) -> list[Step]:
    """Run on virtual time, without patience."""
    steps: list[Step] = []
    bench = make_bench(model, n=settings.n, plan="always", max_tokens=8, patience_s=0)

    async def main() -> None:
        stores = open_pool_stores(folder)
        with stores.plans, stores.pools, stores.groups:
            await run_ablation(Ablation(bench, settings, benchmarks, stores, parallel, steps.append))

    run_virtual(main)
    return steps


def told(calls: Sequence[Call]) -> list[tuple[Any, ...]]:
    return sorted((call.role, call.outcome, call.usage.prompt_tokens, call.usage.completion_tokens) for call in calls)


def content(folder: Path) -> dict[Any, Any]:
    """What the stores hold, by key, less every time."""
    stores = open_pool_stores(folder)
    rows: dict[Any, Any] = {}
    for row in [*stores.plans, *stores.pools, *stores.groups]:
        bare = replace(row, calls=())
        if isinstance(bare, Pool):
            bare = replace(bare, seconds=0.0, candidates=tuple(replace(c, seconds=0.0) for c in bare.candidates))
        rows[type(row), row.key] = bare, told(row.calls)
    return rows


def test_the_steps_come_in_order_of_importance_each_through_all_benchmarks(tmp_path: Path) -> None:
    model = Model(is_cut=True)
    steps = ablate(tmp_path, model)
    names = list(dict.fromkeys(step.name for step in steps))
    assert names == [
        "candidates, none",
        "plans",
        "candidates, plan",
        "judge",
        "candidates, shuffled",
        "candidates, filler",
        "longer samples, sums",
        "longer samples, more",
    ]
    last = {step.name: (step.done, step.total) for step in steps}
    # Cut candidates do not vote, so no judge is asked: a judged group is made all the same. Four items have a plan.
    assert list(last.values()) == [(5, 5), (5, 5), (4, 4), (18, 18), (4, 4), (4, 4), (3, 3), (2, 2)]
    assert [step.done for step in steps if step.name == "plans"] == [0, 1, 2, 3, 4, 5]
    assert [request.role for request in model.requests[:10]] == [Role.SOLVER] * 5 + [Role.PLANNER] * 5
    assert [request.n for request in model.requests if request.role is Role.SOLVER] == [4] * 9 + [2] * 13


def test_what_is_sampled_in_each_arm(tmp_path: Path) -> None:
    ablate(tmp_path, Model())
    stores = open_pool_stores(tmp_path)
    sizes = {(row.benchmark, row.item, row.arm): len(row.candidates) for row in stores.pools}
    planned = [("sums", "a"), ("sums", "b"), ("more", "c"), ("more", "d")]
    everything = [*planned, ("sums", "easy")]
    assert sizes == {
        **{(*item, Arm.NONE): 4 for item in everything},
        **{(*item, Arm.PLAN): 4 for item in planned},
        **{(*item, arm): 2 for item in planned for arm in (Arm.SHUFFLED, Arm.FILLER)},
    }
    plans = plans_of(stores, "sums")
    assert plans["easy"].outcome is PlanOutcome.UNUSABLE
    assert all(pool.plan == NO_PLAN for pool in pools_of(stores, "sums", Arm.NONE).values())
    assert {item: pool.plan for item, pool in pools_of(stores, "sums", Arm.PLAN).items()} == {
        item: plans[item] for item in "ab"
    }
    assert {item: pool.plan for item, pool in pools_of(stores, "sums", Arm.SHUFFLED).items()} == {
        "a": plans["b"],
        "b": plans["a"],
    }
    assert all("lorem" in pool.plan.text for pool in pools_of(stores, "more", Arm.FILLER).values())
    groups = Counter((row.benchmark, row.item, row.arm) for row in stores.groups)
    assert groups == {key: 2 for key in sizes if key[2] in (Arm.NONE, Arm.PLAN)}
    by_arm = {arm: {row.key[:2]: row.group for row in stores.groups if row.arm is arm} for arm in (Arm.NONE, Arm.PLAN)}
    assert all(by_arm[Arm.NONE][item] == group for item, group in by_arm[Arm.PLAN].items())


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_second_run_makes_no_call_at_all(tmp_path: Path, is_cut: bool) -> None:
    ablate(tmp_path, Model(is_cut=is_cut))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model = Model(is_cut=is_cut)
    steps = ablate(tmp_path, model, parallel=3)
    assert model.requests == []
    assert all(step.done == step.total for step in steps)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("parallel", "every"), [(1, 3), (3, 5)])
def test_stopped_again_and_again_it_ends_as_if_it_had_not_been(tmp_path: Path, parallel: int, every: int) -> None:
    ablate(tmp_path / "whole", Model(is_cut=True))
    expected, stops = content(tmp_path / "whole"), 0
    while True:
        try:
            ablate(tmp_path / "stopped", Model(is_cut=True, works_for=every), parallel=parallel)
            break
        except ModelError:
            stops += 1
            assert stops < 100
    assert stops > 1
    assert content(tmp_path / "stopped") == expected


def test_a_judge_that_stops_it_loses_no_group(tmp_path: Path) -> None:
    ablate(tmp_path / "whole", Model())
    solver_calls = 5 + 5 + 4
    with pytest.raises(ModelError, match="the judge failed"):
        ablate(tmp_path / "stopped", Model(works_for=solver_calls + 5))
    assert 0 < len(open_pool_stores(tmp_path / "stopped").groups) < 18
    ablate(tmp_path / "stopped", Model())
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")


def test_what_has_size_0_is_left_out(tmp_path: Path) -> None:
    model = Model(is_cut=True)
    steps = ablate(tmp_path, model, SIZES.model_copy(update={"placebo_runs": 0, "long_runs": 0, "judged_runs": 0}))
    assert {row.arm for row in open_pool_stores(tmp_path).pools} == {Arm.NONE, Arm.PLAN}
    assert list(open_pool_stores(tmp_path).groups) == []
    assert {step.name for step in steps if step.total} == {"candidates, none", "plans", "candidates, plan"}
    assert model.requests_of(Role.JUDGE) == []


def test_longer_samples_are_made_only_where_one_was_cut(tmp_path: Path) -> None:
    ablate(tmp_path / "whole", Model())
    assert Arm.LONG not in {row.arm for row in open_pool_stores(tmp_path / "whole").pools}

    model = Model(is_cut=True)
    ablate(tmp_path / "cut", model)
    stores = open_pool_stores(tmp_path / "cut")
    assert pools_of(stores, "sums", Arm.LONG).keys() == {"a", "b", "easy"}
    # Two words a candidate, three candidates; a plan of JSON has 3 words, the empty one of "easy" 2; nothing judged:
    # 6 + 8/3 = 8.67 tokens, rounded up to 9, above the limit of 8.
    assert full_budget(stores, "sums", 3) == pytest.approx(6 + 8 / 3)
    assert [request.max_tokens for request in model.requests[-5:]] == [9] * 5
    assert all(request.max_tokens == 8 for request in model.requests[:-5] if request.role is Role.SOLVER)


def test_a_budget_by_hand(tmp_path: Path) -> None:
    items = {"sums": [make_item("a"), make_item("b")]}
    candidates = [make_candidate(k, "42") for k in range(4)]
    first = make_pool(("sums", "a", Arm.PLAN), candidates, [1] * 4, make_call(50, 40), plan="Add.")
    second = make_pool(("sums", "b", Arm.PLAN), candidates, [1] * 4, make_call(50, 80), plan="Add.")
    plain = make_pool(("sums", "a", Arm.NONE), candidates, [1] * 4, make_call(30, 24))
    judged = make_call(70, 3, role=Role.JUDGE)
    rows: list[PlannedItem | Pool | JudgedGroup] = [plain]
    stores = write_ablation(tmp_path / "plain", items, rows).stores
    assert full_budget(stores, "sums", 3) == 3 * 24 / 4  # nothing planned yet
    assert full_budget(stores, "more", 3) is None
    rows += [make_plan("sums", "a", "Add.", make_call(9, 10)), make_plan("sums", "b", "Add.", make_call(9, 20))]
    rows += [first, second, make_group(first, (0, 1, 2), 0, judged, judged), make_group(second, (0, 1, 2), 0)]
    stores = write_ablation(tmp_path / "whole", items, rows).stores
    # (40 + 80) / 8 = 15 a candidate; 15 a plan; 6 for one group and nothing for the other.
    assert mean_tokens([first, second]) == 15
    assert full_budget(stores, "sums", 3) == 3 * 15 + 15 + 3


def test_an_empty_store_has_no_budget(tmp_path: Path) -> None:
    stores: PoolStores = open_pool_stores(tmp_path)
    assert full_budget(stores, "sums", 3) is None
    assert mean_tokens([]) == 0


def test_a_longer_sample_is_never_shorter_than_a_plain_one() -> None:
    assert long_limit(12.2, AskSettings(max_tokens=8)) == long_limit(12.2, AskSettings()) == 13
    assert long_limit(12.2, AskSettings(max_tokens=64)) == 64


@pytest.mark.parametrize("parallel", [1, 3])
def test_an_item_that_no_verifier_takes_ends_it_as_itself(tmp_path: Path, parallel: int) -> None:
    with pytest.raises(DataError, match="unknown data source"):
        ablate(tmp_path, Model(), benchmarks={"own": [make_item(data_source="poetry")]}, parallel=parallel)


def test_a_group_must_fit_its_pool() -> None:
    with pytest.raises(ValidationError, match="n=5 is more than the runs=4 candidates"):
        AblationSettings(runs=4, n=5)
