"""Makes examples of generated items: asked as the solver is asked, answered by a trace whose style is drawn.

How a question is put to the solver is the pipeline's business and passed in. A plan is shown with some of the examples
and is always of the style that the trace then takes, so that the solver learns that plans can be followed.
"""

from collections.abc import Callable, Iterable, Mapping
from random import Random

from abruzzi.config import suggest
from abruzzi.data.examples import Example
from abruzzi.data.items import Item
from abruzzi.data.traces.write import get_task, list_families, list_styles, write_plan, write_trace
from abruzzi.errors import ConfigError
from abruzzi.nouns import Message

Render = Callable[[str, str], tuple[Message, ...]]
"""(question, plan) → the messages before the reply; an empty plan is none."""


def make_examples(
    items: Iterable[Item],
    *,
    render: Render,
    styles: Mapping[str, float] | None = None,
    planned_share: float,
    seed: int,
) -> list[Example]:
    """Make one example of each item.

    What is drawn for an item depends on the seed and the item alone, not on the other items.

    Args:
        items: generated ones, of families that have traces.
        render: writes the solver's messages.
        styles: style → weight; a family takes those of its own styles that are named, weighted; None is all alike.
        planned_share: share of examples that show a plan, in [0, 1].
        seed: of the draws.

    Raises:
        ConfigError: a weight or share is out of range, a style is unknown, or none is left for a family.
        DataError: an item has no traces.
    """
    if not 0 <= planned_share <= 1:
        raise ConfigError(f"planned_share must be in [0, 1], got {planned_share!r}")
    if styles is not None:
        _check_styles(styles)
    return [_make_example(item, render, styles, planned_share, Random(f"{seed}/{item.id}")) for item in items]


def _make_example(
    item: Item, render: Render, styles: Mapping[str, float] | None, planned_share: float, rng: Random
) -> Example:
    task = get_task(item)
    weights = _weigh(task, styles)
    (style,) = rng.choices(list(weights), list(weights.values()))
    plan = write_plan(task, style, rng) if rng.random() < planned_share else ""
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
