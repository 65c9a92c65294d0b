"""Makes examples of generated items: asked as the solver is asked, answered by a trace whose style is drawn.

How a question is put to the solver is the pipeline's business and passed in. A plan is shown with some of the
examples. Either it is of the style that the trace then takes, so that the solver learns that plans can be followed; or
it says the facts that the trace then uses, so that it learns to take them from there.
"""

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Literal

from abruzzi.config import suggest
from abruzzi.data.examples import Example
from abruzzi.data.items import Item
from abruzzi.data.traces.write import get_task, list_families, list_styles, write_facts, write_plan, write_trace
from abruzzi.errors import ConfigError
from abruzzi.nouns import Message

Render = Callable[[str, str], tuple[Message, ...]]
"""(question, plan) → the messages before the reply; an empty plan is none."""
PlanSays = Literal["method", "facts"]
"""What a plan says: how to go about it, or what has to be known."""


def make_examples(
    items: Iterable[Item],
    *,
    render: Render,
    styles: Mapping[str, float] | None = None,
    planned_share: float,
    plan_says: PlanSays = "method",
    seed: int,
) -> list[Example]:
    """Make one example of each item.

    What is drawn for an item depends on the seed and the item alone, not on the other items.

    Args:
        items: generated ones, of families that have traces.
        render: writes the solver's messages.
        styles: style → weight; a family takes those of its own styles that are named, weighted; None is all alike.
        planned_share: share of examples that show a plan, in [0, 1].
        plan_says: what these plans say.
        seed: of the draws.

    Raises:
        ConfigError: a weight or share is out of range, a style is unknown, or none is left for a family.
        DataError: an item has no traces, or no facts.
    """
    if not 0 <= planned_share <= 1:
        raise ConfigError(f"planned_share must be in [0, 1], got {planned_share!r}")
    if styles is not None:
        _check_styles(styles)
    return [
        _make_example(
            item,
            Random(f"{seed}/{item.id}"),
            render=render,
            styles=styles,
            planned_share=planned_share,
            plan_says=plan_says,
        )
        for item in items
    ]


def draw_plan(item: Item, style: str, says: PlanSays, rng: Random) -> str:
    """Draw the wording of a plan for an item.

    Raises:
        DataError: there are no traces for its task, no such style, or no facts.
    """
    return write_facts(item, rng) if says == "facts" else write_plan(get_task(item), style, rng)


def _make_example(
    item: Item,
    rng: Random,
    *,
    render: Render,
    styles: Mapping[str, float] | None,
    planned_share: float,
    plan_says: PlanSays,
) -> Example:
    task = get_task(item)
    weights = _weigh(task, styles)
    (style,) = rng.choices(list(weights), list(weights.values()))
    plan = draw_plan(item, style, plan_says, rng) if rng.random() < planned_share else ""
    return Example(
        id=f"{item.id}/{style}" + ("/planned" if plan else ""),
        messages=render(item.question, plan),
        completion=write_trace(item, style, rng),
        family=task,
        style=style,
    )


def _weigh(task: str, styles: Mapping[str, float] | None) -> dict[str, float]:
    own = list_styles(task)
    if styles is None:
        return dict.fromkeys(own, 1.0)
    weights = {style: styles[style] for style in own if styles.get(style)}
    if not weights:
        raise ConfigError(f"no style of {task} has a weight; it has {', '.join(own)}, weighted are {', '.join(styles)}")
    return weights


def _check_styles(styles: Mapping[str, float]) -> None:
    known = sorted({style for task in list_families() for style in list_styles(task)})
    for style, weight in styles.items():
        if style not in known:
            raise ConfigError(f"no family has a style {style!r}{suggest(style, known)}")
        if not 0 <= weight < float("inf"):
            raise ConfigError(f"the weight of {style!r} must be a number from 0 up, got {weight!r}")
