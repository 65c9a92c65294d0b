"""Makes what a planner is taught: plans that raised the solver's pass rate, and that give nothing away.

    items ─each way of planning, and none─→ sampled, verified → trials ─which ways help?→ plans → {"plan": …} examples

A way of planning is a style of the family's traces, the facts that have to be known where its items want any
(``facts``), or a place in a list of plans that somebody else wrote (``free/0``). The rule, in this order:

1. A way helps a family when the solver passes more often with it than without, over the family's items in pairs: the
   95 % interval of the mean difference lies above zero, and its permutation test, adjusted by Holm for all ways tried
   in the family, is below ``MAX_P``.
2. An item that was tried gets the way with the highest pass rate of those that help its family, its own samples drawn
   towards the family's mean as if that were ``PRIOR_SAMPLES`` further ones, so that a lucky draw of eight decides
   nothing. An item that was not tried gets the family's best style.
3. A plan must be clean: ``leak.redact`` finds nothing in it, and it holds neither the answer nor a number of it.
4. Where nothing helps a family, or nobody can write a plan for it, its items are taught not to need one.

The best way is chosen on the samples that it was found with, so its gain here is too rosy; ``planner_gain`` measures on
items held out. Sampling is the cost: (ways + 1) × samples completions an item. Trials are kept as they are made, and
the same call goes on from there.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from abruzzi.data.examples import Example, write_examples
from abruzzi.data.items import Item
from abruzzi.data.traces import list_factual, list_families, list_styles, write_facts, write_plan
from abruzzi.data.traces.examples import Render
from abruzzi.errors import ConfigError, DataError, RecordError
from abruzzi.nouns import Outcome
from abruzzi.reasoning.leak import holds_answer, redact
from abruzzi.reasoning.plan import planner_messages
from abruzzi.records import LineWriter, read_lines
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.paired import holm, paired_difference, permutation_test
from abruzzi.training.equations import find_numbers
from abruzzi.training.grpo.rewards import Verify, verify_replies
from abruzzi.training.grpo.rollouts import Sampler
from abruzzi.training.material import make_prompt
from abruzzi.training.sampling import sample_groups
from abruzzi.training.seeds import seed_of

NO_PLAN = ""
"""The way of doing without."""
FACTS = "facts"
FREE = "free/"
MAX_P = 0.05
PRIOR_SAMPLES = 8.0
BATCH = 64
"""Prompts sampled between two writes."""


@dataclass(frozen=True, slots=True)
class Solver:
    """Who answers, and how its samples are drawn."""

    name: str
    """Which one it is, e.g. its checkpoint; kept with the trials."""
    sampler: Sampler
    """Holds its weights."""
    tokenizer: Any
    render: Render
    """How a question and a plan are put to it; see ``material.render_for``."""
    samples: int
    """Completions of each item and plan."""
    max_tokens: int
    """Limit of a completion."""
    temperature: float = 1.0
    verify: Verify = verify_replies


@dataclass(frozen=True, slots=True)
class Trial:
    """One item asked with one plan, or with none."""

    family: str
    item: str
    way: str
    """A style, ``FACTS``, ``free/0``…, or ``NO_PLAN``."""
    plan: str
    passes: tuple[float, ...]
    """1 for each sample that passed, 0 for each that did not; those without a verdict are left out."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What a way of planning does for a family."""

    family: str
    way: str
    num_items: int
    gain: Estimate
    """Pass rate with it less without."""
    p: float
    """Adjusted for all ways of the family."""
    rate: float
    """Mean pass rate with it."""

    @property
    def helps(self) -> bool:
        """The rule of this file."""
        return self.gain.low > 0 and self.p < MAX_P


@dataclass(slots=True)
class PlannerCounts:
    """What was made, and what was left out."""

    gains: list[Gain] = field(default_factory=list[Gain])
    num_examples: int = 0
    used: Counter[str] = field(default_factory=Counter[str])
    """``family/way`` → examples; ``family/none`` are taught not to need a plan."""
    num_unclean: int = 0
    """Plans that would have helped but hold or state an answer."""
    num_left_out: int = 0
    """Items of a family with helping ways for which no clean plan is left."""


def list_ways(family: str) -> list[str]:
    """List the ways of planning that a program can write down for a family; none for a family without traces."""
    styles = list_styles(family) if family in list_families() else ()
    return [*styles, *([FACTS] if family in list_factual() else [])]


def try_plans(
    path: Path,
    items: Mapping[str, Sequence[Item]],
    solver: Solver,
    *,
    seed: int = 1,
    free_plans: Mapping[str, Sequence[str]] | None = None,
) -> list[Trial]:
    """Ask the solver items with each way of planning and with none, as far as that was not done yet.

    Args:
        path: JSON Lines file of trials; what is in it is not sampled again.
        items: family → items, none of them held out, better not those that the solver was taught.
        solver: is asked.
        seed: of wordings and samples.
        free_plans: item id → plans that somebody else wrote for it.

    Returns:
        All trials of these items, those of the file included.

    Raises:
        ConfigError: the file holds trials of another solver, or with other settings.
        RecordError: the file cannot be read or written.
    """
    made_with = {
        "solver": solver.name,
        "samples": solver.samples,
        "max_tokens": solver.max_tokens,
        "temperature": solver.temperature,
        "seed": seed,
    }
    known = _read_known(path, made_with)
    trials: list[Trial] = []
    with LineWriter(path) as writer:
        for family, way, batch in _plan_batches(items, free_plans or {}, seed):
            if any((item.id, way) not in known for item, _ in batch):
                own_seed = seed_of(seed, "trial", family, way, batch[0][0].id)
                passes = sample_passes(solver, [(family, *planned) for planned in batch], seed=own_seed)
                for (item, plan), passed in zip(batch, passes, strict=True):
                    if (item.id, way) not in known:
                        known[item.id, way] = Trial(family, item.id, way, plan, passed)
                        writer.write({**asdict(known[item.id, way]), "made_with": made_with})
            trials += [known[item.id, way] for item, _ in batch]
    return trials


def sample_passes(solver: Solver, asked: Sequence[tuple[str, Item, str]], *, seed: int) -> list[tuple[float, ...]]:
    """Have the solver answer, and tell which samples passed.

    Args:
        solver: is asked.
        asked: family, item and plan; an empty plan is none.
        seed: of the samples.

    Returns:
        For each 1 for every sample that passed and 0 for every one that did not, those without a verdict left out.
    """
    groups = sample_groups(
        solver.sampler,
        [
            make_prompt(solver.tokenizer, solver.render(item.question, plan), item, family)
            for family, item, plan in asked
        ],
        solver.tokenizer,
        group_size=solver.samples,
        max_tokens=solver.max_tokens,
        temperature=solver.temperature,
        seed=seed,
        verify=solver.verify,
    )
    return [
        tuple(float(r.verdict.outcome is Outcome.CORRECT) for r in group.rollouts if r.is_judged) for group in groups
    ]


def read_trials(path: Path) -> list[Trial]:
    """Read a file of trials.

    Raises:
        RecordError: it cannot be read.
    """
    return [trial for trial, _ in _read_rows(path)]


def measure_gains(trials: Iterable[Trial]) -> list[Gain]:
    """Work out what each way of planning does for each family, over the items that were tried with it and without."""
    passes: dict[str, dict[str, dict[str, tuple[float, ...]]]] = {}
    for trial in trials:
        if trial.passes:
            passes.setdefault(trial.family, {}).setdefault(trial.way, {})[trial.item] = trial.passes
    return [gain for family, by_way in passes.items() for gain in _measure_family(family, by_way)]


def is_clean(plan: str, item: Item) -> bool:
    """True when a plan states nothing and holds neither the answer of its item nor a number of it."""
    answer = str(item.ground_truth)
    is_stated = redact(plan, item.question)[1] > 0 or holds_answer(plan, answer, item.question)
    return not is_stated and not set(find_numbers(answer)) & set(find_numbers(plan))


def write_planner_examples(
    path: Path,
    items: Mapping[str, Sequence[Item]],
    trials: Sequence[Trial],
    *,
    seed: int = 1,
) -> PlannerCounts:
    """Write a planner's examples as a file that ``abruzzi train sft`` takes (``kind = "examples"``), families mixed.

    Args:
        path: the JSON Lines file.
        items: family → items that get an example each, none of them held out; most need not have been tried.
        trials: of ``try_plans``, at least some of each family.
        seed: of wordings; the same seed, items and trials give the same file.

    Raises:
        DataError: a family was not tried, or no example comes of it all.
        RecordError: the file cannot be written.
    """
    counts = PlannerCounts(gains=measure_gains(trials))
    by_item: dict[str, list[Trial]] = {}
    for trial in trials:
        by_item.setdefault(trial.item, []).append(trial)
    examples: list[Example] = []
    for family, own in items.items():
        gains = [gain for gain in counts.gains if gain.family == family]
        if list_ways(family) and not any(trial.family == family for trial in trials):
            raise DataError(f"no plan was tried for {family!r}; try some of its items, or leave it out")
        helping = sorted((gain for gain in gains if gain.helps), key=lambda gain: -gain.rate)
        for item in own:
            way, plan = NO_PLAN, ""
            if helping:
                ranked = _rank_plans(item, helping, by_item.get(item.id, ()), seed)
                clean = [(way, plan) for way, plan in ranked if is_clean(plan, item)]
                counts.num_unclean += len(ranked) - len(clean)
                if not clean:
                    counts.num_left_out += 1
                    continue
                way, plan = clean[0]
            counts.used[f"{family}/{way or 'none'}"] += 1
            examples.append(_make_example(item, family, way, plan))
    if not examples:
        raise DataError("no example for the planner: every plan that helps gives an answer away, or there are no items")
    Random(seed_of(seed, "order")).shuffle(examples)
    counts.num_examples = write_examples(path, examples)
    return counts


def _read_rows(path: Path) -> list[tuple[Trial, Any]]:
    try:
        return [
            (
                Trial(row["family"], row["item"], row["way"], row["plan"], tuple(map(float, row["passes"]))),
                row["made_with"],
            )
            for row in read_lines(path)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path} holds a row that is no trial ({error!r}); take it away, or name another file"
        ) from error


def _read_known(path: Path, made_with: Mapping[str, Any]) -> dict[tuple[str, str], Trial]:
    """Read what a file holds already, after making sure that it was made in the same way."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return {}
    rows = _read_rows(path)
    other = next((made for _, made in rows if made != made_with), None)
    if other is not None:
        raise ConfigError(f"{path} holds trials made with {other}, not {dict(made_with)}; name another file")
    return {(trial.item, trial.way): trial for trial, _ in rows}


def _plan_batches(
    items: Mapping[str, Sequence[Item]], free_plans: Mapping[str, Sequence[str]], seed: int
) -> Iterator[tuple[str, str, list[tuple[Item, str]]]]:
    """Give family, way, and a batch of items with their plans; the same ones for the same items and seed."""
    for family, own in items.items():
        ways: dict[str, list[tuple[Item, str]]] = {NO_PLAN: [(item, "") for item in own]}
        for way in list_ways(family):
            ways[way] = [(item, _word_plan(item, family, way, seed)) for item in own]
        for item in own:
            for place, plan in enumerate(free_plans.get(item.id, ())):
                ways.setdefault(f"{FREE}{place}", []).append((item, plan))
        for way, planned in ways.items():
            for start in range(0, len(planned), BATCH):
                yield family, way, planned[start : start + BATCH]


def _word_plan(item: Item, family: str, way: str, seed: int) -> str:
    rng = Random(seed_of(seed, "wording", item.id, way))
    return write_facts(item, rng) if way == FACTS else write_plan(family, way, rng)


def _measure_family(family: str, by_way: Mapping[str, Mapping[str, tuple[float, ...]]]) -> list[Gain]:
    plain = by_way.get(NO_PLAN, {})
    found: list[tuple[str, list[str], Estimate, float]] = []
    for way, planned in by_way.items():
        both = [item for item in planned if item in plain]
        if way != NO_PLAN and both:
            ours, theirs = [planned[item] for item in both], [plain[item] for item in both]
            found.append((way, both, paired_difference(ours, theirs), permutation_test(ours, theirs).value))
    adjusted = holm([p for *_, p in found])
    return [
        Gain(family, way, len(both), gain, p, _mean([_mean(by_way[way][item]) for item in both]))
        for (way, both, gain, _), p in zip(found, adjusted, strict=True)
    ]


def _rank_plans(item: Item, helping: Sequence[Gain], trials: Sequence[Trial], seed: int) -> list[tuple[str, str]]:
    """Give the helping ways with their plans for an item, the best first; ``helping`` has the family's best first."""
    tried = {trial.way: trial for trial in trials if trial.passes}

    def rate(gain: Gain) -> float:
        passes = tried[gain.way].passes if gain.way in tried else ()
        return (sum(passes) + PRIOR_SAMPLES * gain.rate) / (len(passes) + PRIOR_SAMPLES)

    return [
        (gain.way, tried[gain.way].plan if gain.way in tried else _word_plan(item, gain.family, gain.way, seed))
        for gain in sorted(helping, key=rate, reverse=True)
        if gain.way in tried or not gain.way.startswith(FREE)
    ]


def _make_example(item: Item, family: str, way: str, plan: str) -> Example:
    return Example(
        id=f"{item.id}/planner",
        messages=planner_messages(item.question),
        completion=json.dumps({"plan": plan}, ensure_ascii=False),
        family=family,
        style=way or "none",
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
