"""Arms of an ablation: which plan the candidates of an item are shown.

    none        no plan
    plan        the planner's own
    shuffled    the plan of another item of the same benchmark: a real plan, for the wrong question
    filler      words without content, as long as the item's own plan: a longer prompt, and nothing else
    long        no plan, and as many tokens for one candidate as the full system spends on all its calls

If ``shuffled`` or ``filler`` help as much as ``plan``, it is not the planning that helps.
"""

import random
from collections.abc import Mapping
from enum import StrEnum

from abruzzi.nouns import Plan, PlanOutcome

_FILLER = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna "
    "aliqua ut enim ad minim veniam quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat "
)


class Arm(StrEnum):
    """What the candidates are shown, and how much they may say."""

    NONE = "none"
    PLAN = "plan"
    SHUFFLED = "shuffled"
    FILLER = "filler"
    LONG = "long"


NO_PLAN = Plan(PlanOutcome.OFF)
PLACEBOS = (Arm.SHUFFLED, Arm.FILLER)


def shuffle_plans(plans: Mapping[str, Plan], seed: int) -> dict[str, Plan]:
    """Give each planned item the plan of another one.

    Args:
        plans: item id → its plan; only those with a text take part.
        seed: of the order.

    Returns:
        Item id → another item's plan, each plan once; empty where fewer than two items have one.
    """
    planned = sorted(item for item, plan in plans.items() if plan.outcome is PlanOutcome.PLANNED)
    if len(planned) < 2:
        return {}
    random.Random(seed).shuffle(planned)
    return {item: plans[other] for item, other in zip(planned, planned[1:] + planned[:1], strict=True)}


def write_filler(plan: Plan) -> Plan:
    """Write words without content with the line breaks and about the number of characters of a plan."""
    lines: list[str] = []
    start = 0
    for line in plan.text.splitlines():
        endless = _FILLER * (2 + len(line) // len(_FILLER))
        end = start + len(line)
        while endless[end - 1] != " " and end > start:
            end += 1
        lines.append(endless[start:end].strip())
        start = end % len(_FILLER)
    return Plan(PlanOutcome.PLANNED, text="\n".join(lines))


def plans_for(arm: Arm, plans: Mapping[str, Plan], seed: int) -> dict[str, Plan]:
    """Say which plan each item is shown in an arm.

    Returns:
        Item id → plan; an item that has none of this kind is not in it, and has no candidates in the arm of its own:
        with no plan of its own it is the same system as without.
    """
    match arm:
        case Arm.NONE | Arm.LONG:
            return dict.fromkeys(plans, NO_PLAN)
        case Arm.PLAN:
            return {item: plan for item, plan in plans.items() if plan.outcome is PlanOutcome.PLANNED}
        case Arm.SHUFFLED:
            return shuffle_plans(plans, seed)
        case Arm.FILLER:
            return {item: write_filler(plan) for item, plan in plans.items() if plan.outcome is PlanOutcome.PLANNED}
