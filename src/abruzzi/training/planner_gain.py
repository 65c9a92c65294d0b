"""Measures a planner by what its plans do for the solver: pass rate with them, with placebo plans, and with none.

A placebo is a real plan for the wrong question: the planner's own for an item of another family, with about as many
tokens. If it helps as much, it is not the planning that helps. Items for which the planner sees no need of a plan are
the same with and without, and count as such.

Plans pass through the pipeline's own reading and redaction. All arms are sampled side by side with the same settings.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.nouns import Completion, FinishReason, Plan, PlanOutcome
from abruzzi.reasoning.leak import holds_answer
from abruzzi.reasoning.plan import planner_messages, read_plan
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.intervals import clustered_mean
from abruzzi.statistics.paired import paired_difference
from abruzzi.training.planner_data import Solver, sample_passes
from abruzzi.training.sampling import Ask
from abruzzi.training.seeds import seed_of

Passes = Mapping[str, tuple[float, ...]]
"""Item id → 1 for each sample that passed, 0 for each that did not."""


@dataclass(frozen=True, slots=True)
class ArmScore:
    """The solver's pass rate in one arm, against none."""

    rate: Estimate
    gain: Estimate
    """Less the rate without plans, on the same items."""


@dataclass(frozen=True, slots=True)
class PlannerScore:
    """What a planner's plans do; all intervals are over items."""

    none: Estimate
    """Pass rate without plans."""
    plan: ArmScore
    placebo: ArmScore | None
    """None where fewer than two families have a plan."""
    over_placebo: Estimate | None
    """Pass rate with the planner's plans less with placebos."""
    by_family: dict[str, ArmScore]
    """The planner's plans."""
    plans: dict[str, Plan]
    """Item id → what became of its plan."""
    outcomes: Counter[PlanOutcome]
    num_leaked: int
    """Plans that hold the answer of their item."""
    mean_plan_tokens: float
    mean_placebo_tokens: float
    num_unjudged: int
    """Items left out because in some arm no sample has a verdict."""


def measure_planner(
    items: Mapping[str, Sequence[Item]], ask: Ask, solver: Solver, *, seed: int = 0, is_forced: bool = False
) -> PlannerScore:
    """Have a planner plan held-out items, and the solver answer them with its plans, with placebos and without.

    Args:
        items: family → held-out items.
        ask: the planner; asked about all items at once.
        solver: answers.
        seed: of samples and placebos.
        is_forced: use plans even where the planner sees no need.

    Raises:
        DataError: there are no items, or not a reply to each request.
    """
    asked = [(family, item) for family, own in items.items() for item in own]
    replies = ask([planner_messages(item.question) for _, item in asked])
    if len(replies) != len(asked):
        raise DataError(f"the planner gave {len(replies)} replies to {len(asked)} requests; it must give one to each")
    plans = {
        item.id: read_plan(_complete(reply), item.question, is_forced=is_forced)
        for (_, item), reply in zip(asked, replies, strict=True)
    }
    texts = {name: plan.text for name, plan in plans.items() if plan.outcome is PlanOutcome.PLANNED}
    sizes = {name: len(solver.tokenizer(text, add_special_tokens=False)["input_ids"]) for name, text in texts.items()}
    placebos = choose_placebos({item.id: family for family, item in asked}, texts, sizes, seed=seed)

    def sample(arm: str, plan_of: Mapping[str, str]) -> dict[str, tuple[float, ...]]:
        shown = [(family, item, plan_of[item.id]) for family, item in asked if item.id in plan_of]
        passes = sample_passes(solver, shown, seed=seed_of(seed, "arm", arm)) if shown else []
        return {item.id: passed for (_, item, _), passed in zip(shown, passes, strict=True)}

    none = sample("none", dict.fromkeys(plans, ""))
    planned = none | sample("plan", texts)
    misled = none | sample("placebo", {name: texts[other] for name, other in placebos.items()}) if placebos else None
    arms = [none, planned] if misled is None else [none, planned, misled]
    judged = [(family, item) for family, item in asked if all(arm[item.id] for arm in arms)]
    own = [item.id for _, item in judged]
    return PlannerScore(
        none=clustered_mean([none[name] for name in own]),
        plan=_score(own, planned, none),
        placebo=None if misled is None else _score(own, misled, none),
        over_placebo=None if misled is None else _subtract(own, planned, misled),
        by_family={
            family: _score([item.id for other, item in judged if other == family], planned, none)
            for family in dict.fromkeys(family for family, _ in judged)
        },
        plans=plans,
        outcomes=Counter(plan.outcome for plan in plans.values()),
        num_leaked=sum(holds_answer(plans[i.id].text, str(i.ground_truth), i.question) for _, i in asked),
        mean_plan_tokens=_mean([sizes[name] for name in placebos]),
        mean_placebo_tokens=_mean([sizes[other] for other in placebos.values()]),
        num_unjudged=len(asked) - len(judged),
    )


def choose_placebos(
    families: Mapping[str, str], plans: Mapping[str, str], sizes: Mapping[str, int], *, seed: int
) -> dict[str, str]:
    """Choose whose plan each planned item is shown as a placebo.

    Args:
        families: item id → family.
        plans: item id → its plan; only items that have one.
        sizes: item id → tokens of its plan.
        seed: of the draw among plans that fit equally well.

    Returns:
        Item id → the item of another family whose plan differs from its own and is nearest to it in length; empty
        where fewer than two families have plans.
    """
    chosen: dict[str, str] = {}
    for name, plan in plans.items():
        others = [other for other in plans if families[other] != families[name] and plans[other] != plan]
        Random(seed_of(seed, "placebo", name)).shuffle(others)
        if others:
            chosen[name] = min(others, key=lambda other: abs(sizes[other] - sizes[name]))
    return chosen


def _complete(text: str) -> Completion:
    return Completion(0, text, "", FinishReason.STOP, 0.0)


def _score(own: Sequence[str], arm: Passes, none: Passes) -> ArmScore:
    return ArmScore(clustered_mean([arm[name] for name in own]), _subtract(own, arm, none))


def _subtract(own: Sequence[str], first: Passes, second: Passes) -> Estimate:
    return paired_difference([first[name] for name in own], [second[name] for name in own])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
