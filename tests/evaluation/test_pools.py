"""Pools of candidates: groups drawn evenly, plans and candidates made once, the judge asked only where it must be."""

from collections import Counter
from collections.abc import Awaitable, Callable
from math import comb
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import AccessError, EndpointError, ModelError, UnreachableError
from abruzzi.evaluation.arms import NO_PLAN, Arm
from abruzzi.evaluation.attempt import Bench
from abruzzi.evaluation.pools import (
    JudgedGroup,
    Pool,
    draw_groups,
    judge_group,
    open_pool_stores,
    plan_item,
    sample_pool,
    with_size,
)
from abruzzi.ledger import CallOutcome
from abruzzi.models.scripted import fail, reply
from abruzzi.nouns import DecidedBy, FinishReason, Plan, PlanOutcome, Role
from tests.evaluation.making import Naps, Rambler, make_bench, make_call, make_candidate, make_item, make_pool
from tests.models.virtual_time import run_virtual
from tests.reasoning.asking import FIRST, PLAN, SECOND, TIE, scripted

T = TypeVar("T")
ITEM = make_item(truth="42")
CUT = FinishReason.LENGTH
GONE = UnreachableError("gone")
OUTLINE = Plan(PlanOutcome.PLANNED, text="Add the tens.")


def wait_for(work: Callable[[], Awaitable[T]]) -> T:
    return run_virtual(work)


@given(size=st.integers(1, 20), n=st.integers(1, 6), count=st.integers(0, 40), seed=st.integers(0, 2**31))
def test_groups_are_different_sorted_and_of_one_size(size: int, n: int, count: int, seed: int) -> None:
    groups = draw_groups(size, n, count, seed)
    assert len(set(groups)) == len(groups) <= min(count, comb(size, n))
    for group in groups:
        assert list(group) == sorted(set(group))
        assert len(group) == n
        assert group[0] >= 0
        assert group[-1] < size
    assert draw_groups(size, n, count, seed) == groups


@given(seed=st.integers(0, 2**31))
def test_as_many_come_as_asked_for_or_as_there_are(seed: int) -> None:
    assert len(draw_groups(16, 3, 16, seed)) == 16
    assert sorted(draw_groups(4, 3, 16, seed)) == [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    assert draw_groups(3, 3, 16, seed) == [(0, 1, 2)]
    assert draw_groups(2, 3, 16, seed) == []
    assert draw_groups(16, 3, 0, seed) == []


@given(seed=st.integers(0, 2**31))
def test_each_candidate_is_used_about_equally_often(seed: int) -> None:
    once = Counter(index for group in draw_groups(16, 4, 4, seed) for index in group)
    assert once == dict.fromkeys(range(16), 1)
    # 16 groups of 3 are 48 places for 16 candidates, 3 for each.
    uses = Counter(index for group in draw_groups(16, 3, 16, seed) for index in group)
    assert uses.total() == 48
    assert set(uses) == set(range(16))
    assert max(uses.values()) - min(uses.values()) <= 2


def test_most_draws_use_each_candidate_the_same_number_of_times() -> None:
    # Independent draws would give each use a variance of 16 · 3/16 · 13/16 = 2.4.
    squares = [
        (Counter(index for group in draw_groups(16, 3, 16, seed) for index in group)[candidate] - 3) ** 2
        for seed in range(50)
        for candidate in range(16)
    ]
    assert sum(squares) / len(squares) < 0.05


def test_other_seeds_draw_other_groups() -> None:
    assert len({tuple(draw_groups(16, 3, 16, seed)) for seed in range(20)}) == 20


def test_a_plan_is_made_once_and_a_failing_planner_is_waited_for() -> None:
    naps, planner = Naps(), scripted(planner=[fail(GONE), reply(json=PLAN)])
    bench = make_bench(planner, plan="always", sleep=naps)
    planned = wait_for(lambda: plan_item(bench, "sums", ITEM))
    assert planned.key == ("sums", "s1")
    assert (planned.plan.outcome, planned.plan.text) == (PlanOutcome.PLANNED, "Add the tens.\nAdd the ones.")
    assert [call.outcome for call in planned.calls] == [CallOutcome.ERROR, CallOutcome.OK]
    assert naps.pauses == [1.0]


def test_a_planner_that_is_gone_for_good_ends_it() -> None:
    bench = make_bench(scripted(planner=fail(GONE)), plan="always", patience_s=3)
    with pytest.raises(ModelError, match="the planner failed: gone"):
        wait_for(lambda: plan_item(bench, "sums", ITEM))


def test_a_planners_refused_key_ends_it_at_once() -> None:
    naps = Naps()
    bench = make_bench(scripted(planner=fail(AccessError("wrong key", 401))), plan="always", sleep=naps)
    with pytest.raises(AccessError, match="the planner failed: wrong key"):
        wait_for(lambda: plan_item(bench, "sums", ITEM))
    assert naps.pauses == []


def test_a_planner_that_cannot_write_a_plan_has_none() -> None:
    naps = Naps()
    bench = make_bench(Rambler({Role.PLANNER: "First add."}), plan="always", sleep=naps)
    planned = wait_for(lambda: plan_item(bench, "sums", ITEM))
    assert (planned.plan.outcome, planned.plan.text, len(planned.calls), naps.pauses) == (
        PlanOutcome.FAILED,
        "",
        1,
        [],
    )


def sample(bench: Bench, arm: Arm = Arm.NONE, plan: Plan = NO_PLAN) -> Pool:
    return wait_for(lambda: sample_pool(bench, "sums", ITEM, arm, plan))


def test_a_pool_holds_every_candidate_with_its_verdict() -> None:
    solver = scripted(solver=["<answer>42", "<answer>41", "", "<answer>42", reply("so 42", finish_reason=CUT)])
    pool = sample(make_bench(solver, n=5))
    assert pool.key == ("sums", "s1", "none")
    assert [candidate.index for candidate in pool.candidates] == [0, 1, 2, 3, 4]
    assert [candidate.cluster for candidate in pool.candidates] == [0, 1, None, 0, None]
    told = [verdict and verdict.outcome.value for verdict in pool.verdicts]
    assert told == ["correct", "wrong", "unparsed", "correct", "unparsed"]
    (call,) = pool.calls
    assert (call.num_choices, call.usage.completion_tokens) == (5, 1 + 1 + 0 + 1 + 2)


def test_a_failed_candidate_makes_the_pool_be_made_again_and_stays_on_the_bill() -> None:
    naps = Naps()
    solver = scripted(solver=["<answer>42", fail(GONE, text="I was"), fail(GONE), fail(GONE), "<answer>1", "<answer>2"])
    pool = sample(make_bench(solver, n=2, sleep=naps))
    assert [candidate.answer for candidate in pool.candidates] == ["1", "2"]
    assert naps.pauses == [1.0, 2.0]
    assert [call.usage.completion_tokens for call in pool.calls] == [1 + 2, 0, 2]


@pytest.mark.parametrize("error", [AccessError("wrong key", 401), EndpointError("no such model", 404)])
def test_a_solver_that_is_turned_down_ends_it_at_once(error: ModelError) -> None:
    naps = Naps()
    with pytest.raises(type(error)):
        sample(make_bench(scripted(solver=fail(error)), n=2, sleep=naps))
    assert naps.pauses == []


def test_the_plan_is_shown_and_each_arm_has_a_seed_of_its_own() -> None:
    solver = scripted(solver="<answer>42")
    bench = make_bench(solver, n=2)
    for arm, plan in ((Arm.NONE, NO_PLAN), (Arm.PLAN, OUTLINE), (Arm.PLAN, OUTLINE)):
        assert sample(bench, arm, plan).plan == plan
    plain, planned, again = solver.requests
    assert "Add the tens." not in plain.messages[-1].content
    assert "Add the tens." in planned.messages[-1].content
    assert plain.seed != planned.seed == again.seed


POOL = make_pool(
    ("sums", "s1", Arm.PLAN),
    [
        make_candidate(0, "42", cluster=0, logprob=-0.5),
        make_candidate(1, "41", cluster=1),
        make_candidate(2, "42", cluster=0, logprob=-0.1),
        make_candidate(3, "40", cluster=3),
        make_candidate(4, None),
        make_candidate(5, None),
    ],
    [1, 0, 1, 0, 0, 0],
    make_call(),
)


def choose(group: tuple[int, ...], *lines: object, naps: Naps | None = None) -> JudgedGroup:
    bench = make_bench(scripted(judge=list(lines)), n=len(group), sleep=naps)
    return wait_for(lambda: judge_group(bench, ITEM, POOL, group))


def test_no_judge_is_asked_where_a_majority_agrees() -> None:
    row = choose((0, 1, 2))
    assert (row.chosen, row.decided_by) == (2, DecidedBy.AGREEMENT)  # the likelier of the two
    assert (row.judgements, row.calls) == ((), ())
    assert row.key == ("sums", "s1", "plan", (0, 1, 2))


def test_nor_where_only_one_has_an_answer_or_none() -> None:
    only, nobody = choose((3, 4)), choose((4, 5))
    assert (only.chosen, only.decided_by, only.calls) == (3, DecidedBy.ONLY_CANDIDATE, ())
    assert (nobody.chosen, nobody.decided_by, nobody.calls) == (4, DecidedBy.FALLBACK, ())


def test_the_judge_settles_what_the_candidates_do_not() -> None:
    row = choose((1, 3), reply(json=SECOND), reply(json=FIRST))
    assert (row.chosen, row.decided_by) == (3, DecidedBy.JUDGE)
    assert [(judgement.first, judgement.second, judgement.winner) for judgement in row.judgements] == [(1, 3, 3)]
    assert [call.role for call in row.calls] == [Role.JUDGE, Role.JUDGE]
    tied = choose((1, 3), reply(json=TIE), reply(json=FIRST))
    assert (tied.chosen, tied.decided_by) == (1, DecidedBy.FIRST)


def test_a_failing_judge_is_waited_for_and_its_calls_are_paid_for() -> None:
    naps = Naps()
    row = choose((1, 3), reply(json=FIRST), fail(GONE), reply(json=FIRST), reply(json=SECOND), naps=naps)
    assert (row.chosen, row.decided_by, naps.pauses) == (1, DecidedBy.JUDGE, [1.0])
    assert len(row.judgements) == 1
    assert sorted(call.outcome.value for call in row.calls) == ["error", "ok", "ok", "ok"]


def test_a_judge_that_is_gone_for_good_ends_it() -> None:
    with pytest.raises(ModelError, match=r"the judge failed on item 's1': .*gone"):
        wait_for(lambda: judge_group(make_bench(scripted(judge=fail(GONE)), n=2, patience_s=2), ITEM, POOL, (1, 3)))


def test_what_was_made_is_there_again(tmp_path: Path) -> None:
    planned = wait_for(lambda: plan_item(make_bench(scripted(planner=reply(json=PLAN)), plan="always"), "sums", ITEM))
    group = choose((1, 3), reply(json=SECOND), reply(json=FIRST))
    stores = open_pool_stores(tmp_path)
    with stores.plans, stores.pools, stores.groups:
        stores.plans.add(planned)
        stores.pools.add(POOL)
        stores.groups.add(group)
    again = open_pool_stores(tmp_path)
    assert (list(again.plans), list(again.pools), list(again.groups)) == ([planned], [POOL], [group])
    assert again.groups.is_done(("sums", "s1", Arm.PLAN, (1, 3)))
    assert not again.groups.is_done(("sums", "s1", Arm.NONE, (1, 3)))


def test_a_bench_of_another_size_differs_in_nothing_else() -> None:
    bench = make_bench(scripted(), n=3, max_tokens=64)
    assert with_size(bench, 16).ask == bench.ask.model_copy(update={"n": 16})
    assert with_size(bench, 2, max_tokens=900).ask == bench.ask.model_copy(update={"n": 2, "max_tokens": 900})
