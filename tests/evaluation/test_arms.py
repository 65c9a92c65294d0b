"""Arms of an ablation: placebos that differ from the plan in nothing but what they say."""

from hypothesis import given
from hypothesis import strategies as st

from abruzzi.evaluation.arms import NO_PLAN, Arm, plans_for, shuffle_plans, write_filler
from abruzzi.nouns import Plan, PlanOutcome


def planned(text: str) -> Plan:
    return Plan(PlanOutcome.PLANNED, text=text)


def plans(count: int) -> dict[str, Plan]:
    return {f"i{k}": planned(f"plan {k}") for k in range(count)} | {"easy": Plan(PlanOutcome.NOT_NEEDED)}


@given(st.integers(2, 30), st.integers(0, 1000))
def test_a_shuffled_plan_is_always_anothers_and_each_is_used_once(count: int, seed: int) -> None:
    own = plans(count)
    shuffled = shuffle_plans(own, seed)
    assert shuffled.keys() == {f"i{k}" for k in range(count)}
    assert all(shuffled[item] != own[item] for item in shuffled)
    assert len({plan.text for plan in shuffled.values()}) == count
    assert shuffle_plans(own, seed) == shuffled


def test_one_plan_has_no_other_to_be_exchanged_with() -> None:
    assert shuffle_plans(plans(1), 0) == {}


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_filler_has_the_lines_and_nearly_the_length_of_the_plan(lengths: list[int]) -> None:
    plan = planned("\n".join("x" * length for length in lengths))
    filler = write_filler(plan)
    assert filler.outcome is PlanOutcome.PLANNED
    lines = filler.text.splitlines()
    assert len(lines) == len(lengths)
    assert all(abs(len(line) - length) <= len("exercitation ") for line, length in zip(lines, lengths, strict=True))


def test_each_arm_shows_what_it_says() -> None:
    own = plans(3)
    assert set(plans_for(Arm.NONE, own, 0).values()) == {NO_PLAN}
    assert plans_for(Arm.PLAN, own, 0) == {item: own[item] for item in ("i0", "i1", "i2")}
    assert plans_for(Arm.SHUFFLED, own, 4) == shuffle_plans(own, 4)
    assert "lorem" in plans_for(Arm.FILLER, {"a": planned("Count the long list of eggs.")}, 0)["a"].text
