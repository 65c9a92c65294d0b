"""What a recipe trains on: nothing that is held out, the same sets again, and every row of a file accounted for."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.difficulty import PassRate, PassRates
from abruzzi.data.examples import Example, write_examples
from abruzzi.data.items import Item
from abruzzi.data.splits import get_question, hash_question
from abruzzi.data.traces import list_families, list_styles
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message
from abruzzi.reasoning.sample import solver_messages
from abruzzi.training.material import (
    Portion,
    bare_messages,
    gather_lessons,
    gather_portions,
    gather_prompts,
    held_out_prompts,
    make_prompt,
    render_for,
)
from abruzzi.training.recipe import DataSettings
from abruzzi.training.scratch import make_tokenizer
from abruzzi.training.tokens import encode_prompt
from tests.data.making import write_lines
from tests.training.toys import TEXTS

TOKENIZER = make_tokenizer(TEXTS)

REPLY = "<think>Two and two.</think>\n<answer>4</answer>"
NARROW: dict[str, dict[str, Any]] = {
    "chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1},
    "products": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1},
    "leg_counting": {"min_animals": 1, "max_animals": 2, "min_instances": 1, "max_instances": 2},
    "letter_counting": {"min_words": 1, "max_words": 2},
}
"""Settings with few different questions, so that a generator repeats itself."""


def procedural(task: str, **changes: Any) -> dict[str, Any]:
    return {"kind": "procedural", "task": task, "size": 200, "settings": NARROW[task]} | changes


def make_data(*sources: dict[str, Any], **changes: Any) -> DataSettings:
    return DataSettings.model_validate({"sources": sources, "held_out": 15} | changes)


def questions(items: tuple[Item, ...] | tuple[Example, ...] | list[Item]) -> set[str]:
    return {hash_question(get_question(item)) for item in items}


def held_out_of(portions: list[Portion]) -> set[str]:
    return {key for portion in portions for key in questions(portion.held_out)}


def test_every_family_is_in_these_tests() -> None:
    assert set(NARROW) == set(list_families())


@pytest.mark.parametrize("task", NARROW)
def test_nothing_held_out_is_trained_on(task: str) -> None:
    data = make_data(procedural(task))
    (portion,) = gather_portions(data)
    assert len(portion.held_out) == len(questions(portion.held_out)) == 15
    assert portion.train
    assert not questions(portion.train) & questions(portion.held_out)
    assert len(portion.train) < 200, "the generator did repeat itself"
    assert not questions(gather_lessons(data).examples) & questions(portion.held_out)


def test_nor_by_another_source(tmp_path: Path) -> None:
    """One source's held-out questions are out of the training sets of all others, files included."""
    wide = procedural("chain_sum", seed=5, settings=NARROW["chain_sum"] | {"max_terms": 3})
    data = make_data(procedural("chain_sum"), wide, procedural("products"))
    portions = gather_portions(data)
    held_out = held_out_of(portions)
    assert all(not questions(portion.train) & held_out for portion in portions)

    (first, *_) = portions[0].held_out
    asked = [Example("leak", bare_messages(first.question), "<think></think>\n<answer>1</answer>")]
    planned = Example(
        "planned", (Message("user", f"Hi <question>\n{first.question}\n</question> plan"),), "<answer>1</answer>"
    )
    fine = Example("fine", bare_messages("What else?"), "<answer>1</answer>")
    write_examples(tmp_path / "own.jsonl", [*asked, planned, fine])
    source = {"kind": "examples", "path": str(tmp_path / "own.jsonl")}
    ids = {example.id for example in gather_lessons(make_data(procedural("chain_sum"), source)).examples}
    assert "fine" in ids
    assert not ids & {"leak", "planned"}


def test_stages_of_a_recipe_hold_out_the_same() -> None:
    sft = gather_portions(make_data(procedural("products", seed=1), held_out=20))
    grpo = gather_portions(make_data(procedural("products", seed=2, size=90), held_out=15))
    assert held_out_of(grpo) <= held_out_of(sft), "what RL is measured on, SFT was not taught"
    assert portions_ids(sft) != portions_ids(grpo)


def portions_ids(portions: list[Portion]) -> list[list[str]]:
    return [[item.question for item in portion.train] for portion in portions]


def test_the_same_recipe_gives_the_same_sets() -> None:
    data = make_data(*(procedural(task, planned_share=0.5) for task in NARROW))
    assert gather_portions(data) == gather_portions(data)
    assert gather_lessons(data) == gather_lessons(data)
    portions = gather_portions(data)
    assert gather_prompts(data, TOKENIZER, portions) == gather_prompts(data, TOKENIZER, portions)
    assert held_out_of(gather_portions(make_data(procedural("products"), held_out_seed=8))) != held_out_of(
        gather_portions(make_data(procedural("products")))
    )


def test_lessons_are_shuffled_and_of_the_styles_asked_for() -> None:
    styles = {"direct": 2.0, "split": 1.0}
    data = make_data(procedural("products", styles=styles), procedural("leg_counting"))
    examples = gather_lessons(data).examples
    families = [example.family for example in examples]
    assert families != sorted(families, key=families.index), "the sources are mixed"
    seen = {family: {e.style for e in examples if e.family == family} for family in families}
    assert seen == {"products": set(styles), "leg_counting": set(list_styles("leg_counting"))}


def test_a_share_is_planned() -> None:
    for share in (0.0, 0.5, 1.0):
        data = make_data(procedural("products", planned_share=share))
        examples = gather_lessons(data).examples
        planned = sum(example.id.endswith("/planned") for example in examples) / len(examples)
        assert planned == pytest.approx(share, abs=0.12)
        prompts = gather_prompts(data, TOKENIZER, gather_portions(data))
        plain = [make_prompt(TOKENIZER, solver_messages(p.item.question, ""), p.item, p.family) for p in prompts]
        differing = sum(prompt != other for prompt, other in zip(prompts, plain, strict=True)) / len(prompts)
        assert differing == pytest.approx(share, abs=0.12)


def test_held_out_prompts_show_no_plan_and_every_family() -> None:
    data = make_data(*(procedural(task, planned_share=1.0) for task in NARROW))
    portions = gather_portions(data)
    prompts = held_out_prompts(data, TOKENIZER, portions)
    assert [prompt.family for prompt in prompts] == [task for task in NARROW for _ in range(15)]
    for prompt in prompts:
        assert prompt.ids == tuple(encode_prompt(TOKENIZER, solver_messages(prompt.item.question, "")))


def test_a_question_is_put_as_the_recipe_says() -> None:
    for way, messages in (("solver", solver_messages("What?", "Do.")), ("bare", (Message("user", "What?\nDo."),))):
        assert render_for(make_data(procedural("products"), prompt=way))("What?", "Do.") == messages
    assert bare_messages("What?") == (Message("user", "What?"),)


def test_too_few_questions_are_said() -> None:
    with pytest.raises(
        DataError, match=r"products with .* asks only \d+ different questions of the 120 to be held out"
    ):
        gather_portions(make_data(procedural("products"), held_out=120))
    # The one item that is generated to train on is the first of those held out: the seed is theirs.
    with pytest.raises(DataError, match="every item of products asks a question that is held out"):
        gather_portions(make_data(procedural("products", size=1, seed=7), held_out=15))
    assert gather_portions(make_data(procedural("products"), held_out=0))[0].held_out == ()


def write_items(path: Path, count: int) -> dict[str, Any]:
    write_lines(path, *({"id": str(n), "question": f"What is {n}?", "answer": str(n)} for n in range(count)))
    return {"kind": "items", "path": str(path)}


def test_items_of_a_file_are_split_by_their_questions(tmp_path: Path) -> None:
    source = write_items(tmp_path / "numbers.jsonl", 50)
    (portion,) = gather_portions(make_data(source))
    assert (portion.family, len(portion.train), len(portion.held_out)) == ("numbers", 35, 15)
    assert not questions(portion.train) & questions(portion.held_out)
    (limited,) = gather_portions(make_data(source | {"limit": 20}))
    assert {item.id for item in (*limited.train, *limited.held_out)} == {str(n) for n in range(20)}
    with pytest.raises(DataError, match="too few to hold out 60"):
        gather_portions(make_data(source, held_out=60))


def test_rows_of_files_that_cannot_be_used_are_kept_apart(tmp_path: Path) -> None:
    good = {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "assistant", "value": REPLY}]}
    bad = {"conversations": [{"from": "human", "value": "2 + 2?"}]}
    path = write_lines(tmp_path / "math.jsonl", good, bad, b"{\n", good)
    source = {"kind": "am-thinking", "path": str(path)}
    lessons = gather_lessons(make_data(source))
    assert [example.completion for example in lessons.examples] == [REPLY, REPLY]
    assert [row.number for row in lessons.malformed] == [2, 3]
    assert len(gather_lessons(make_data(source | {"limit": 1})).examples) == 1

    row = {
        "data_source": "math__x",
        "prompt": [{"role": "user", "content": "1 + 1?"}],
        "reward_model": {"ground_truth": "2"},
    }
    other = row | {"prompt": [{"role": "user", "content": "1 + 2?"}]}
    path = write_lines(tmp_path / "math__own.jsonl", row, {"prompt": 3}, other)
    (portion,) = gather_portions(make_data({"kind": "guru", "path": str(path)}, held_out=1))
    assert (len(portion.train), len(portion.held_out), len(portion.malformed)) == (1, 1, 1)
    assert portion.family == "math__own"


def test_families_of_one_task_are_named_apart_so_that_their_items_are(tmp_path: Path) -> None:
    wide = procedural("chain_sum") | {"settings": {"min_terms": 3, "max_terms": 3}, "planned_share": 1.0}
    data = make_data(procedural("chain_sum"), procedural("leg_counting"), wide)
    portions = gather_portions(data)
    assert [portion.family for portion in portions] == ["chain_sum-1", "leg_counting", "chain_sum-3"]
    first, _, third = (portion.held_out for portion in portions)
    assert {item.id for item in first} & {item.id for item in third}, "which would be counted as one"
    held_out = held_out_prompts(data, TOKENIZER, portions)
    assert len({(prompt.family, prompt.item.id) for prompt in held_out}) == len(held_out)
    assert gather_prompts(data, TOKENIZER, portions), "a plan is of the task and not of the family's name"


def test_each_stage_takes_the_sources_that_it_can(tmp_path: Path) -> None:
    write_examples(tmp_path / "own.jsonl", [Example("1", bare_messages("What?"), REPLY)])
    examples = {"kind": "examples", "path": str(tmp_path / "own.jsonl")}
    items = write_items(tmp_path / "items.jsonl", 20)
    assert [example.id for example in gather_lessons(make_data(examples)).examples] == ["1"]
    assert gather_portions(make_data(examples)) == [], "examples have no ground truth"
    with pytest.raises(ConfigError, match="kind 'items' has no completions to teach"):
        gather_lessons(make_data(items))
    for kind in ("items", "examples"):
        with pytest.raises(ConfigError, match=f"kind '{kind}' needs a path"):
            (gather_portions if kind == "items" else gather_lessons)(make_data({"kind": kind}))
    with pytest.raises(DataError, match="cannot read"):
        gather_lessons(make_data({"kind": "examples", "path": str(tmp_path / "none.jsonl")}))


def test_tasks_without_traces_can_be_asked_and_not_taught() -> None:
    data = make_data({"kind": "procedural", "task": "gcd", "size": 20})
    assert len(gather_portions(data)[0].held_out) == 15
    with pytest.raises(DataError, match="no traces for the task 'gcd'"):
        gather_lessons(data)


def test_pass_rates_choose_what_is_asked(tmp_path: Path) -> None:
    source = write_items(tmp_path / "numbers.jsonl", 50)
    (before,) = gather_portions(make_data(source))
    path = tmp_path / "rates.jsonl"
    with PassRates(path, "me") as rates:
        for item, num_correct in zip(before.train, (0, 1, 4, 3), strict=False):
            rates.add(item, PassRate(num_correct, 4))
    wanted: dict[str, Any] = {"rates": str(path), "rates_of": "me"}
    (portion,) = gather_portions(make_data(source, **wanted))
    assert portion.train == (before.train[1], before.train[3])
    assert portion.num_filtered == 33
    assert portion.held_out == before.held_out, "what is measured on is not chosen by difficulty"
    (strict,) = gather_portions(make_data(source, rate_low=0.3, rate_high=0.9, **wanted))
    assert strict.train == (before.train[3],)
    with pytest.raises(DataError, match="no item of numbers passes between 0 and 1 of the time"):
        gather_portions(make_data(source, rates=str(path), rates_of="another"))


def count_answers(items: tuple[Item, ...]) -> Counter[str]:
    return Counter(str(item.ground_truth) for item in items)


def test_no_answer_pays_more_than_the_source_allows(tmp_path: Path) -> None:
    source = procedural("letter_counting", size=400, settings={"min_words": 3, "max_words": 5}, answer_share=0.34)
    (portion,) = gather_portions(make_data(source, held_out=30))
    assert 150 < len(portion.train) < 300
    for items in (portion.train, portion.held_out):
        assert max(count_answers(items).values()) <= 0.36 * len(items)  # held-out questions may have been taken out
    path = tmp_path / "rates.jsonl"
    with PassRates(path, "guesser") as rates:  # says "1" mostly, so the items with another answer never pass
        for number, item in enumerate(portion.train):
            is_kept = item.ground_truth == "1" or number % 5 == 0
            rates.add(item, PassRate(2 if is_kept else 0, 4))
    (filtered,) = gather_portions(make_data(source, held_out=30, rates=str(path), rates_of="guesser"))
    assert max(count_answers(filtered.train).values()) <= 0.34 * len(filtered.train)
    assert len(filtered.train) + filtered.num_filtered == len(portion.train)
