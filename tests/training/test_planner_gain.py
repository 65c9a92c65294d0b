import json
from collections.abc import Sequence

import pytest

from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.nouns import Message, PlanOutcome
from abruzzi.training.material import bare_messages
from abruzzi.training.planner_data import Solver
from abruzzi.training.planner_gain import PlannerScore, choose_placebos, measure_planner
from abruzzi.training.sampling import Ask
from tests.training.doubles import CharTokenizer, ScriptedSampler, check_answers, think

SUMS = [Item(f"s{n}", f"Sum number {n}?", str(100 + n), "math__own") for n in range(6)]
LETTERS = [Item(f"l{n}", f"Letters of {n}?", str(200 + n), "math__own") for n in range(6)]
ALL = {"sums": SUMS, "letters": LETTERS}
ADD, SPELL = "Add up now.", "Spell it all."
HITS = {"": 2, ADD: 3, SPELL: 1}
"""Of four samples, how many a sum passes with which plan."""


def reply(prompt: str, member: int) -> str:
    """Sums: twice without a plan, thrice with theirs, once with the other one; letters: always once."""
    item = next(item for items in ALL.values() for item in items if item.question in prompt)
    plan = next((plan for plan in (ADD, SPELL) if plan in prompt), "")
    return think("", item.ground_truth if member < (HITS[plan] if item in SUMS else 1) else 0)


def plan_for(requests: Sequence[tuple[Message, ...]]) -> list[str]:
    plans = [ADD if "Sum number" in messages[-1].content else SPELL for messages in requests]
    return [json.dumps({"plan": plan}) for plan in plans]


def measure(ask: Ask, items: dict[str, list[Item]] = ALL, sampler: ScriptedSampler | None = None) -> PlannerScore:
    solver = Solver("sft", sampler or ScriptedSampler(reply), CharTokenizer(), bare_messages, 4, 64, 1.0, check_answers)
    return measure_planner(items, ask, solver)


def test_plans_and_placebos_by_hand() -> None:
    sampler = ScriptedSampler(reply)
    score = measure(plan_for, sampler=sampler)
    assert score.none.value == pytest.approx((6 * 2 / 4 + 6 * 1 / 4) / 12)
    assert score.plan.rate.value == pytest.approx((6 * 3 / 4 + 6 * 1 / 4) / 12)
    assert score.plan.gain.value == pytest.approx(1 / 8)
    assert score.placebo is not None
    assert score.placebo.gain.value == pytest.approx(-1 / 8)
    assert score.over_placebo is not None
    assert score.over_placebo.value == pytest.approx(1 / 4)
    assert {name: arm.gain.value for name, arm in score.by_family.items()} == {"sums": 0.25, "letters": 0}
    assert score.outcomes == {PlanOutcome.PLANNED: 12}
    assert (score.mean_plan_tokens, score.mean_placebo_tokens) == ((11 + 13) / 2, (11 + 13) / 2)
    assert (score.num_leaked, score.num_unjudged) == (0, 0)
    assert len(sampler.asked) == 36
    placebos = sampler.asked[24:]
    assert all((SPELL if "Sum number" in asked else ADD) in asked for asked in placebos)
    assert len(set(sampler.seeds)) == 3


def test_items_without_a_plan_are_the_same_in_every_arm() -> None:
    def ask(requests: Sequence[tuple[Message, ...]]) -> list[str]:
        easy = json.dumps({"plan": ""})
        return [
            said if "Sum number" in m[-1].content else easy
            for said, m in zip(plan_for(requests), requests, strict=True)
        ]

    sampler = ScriptedSampler(reply)
    score = measure(ask, sampler=sampler)
    assert len(sampler.asked) == 12 + 6
    assert score.plan.gain.value == pytest.approx((6 * 1 / 4) / 12)
    assert score.by_family["letters"].gain.value == 0
    assert (score.placebo, score.over_placebo) == (None, None)
    assert score.outcomes == {PlanOutcome.PLANNED: 6, PlanOutcome.NOT_NEEDED: 6}


def test_a_planner_that_says_no_json_has_no_plans() -> None:
    score = measure(say_no)
    assert score.outcomes == {PlanOutcome.UNUSABLE: 12}
    assert score.plan.rate == score.none
    assert (score.mean_plan_tokens, score.mean_placebo_tokens) == (0, 0)


def test_answers_are_taken_out_of_plans_before_the_solver_sees_them_and_hints_are_counted() -> None:
    def ask(requests: Sequence[tuple[Message, ...]]) -> list[str]:
        plans = ["The answer is 100.", "Aim for 101 in the end.", *["Add up now."] * (len(requests) - 2)]
        return [json.dumps({"plan": plan}) for plan in plans]

    sampler = ScriptedSampler(reply)
    score = measure(ask, {"sums": SUMS}, sampler)
    assert (score.plans["s0"].num_redactions, score.num_leaked) == (1, 1)
    assert not any("answer is 100" in asked for asked in sampler.asked)


def test_items_that_no_verifier_could_judge_are_left_out_and_counted() -> None:
    def broken(prompt: str, member: int) -> str:
        return think("", "?") if "Sum number 0" in prompt and ADD in prompt else reply(prompt, member)

    score = measure(plan_for, sampler=ScriptedSampler(broken))
    assert score.num_unjudged == 1
    assert score.by_family["sums"].gain.value == pytest.approx(0.25)


def test_a_planner_owes_a_reply_to_each_request() -> None:
    with pytest.raises(DataError, match="1 replies to 12 requests"):
        measure(say_once)


def say_once(requests: Sequence[tuple[Message, ...]]) -> list[str]:
    del requests
    return ["{}"]


def say_no(requests: Sequence[tuple[Message, ...]]) -> list[str]:
    return ["no"] * len(requests)


def test_placebos_are_of_another_family_and_nearest_in_length() -> None:
    families = {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "c1": "c"}
    plans = {"a1": "x", "a2": "y", "b1": "same", "b2": "z", "c1": "same"}
    sizes = {"a1": 10, "a2": 30, "b1": 12, "b2": 28, "c1": 13}
    chosen = choose_placebos(families, plans, sizes, seed=1)
    assert chosen == {"a1": "b1", "a2": "b2", "b1": "a1", "b2": "a2", "c1": "a1"}
    assert choose_placebos(dict.fromkeys(families, "one"), plans, sizes, seed=1) == {}


def test_placebos_that_fit_equally_well_are_drawn_by_the_seed() -> None:
    families = {"a": "a"} | {f"b{n}": "b" for n in range(20)}
    plans = {name: f"plan of {name}" for name in families}
    sizes = dict.fromkeys(families, 5)
    drawn = {choose_placebos(families, plans, sizes, seed=seed)["a"] for seed in range(20)}
    assert len(drawn) > 3
    assert choose_placebos(families, plans, sizes, seed=3) == choose_placebos(families, plans, sizes, seed=3)
