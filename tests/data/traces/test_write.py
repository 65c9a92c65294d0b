import re
from random import Random

import pytest

from abruzzi.data.items import Item
from abruzzi.data.procedural import generate_items
from abruzzi.data.traces import list_factual, list_families, list_styles, write_facts, write_plan, write_trace
from abruzzi.errors import DataError
from abruzzi.nouns import Outcome
from abruzzi.reasoning.leak import redact
from abruzzi.verifiers import Row
from abruzzi.verifiers.procedural import verify_procedural

SETTINGS: dict[str, dict[str, int]] = {
    "chain_sum": {"min_terms": 2, "max_terms": 5, "min_digits": 1, "max_digits": 3},
    "leg_counting": {"min_animals": 1, "max_animals": 4},
    "letter_counting": {"min_words": 1, "max_words": 6},
    "products": {"min_digits": 1, "max_digits": 3},
}
TRACES = [(task, style) for task in list_families() for style in list_styles(task)]
SIDE = r"-?\d+(?: [-+*] \d+)*"
EQUATION = re.compile(rf"(?<![\d*+-])(?<![-+*] )({SIDE}(?: = {SIDE})+)")


def find_equations(text: str) -> list[list[str]]:
    """Find everything of the form ``a + b = c``, as its sides."""
    return [found.split(" = ") for found in EQUATION.findall(text)]


def compute(side: str) -> int:
    """Compute products before sums, without the code under test."""
    total = 0
    for sign, product in re.findall(r"(?:^|([-+]) )(-?\d+(?: \* \d+)*)", side):
        value = 1
        for factor in product.split(" * "):
            value *= int(factor)
        total += -value if sign == "-" else value
    return total


def get_thoughts(trace: str) -> str:
    found = re.fullmatch(r"<think>(.+)</think>\n<answer>(-?\d+)</answer>", trace, re.DOTALL)
    assert found is not None, trace
    return found[1]


def test_the_checker_of_equations_finds_wrong_ones() -> None:
    (good, bad) = find_equations("Tens: 20 + 60 = 80; 4 - 1 * 7 = -3, no 5 equation")
    assert [compute(side) for side in good] == [80, 80]
    assert [compute(side) for side in bad] == [-3, -3]
    assert [compute(side) for (sides,) in [find_equations("2 * 3 + 4 * 5 = 27")] for side in sides] == [26, 27]


@pytest.mark.parametrize(("task", "style"), TRACES)
def test_every_equation_is_right_and_every_answer_passes(task: str, style: str) -> None:
    items = generate_items(task, 300, 11, SETTINGS[task])
    for item in items:
        trace = write_trace(item, style, Random(item.id))
        thoughts = get_thoughts(trace)
        equations = find_equations(thoughts)
        for sides in equations:
            assert len({compute(side) for side in sides}) == 1, trace
        assert sum(map(len, equations)) - len(equations) == thoughts.count("="), f"an equation was not read: {trace}"
        row = Row(item.id, item.data_source, trace, item.ground_truth, item.extra)
        assert verify_procedural(row).outcome is Outcome.CORRECT, trace


@pytest.mark.parametrize(("task", "style"), TRACES)
def test_the_last_thought_is_the_answer(task: str, style: str) -> None:
    for item in generate_items(task, 100, 5, SETTINGS[task]):
        thoughts = get_thoughts(write_trace(item, style, Random(item.id)))
        assert re.findall(r"(?<!\d)-?\d+", thoughts)[-1] == item.ground_truth


@pytest.mark.parametrize(("task", "style"), TRACES)
def test_the_same_draws_give_the_same_trace_and_others_another_wording(task: str, style: str) -> None:
    (item,) = generate_items(task, 1, 4, SETTINGS[task])
    assert write_trace(item, style, Random(1)) == write_trace(item, style, Random(1))
    assert len({write_trace(item, style, Random(number)) for number in range(30)}) >= 2
    assert len({write_plan(task, style, Random(number)) for number in range(30)}) >= 2


@pytest.mark.parametrize("task", list_families())
def test_styles_of_a_family_write_different_steps_and_plans(task: str) -> None:
    items = generate_items(task, 50, 8, SETTINGS[task])
    written = {
        style: [re.findall(r"\S+", write_trace(item, style, Random(0))) for item in items]
        for style in list_styles(task)
    }
    assert len({str(traces) for traces in written.values()}) == len(written)
    plans = [write_plan(task, style, Random(number)) for style in list_styles(task) for number in range(20)]
    assert len(set(plans)) >= 2 * len(list_styles(task))
    assert not any(re.search(r"\d", plan) for plan in plans), "a plan computes nothing"


@pytest.mark.parametrize("task", list_factual())
def test_facts_are_worded_in_several_ways_and_state_no_answer(task: str) -> None:
    items = generate_items(task, 100, 8, SETTINGS[task])
    assert len({write_facts(items[0], Random(number)) for number in range(30)}) >= 2
    for item in items:
        assert redact(write_facts(item, Random(0)), item.question)[1] == 0


def test_unknown_tasks_styles_and_items_are_refused() -> None:
    own = Item("mine", "What is 1 + 1?", "2", "math__own")
    (item,) = generate_items("chain_sum", 1, 4, {})
    (other,) = generate_items("word_sorting", 1, 4, {})
    wrong = Item(item.id, item.question, "1000000", item.data_source, item.extra)
    bare = Item("bare", "?", "2", "reasoning_gym", {"task": "products"})
    with pytest.raises(DataError, match="no traces for the task 'word_sorting'"):
        write_trace(other, "direct", Random(0))
    with pytest.raises(DataError, match=r"no style 'runing'; did you mean 'running'\?"):
        write_trace(item, "runing", Random(0))
    with pytest.raises(DataError, match="names no task"):
        write_trace(own, "direct", Random(0))
    with pytest.raises(DataError, match="says '1000000', but its metadata give"):
        write_trace(wrong, "direct", Random(0))
    with pytest.raises(DataError, match="no metadata 'expression'"):
        write_trace(bare, "direct", Random(0))
    with pytest.raises(DataError, match="did you mean 'products'"):
        list_styles("product")
    with pytest.raises(DataError, match="nothing has to be known for chain_sum; there are facts for: leg_counting"):
        write_facts(item, Random(0))
