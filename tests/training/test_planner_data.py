import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from abruzzi.data.examples import Example, read_examples
from abruzzi.data.items import Item
from abruzzi.data.procedural import generate_items
from abruzzi.data.traces import list_styles
from abruzzi.data.traces.chain_sum import FAMILY
from abruzzi.errors import ConfigError, DataError, RecordError
from abruzzi.nouns import Completion, FinishReason, PlanOutcome
from abruzzi.reasoning.leak import holds_answer, redact
from abruzzi.reasoning.plan import planner_messages, read_plan
from abruzzi.training.material import bare_messages
from abruzzi.training.planner_data import (
    FACTS,
    Solver,
    Trial,
    is_clean,
    measure_gains,
    read_trials,
    try_plans,
    write_planner_examples,
)
from tests.training.doubles import CharTokenizer, ScriptedSampler, check_answers, make_sum, think

SUMS = generate_items("chain_sum", 30, 3, {"min_terms": 3, "max_terms": 3, "min_digits": 2, "max_digits": 2})
LETTERS = generate_items("letter_counting", 20, 3, {"min_words": 1, "max_words": 3})
STYLE_OF = {plan: style for style, way in FAMILY.styles.items() for plan in way.plans}


def find(question: str, items: Sequence[Item]) -> Item:
    return next(item for item in items if item.question in question)


def solver(rate_of: Callable[[str], float], items: Sequence[Item] = (*SUMS, *LETTERS)) -> ScriptedSampler:
    """A solver that passes a share of its samples that depends on the style of the plan ("" is none, or another)."""

    def reply(prompt: str, member: int) -> str:
        item = find(prompt, items)
        style = next((style for plan, style in STYLE_OF.items() if plan in prompt), "")
        is_right = Random(f"{item.id}/{style}/{member}").random() < rate_of(style)
        return think("hm", item.ground_truth if is_right else "1234567")

    return ScriptedSampler(reply)


def run(
    path: Path,
    sampler: ScriptedSampler,
    items: Mapping[str, Sequence[Item]],
    free_plans: Mapping[str, Sequence[str]] | None = None,
    *,
    seed: int = 1,
    solver: str = "sft",
) -> list[Trial]:
    who = Solver(solver, sampler, CharTokenizer(), bare_messages, samples=8, max_tokens=64, verify=check_answers)
    return try_plans(path, items, who, seed=seed, free_plans=free_plans)


def helps(style: str) -> float:
    return {"running": 0.9, "columns": 0.8}.get(style, 0.3)


def tried(family: str, way: str, *rates: float, samples: int = 8, plan: str = "Do it.") -> list[Trial]:
    """Trials of items 0, 1, … with these pass rates."""
    return [
        Trial(family, f"{family}/{n}", way, plan, tuple(float(k < rate * samples) for k in range(samples)))
        for n, rate in enumerate(rates)
    ]


def read(path: Path) -> dict[str, Example]:
    return {one.id: one for one in read_examples(path)}


def test_every_style_and_none_is_tried_on_every_item(tmp_path: Path) -> None:
    sampler = solver(helps)
    trials = run(tmp_path / "t.jsonl", sampler, {"chain_sum": SUMS[:4]}, {SUMS[0].id: ["Add up.", "Think."]})
    styles = list_styles("chain_sum")
    assert len(trials) == 4 * (1 + len(styles)) + 2
    assert {trial.way for trial in trials if trial.item == SUMS[0].id} == {"", *styles, "free/0", "free/1"}
    assert all(trial.plan == "" for trial in trials if trial.way == "")
    assert all(STYLE_OF[trial.plan] == trial.way for trial in trials if trial.way in styles)
    assert len(set(sampler.seeds)) == len(sampler.seeds)
    assert trials == read_trials(tmp_path / "t.jsonl")


def test_facts_are_tried_where_something_has_to_be_known_and_are_each_items_own(tmp_path: Path) -> None:
    zoos = generate_items("leg_counting", 20, 3, {"min_animals": 2, "max_animals": 3})

    def reply(prompt: str, member: int) -> str:
        item = find(prompt, [*zoos, *SUMS])
        return think("hm", item.ground_truth if "Legs " in prompt or member < 2 else "1234567")

    trials = run(tmp_path / "t.jsonl", ScriptedSampler(reply), {"leg_counting": zoos, "chain_sum": SUMS[:1]})
    assert {trial.family for trial in trials if trial.way == FACTS} == {"leg_counting"}
    plans = {trial.item: trial.plan for trial in trials if trial.way == FACTS}
    for zoo in zoos:
        assert all(f"{animal} " in plans[zoo.id] for animal in zoo.extra["metadata"]["animals"])
    items = {"leg_counting": generate_items("leg_counting", 40, 3, {"min_animals": 2, "max_animals": 3})}
    write_planner_examples(tmp_path / "p.jsonl", items, [trial for trial in trials if trial.family == "leg_counting"])
    for name, example in read(tmp_path / "p.jsonl").items():
        (zoo,) = (item for item in items["leg_counting"] if name == f"{item.id}/planner")
        plan = json.loads(example.completion)["plan"]
        assert example.style == FACTS
        assert all(f"{animal} " in plan for animal in zoo.extra["metadata"]["animals"])
        assert str(zoo.ground_truth) not in plan.replace(".", "").split()


def test_trials_are_not_made_twice_and_a_cut_run_goes_on(tmp_path: Path) -> None:
    path, items = tmp_path / "t.jsonl", {"chain_sum": SUMS[:5]}
    whole = run(path, solver(helps), items)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-7]) + lines[-7][:20])
    sampler = solver(helps)
    assert run(path, sampler, items) == whole
    assert 0 < len(sampler.asked) <= 10
    assert sorted(path.read_bytes().splitlines()) == sorted(line.rstrip() for line in lines)
    idle = solver(helps)
    assert run(path, idle, items) == whole
    assert idle.asked == []


def test_trials_of_another_solver_or_seed_are_refused(tmp_path: Path) -> None:
    path, items = tmp_path / "t.jsonl", {"chain_sum": SUMS[:1]}
    run(path, solver(helps), items)
    for changed in ({"solver": "grpo"}, {"seed": 2}):
        with pytest.raises(ConfigError, match="holds trials made with"):
            run(path, solver(helps), items, **changed)  # pyright: ignore[reportArgumentType] -- by keyword
    path.write_text('{"item": "a"}\n')
    with pytest.raises(RecordError, match="a row that is no trial"):
        run(path, solver(helps), items)


def test_samples_without_a_verdict_are_left_out(tmp_path: Path) -> None:
    sampler = ScriptedSampler(
        lambda prompt, member: [None, think("", "?"), think("", find(prompt, SUMS).ground_truth)][member % 3]
    )
    trials = run(tmp_path / "t.jsonl", sampler, {"chain_sum": SUMS[:1]})
    assert trials[0].passes == (0.0, 1.0, 0.0, 1.0, 0.0)


def test_a_gain_by_hand() -> None:
    none = tried("f", "", 0.5, 0.5, 0.25, 0.0)
    (gain,) = measure_gains([*none, *tried("f", "a", 1.0, 0.5, 0.5, 0.5)])
    assert (gain.way, gain.num_items) == ("a", 4)
    assert gain.gain.value == pytest.approx((0.5 + 0 + 0.25 + 0.5) / 4)
    assert gain.rate == pytest.approx(2.5 / 4)
    # Three differences that are not zero, all one way: 2 of 8 changes of sign are as far out.
    assert gain.p == pytest.approx(0.25)
    assert not gain.helps


def test_p_values_are_adjusted_for_all_ways_of_a_family() -> None:
    none = tried("f", "", *[0.25] * 12)
    better = tried("f", "a", *[0.5, 0.625, 0.75, 0.875] * 3)
    by_way = {gain.way: gain for gain in measure_gains([*none, *better, *tried("f", "b", *[0.25] * 12)])}
    assert by_way["a"].p == pytest.approx(2 * 2 / 2**12)
    assert (by_way["b"].p, by_way["b"].gain.value) == (1, 0)
    assert by_way["a"].helps
    assert not by_way["b"].helps


def test_items_tried_with_one_of_both_only_say_nothing() -> None:
    (gain,) = measure_gains([*tried("f", "", 0.5), *tried("f", "a", 1.0, 1.0), Trial("f", "f/9", "", "", ())])
    assert gain.num_items == 1


def test_the_plans_that_help_are_taught_and_fit_the_planners_schema(tmp_path: Path) -> None:
    trials = run(tmp_path / "t.jsonl", solver(helps), {"chain_sum": SUMS[:20]})
    counts = write_planner_examples(tmp_path / "p.jsonl", {"chain_sum": SUMS}, trials)
    assert {gain.way for gain in counts.gains if gain.helps} == {"running", "columns"}
    assert (counts.num_examples, counts.num_unclean, counts.num_left_out) == (30, 0, 0)
    examples = read(tmp_path / "p.jsonl")
    for place, item in enumerate(SUMS):
        one = examples[f"{item.id}/planner"]
        assert one.messages == planner_messages(item.question)
        plan = read_plan(Completion(0, one.completion, "", FinishReason.STOP, 0.0), item.question)
        assert (plan.outcome, plan.num_redactions) == (PlanOutcome.PLANNED, 0)
        assert STYLE_OF[plan.text] == one.style
        assert one.style in (["running", "columns"] if place < 20 else ["running"])
        assert not holds_answer(plan.text, str(item.ground_truth), item.question)
        assert redact(plan.text, item.question)[1] == 0
    # An item that was tried keeps the very plan that it was tried with.
    shown = {trial.plan for trial in trials if trial.item == SUMS[0].id}
    assert json.loads(examples[f"{SUMS[0].id}/planner"].completion)["plan"] in shown


def test_where_no_plan_helps_none_is_needed(tmp_path: Path) -> None:
    items = {"chain_sum": SUMS[:20], "letter_counting": LETTERS}
    trials = run(tmp_path / "t.jsonl", solver(lambda style: 0.9 if style == "gather" else 0.4), items)
    counts = write_planner_examples(tmp_path / "p.jsonl", items, trials)
    assert counts.used == {"chain_sum/gather": 20, "letter_counting/none": 20}
    examples = read(tmp_path / "p.jsonl")
    reply = json.loads(examples[f"{LETTERS[0].id}/planner"].completion)
    assert reply == {"plan": ""}


def test_a_task_that_nobody_writes_plans_for_needs_none_and_no_trial(tmp_path: Path) -> None:
    others = generate_items("word_sorting", 3, 3, {})
    counts = write_planner_examples(tmp_path / "p.jsonl", {"word_sorting": others}, [])
    assert counts.used == {"word_sorting/none": 3}
    reply = json.loads(read(tmp_path / "p.jsonl")[f"{others[0].id}/planner"].completion)
    assert reply == {"plan": ""}


def test_a_solver_that_heeds_no_plan_makes_none_look_helpful(tmp_path: Path) -> None:
    """Noise alone: over forty families of six ways each, at most a few pass the rule (level 0.05 a family)."""
    rng = Random(5)
    trials: list[Trial] = []
    for number in range(40):
        for way in ("", *"abcdef"):
            passed = [sum(rng.random() < 0.5 for _ in range(8)) / 8 for _ in range(12)]
            trials += tried(f"family{number}", way, *passed)
    helped = {gain.family for gain in measure_gains(trials) if gain.helps}
    assert len(helped) <= 4


def test_an_items_own_samples_move_it_no_further_than_they_weigh(tmp_path: Path) -> None:
    # a: 0.75 on average, b: 0.5; eight samples weigh as much as the mean. (8·1 + 8·0.5)/16 = 0.75 for b on item 0
    # against (8·0.25 + 8·0.75)/16 = 0.5 for a; on item 1 both passed all, and a's mean is higher.
    rates_a = [0.25, 1.0, 0.75, 0.875, 0.625, 0.75, 0.875, 0.875, 0.75, 0.75]
    rates_b = [1.0, 1.0, 0.25, 0.375, 0.5, 0.375, 0.25, 0.5, 0.375, 0.375]
    trials = [
        *tried("chain_sum", "", *[0.0] * 10),
        *tried("chain_sum", "running", *rates_a, plan="A."),
        *tried("chain_sum", "gather", *rates_b, plan="B."),
    ]
    items = [replace(SUMS[n], id=f"chain_sum/{n}") for n in range(2)]
    write_planner_examples(tmp_path / "p.jsonl", {"chain_sum": items}, trials)
    styles = {name: one.style for name, one in read(tmp_path / "p.jsonl").items()}
    assert styles == {"chain_sum/0/planner": "gather", "chain_sum/1/planner": "running"}


@pytest.mark.parametrize(
    ("plan", "is_fine"),
    [
        ("Add the tens, then the ones.", True),
        ("1. Add 43 and 14.\n2. Subtract 10.", True),
        ("Add them. The answer is 47.", False),
        ("43 + 14 = 57, then subtract.", False),
        ("It comes to about 47.", False),
        (r"Check that it is \boxed{…}.", False),
    ],
)
def test_plans_that_give_something_away_are_not_clean(plan: str, is_fine: bool) -> None:
    assert is_clean(plan, make_sum("43 + 14 - 10")) is is_fine


def test_answers_in_words_are_not_given_away_either() -> None:
    item = Item("k", "Is Zoe a knight or a knave?", "Zoe is a knave", "math__own")
    assert is_clean("Assume that Zoe lies.", item)
    assert not is_clean("Show that Zoe is a knave.", item)


def test_a_plan_that_helps_but_leaks_gives_way_or_its_item_is_left_out(tmp_path: Path) -> None:
    items = {"own": [Item(f"own/{n}", f"What is {n} + {n}?", str(2 * n), "math__own") for n in range(20, 32)]}
    leaks = {item.id: [f"The answer is {item.ground_truth}.", "Add both."] for item in items["own"]}
    leaks["own/20"] = leaks["own/20"][:1]

    def reply(prompt: str, member: int) -> str:
        item = next(item for item in items["own"] if item.question in prompt)
        is_right = "answer is" in prompt or ("Add both" in prompt and member < 6) or member < 1
        return think("", item.ground_truth if is_right else 0)

    trials = run(tmp_path / "t.jsonl", ScriptedSampler(reply), items, leaks)
    counts = write_planner_examples(tmp_path / "p.jsonl", items, trials)
    assert counts.used == {"own/free/1": 11}
    assert (counts.num_unclean, counts.num_left_out) == (12, 1)
    for one in read(tmp_path / "p.jsonl").values():
        assert json.loads(one.completion) == {"plan": "Add both."}
    with pytest.raises(DataError, match="every plan that helps gives an answer away"):
        write_planner_examples(tmp_path / "p.jsonl", {"own": items["own"][:1]}, trials)


def test_families_that_were_not_tried_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no plan was tried for 'letter_counting'"):
        write_planner_examples(tmp_path / "p.jsonl", {"letter_counting": LETTERS}, tried("chain_sum", "", 0.5))


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    written: list[bytes] = []
    for name, seed in (("1", 1), ("2", 1), ("3", 2)):
        trials = run(tmp_path / f"{name}t", solver(helps), {"chain_sum": SUMS[:12]}, seed=seed)
        write_planner_examples(tmp_path / f"{name}p", {"chain_sum": SUMS}, trials, seed=seed)
        written.append((tmp_path / f"{name}p").read_bytes())
    assert written[0] == written[1] != written[2]
