import re
from collections import Counter

import pytest

from abruzzi.data.procedural import generate_items
from abruzzi.data.traces import list_styles, make_examples
from abruzzi.data.traces.chain_sum import FAMILY
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message

ITEMS = generate_items("chain_sum", 400, 3, {"min_terms": 3, "max_terms": 4, "max_digits": 2})


def render(question: str, plan: str) -> tuple[Message, ...]:
    return Message("system", "Solve."), Message("user", f"{question}|{plan}")


def test_an_example_asks_the_item_and_is_answered_in_its_style() -> None:
    examples = make_examples(ITEMS, render=render, styles=None, planned_share=0.5, seed=1)
    assert len(examples) == len(ITEMS)
    assert len({example.id for example in examples}) == len(ITEMS)
    for item, example in zip(ITEMS, examples, strict=True):
        question, _, plan = example.messages[-1].content.rpartition("|")
        assert (question, example.family) == (item.question, "chain_sum")
        assert example.completion.endswith(f"<answer>{item.ground_truth}</answer>")
        assert plan in ("", *FAMILY.styles[example.style].plans)
        assert example.id.endswith("/planned") == bool(plan)


def test_styles_are_drawn_by_weight_and_plans_by_share() -> None:
    examples = make_examples(ITEMS, render=render, styles={"running": 3, "direct": 1}, planned_share=0.25, seed=1)
    counts = Counter(example.style for example in examples)
    planned = sum(example.id.endswith("/planned") for example in examples)
    assert counts.keys() == {"running", "direct"}
    assert 0.67 < counts["running"] / 400 < 0.83  # four standard errors around 3/4
    assert 0.16 < planned / 400 < 0.34


def test_without_weights_every_style_is_drawn() -> None:
    examples = make_examples(ITEMS, render=render, planned_share=0, seed=2)
    assert {example.style for example in examples} == set(list_styles("chain_sum"))
    assert not any(example.id.endswith("/planned") for example in examples)


def test_facts_are_those_that_the_trace_uses() -> None:
    zoos = generate_items("leg_counting", 30, 3, {"min_animals": 1, "max_animals": 3})
    for example in make_examples(zoos, render=render, styles={"each": 1}, planned_share=1, plan_says="facts", seed=1):
        facts = example.messages[-1].content.rpartition("|")[2].split(": ")[1].rstrip(".").split(", ")
        for fact in facts:
            animal, legs = fact.rsplit(" ", 1)
            assert re.search(rf"{animal}: \d+ \* {legs} =", example.completion)


def test_what_is_drawn_for_an_item_depends_on_the_seed_and_not_on_its_neighbours() -> None:
    many = make_examples(ITEMS, render=render, planned_share=0.5, seed=1)
    few = make_examples(reversed(ITEMS[:50]), render=render, planned_share=0.5, seed=1)
    assert few == many[:50][::-1]
    assert make_examples(ITEMS, render=render, planned_share=0.5, seed=2) != many


@pytest.mark.parametrize(
    ("styles", "share", "message"),
    [
        ({"runing": 1}, 0.5, r"no family has a style 'runing'; did you mean 'running'\?"),
        ({"running": -1}, 0.5, "the weight of 'running' must be a number from 0 up, got -1"),
        ({"running": float("nan")}, 0.5, "must be a number from 0 up, got nan"),
        ({"spell": 1}, 0.5, "no style of chain_sum has a weight"),
        ({"running": 0}, 0.5, "no style of chain_sum has a weight"),
        (None, 1.5, r"planned_share must be in \[0, 1\], got 1.5"),
    ],
)
def test_weights_and_shares_that_make_no_sense_are_refused(
    styles: dict[str, float] | None, share: float, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_examples(ITEMS, render=render, styles=styles, planned_share=share, seed=1)


def test_an_item_without_traces_is_refused() -> None:
    with pytest.raises(DataError, match="no traces for the task 'word_sorting'"):
        make_examples(generate_items("word_sorting", 1, 1, {}), render=render, planned_share=0, seed=1)
