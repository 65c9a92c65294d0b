"""Computes the component table of an ablation from its stores; asks no model.

Every variant of the system is a choice among candidates that are there already. Choices without a judge (one candidate,
a plain majority, the likeliest, a perfect one) are worked out exactly over all groups of N that the pool allows; the
judge's rest on the groups that it was shown. Accuracies are means over questions with intervals clustered by question,
and each variant is compared with the base question by question.

Equal budgets: the full system's completion tokens per question, spent on as many plain candidates with a majority, and
on one longer sample. Prompt tokens stand beside them and are not part of the budget: they are far cheaper, and a shared
prefix is computed once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from abruzzi.evaluation.ablation import (
    completion_tokens,
    full_budget,
    judged_groups,
    long_limit,
    mean_tokens,
    pools_of,
    shown_pools,
    unplanned_items,
)
from abruzzi.evaluation.arms import Arm
from abruzzi.evaluation.component_table import ComponentRow, ComponentTable, Section
from abruzzi.evaluation.folder import AblationFolder, AblationProtocol
from abruzzi.evaluation.pools import JudgedGroup, Pool
from abruzzi.ledger import Call, sum_usage
from abruzzi.nouns import Candidate, DecidedBy, FinishReason, Outcome
from abruzzi.reasoning.leak import holds_answer
from abruzzi.statistics.averages import macro_estimate, micro_estimate
from abruzzi.statistics.curves import pass_curve
from abruzzi.statistics.estimate import Estimate
from abruzzi.statistics.estimators import best_at_k, majority_at_k, top_at_k
from abruzzi.statistics.intervals import clustered_gap_recovered, clustered_mean
from abruzzi.statistics.paired import paired_difference

Values = dict[str, tuple[float, ...]]
"""Item → scores."""


@dataclass(frozen=True, slots=True)
class _Variant:
    """One variant of the system on one benchmark."""

    section: Section
    label: str
    plan: Arm
    n: int
    selection: str
    scores: Values
    candidates: Values = field(default_factory=dict[str, tuple[float, ...]])
    """What the choice was made among; empty where nothing is chosen."""
    best: Values = field(default_factory=dict[str, tuple[float, ...]])
    """The best score in reach of the choice."""
    completion_tokens: float = 0.0
    prompt_tokens: float = 0.0
    num_runs: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Sampled:
    """What was sampled in one arm of one benchmark."""

    arm: Arm
    prefix: str
    """Before the labels of its rows."""
    pools: Mapping[str, Pool]
    planning: tuple[float, float] = (0.0, 0.0)
    """Mean prompt and completion tokens of planning an item."""
    note: str = ""


def compute_components(folder: AblationFolder, facts: Mapping[str, str]) -> ComponentTable:
    """Compute the table from what the folder holds by now.

    Args:
        folder: of the ablation; a step that is not finished yet gives rows over fewer items, and says so.
        facts: what is to stand above the table besides the protocol: command, machine, date.
    """
    names = short_names(list(folder.items))
    variants = {name: list(_find_variants(folder, name)) for name in folder.items}
    rows = [row for name, own in variants.items() for row in _tell(names[name], own, len(folder.items[name]))]
    if len(variants) > 1:
        rows += _average({names[name]: own for name, own in variants.items()}, rows)
    curves: dict[str, Mapping[int, Estimate]] = {}
    lengths: dict[str, tuple[int, ...]] = {}
    for name in folder.items:
        for arm in Arm:
            pools = pools_of(folder.stores, name, arm)
            if not pools:
                continue
            curves[f"{names[name]}/{arm}"] = pass_curve(_scores_by_item(pools))
            lengths[f"{names[name]}/{arm}"] = tuple(
                c.num_tokens for pool in pools.values() for c in pool.candidates if c.num_tokens is not None
            )
    return ComponentTable(tuple(rows), {**describe(folder.protocol), **facts}, curves, lengths)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Leave a generated benchmark's settings out of its name where the rest tells it from the others."""
    short = {name: name.rpartition(":")[2].partition("?")[0] for name in names}
    return short if len(set(short.values())) == len(names) else {name: name for name in names}


def describe(protocol: AblationProtocol) -> dict[str, str]:
    """Say under what an ablation was made, for the lines above its table."""
    ask, settings = protocol.ask, protocol.settings
    facts = {
        role: f"{who.name}, sha256 {who.sha256}" if who.sha256 else who.name for role, who in protocol.models.items()
    }
    facts |= {
        f"items of {benchmark.name}": f"{benchmark.num_items}, {benchmark.revision}, sha256 {benchmark.items_sha256}"
        for benchmark in protocol.benchmarks
    }
    cuts = "".join(f"{name.replace('_', '-')} {value:g}, " for name, value in ask.cuts.items())
    facts["sampling"] = (
        f"temperature {ask.temperature:g}, top-p {ask.top_p:g}, {cuts}at most {ask.max_tokens} tokens a candidate, "
        f"{ask.plan_tokens} a plan, {ask.judge_tokens} a judge call, stop {' '.join(ask.stop)}, seed {ask.seed}"
    )
    facts["runs"] = (
        f"{settings.runs} candidates per item with and without a plan, of them judged in groups of {settings.n}: "
        f"{settings.judged_runs}, {settings.placebo_runs} candidates per placebo, {settings.long_runs} longer samples"
    )
    used = ("solve", "solve_plan", "plan", "judge")
    facts["prompts"] = ", ".join(f"{name} {protocol.prompts[name]}" for name in used)
    facts["Abruzzi"] = protocol.version
    return facts


def _find_variants(folder: AblationFolder, name: str) -> Iterator[_Variant]:
    stores, n = folder.stores, folder.protocol.settings.n
    plain = pools_of(stores, name, Arm.NONE)
    own = pools_of(stores, name, Arm.PLAN)
    planned = shown_pools(stores, name, Arm.PLAN)
    unplanned = unplanned_items(stores, name)
    planning = _mean_usage([row.calls for row in stores.plans if row.benchmark == name])
    questions = {item.id: item.question for item in folder.items[name]}
    num_leaks = sum(_leaks(pool, questions[item]) for item, pool in own.items())
    notes = [
        f"{len(unplanned)} items without a usable plan" if unplanned else "",
        f"{num_leaks} of {len(own)} plans held an answer that a candidate gave" if num_leaks else "",
    ]
    arms = [_Sampled(Arm.NONE, "", plain)] if plain else []
    if planned:
        arms.append(_Sampled(Arm.PLAN, "+ plan ", planned, planning, "; ".join(note for note in notes if note)))
    for sampled in arms:
        yield _single("components", sampled.prefix.strip() or "base (one sample)", sampled)
        yield from _judged(sampled, n, judged_groups(stores, name, sampled.arm))
    for sampled in arms:
        yield from _selected(sampled, n)
    for arm, label in ((Arm.SHUFFLED, "another item's plan"), (Arm.FILLER, "filler as long as the plan")):
        pools = shown_pools(stores, name, arm)
        if pools:
            note = _against_plan(own, pools_of(stores, name, arm))
            yield _single("placebo", label, _Sampled(arm, "", pools, planning, note))
    if planned:
        yield from _equal_budget(folder, name, plain)


def _single(section: Section, label: str, sampled: _Sampled) -> _Variant:
    """One candidate per answer: every candidate of the pool is a run."""
    values = list(sampled.pools.values())
    return _Variant(
        section,
        label,
        sampled.arm,
        1,
        "single",
        scores=_scores_by_item(sampled.pools),
        completion_tokens=mean_tokens(values) + sampled.planning[1],
        prompt_tokens=_prompt_tokens(values) + sampled.planning[0],
        num_runs=min(len(pool.candidates) for pool in values),
        note=sampled.note,
    )


def _judged(sampled: _Sampled, n: int, groups: Sequence[JudgedGroup]) -> Iterator[_Variant]:
    """The pipeline's own choice, over the groups that it was asked about."""
    pools = sampled.pools
    by_item: dict[str, list[JudgedGroup]] = {}
    for row in groups:
        if row.item in pools:
            by_item.setdefault(row.item, []).append(row)
    if not by_item:
        return

    def score(pool: Pool, index: int) -> float:
        verdict = pool.verdicts[index]
        return 0.0 if verdict is None else verdict.score

    judging = _mean_usage([row.calls for rows in by_item.values() for row in rows])
    values = list(pools.values())
    num_groups = sum(map(len, by_item.values()))
    num_asked = sum(bool(row.judgements) for rows in by_item.values() for row in rows)
    num_decided = sum(row.decided_by is DecidedBy.JUDGE for rows in by_item.values() for row in rows)
    yield _Variant(
        "components",
        f"{sampled.prefix}+ best-of-{n} (judge)",
        sampled.arm,
        n,
        "judge",
        scores={i: tuple(score(pools[i], row.chosen) for row in rows) for i, rows in by_item.items()},
        candidates={i: tuple(score(pools[i], c) for row in rows for c in row.group) for i, rows in by_item.items()},
        best={i: tuple(max(score(pools[i], c) for c in row.group) for row in rows) for i, rows in by_item.items()},
        completion_tokens=n * mean_tokens(values) + judging[1] + sampled.planning[1],
        prompt_tokens=_prompt_tokens(values) + judging[0] + sampled.planning[0],
        num_runs=min(map(len, by_item.values())),
        note=f"judge asked in {num_asked} of {num_groups} groups, decided {num_decided}",
    )


def _selected(sampled: _Sampled, n: int) -> Iterator[_Variant]:
    """Choices that need no call, over all groups of n at once."""
    usable = {item: pool for item, pool in sampled.pools.items() if len(_scored(pool)) >= n}
    if not usable:
        return
    values = list(usable.values())
    pick: dict[str, Callable[[Pool], float]] = {
        "majority": lambda pool: majority_at_k(_clusters(pool), _scores(pool), n),
        "likelihood": lambda pool: top_at_k(_likelihoods(pool), _scores(pool), n),
        "oracle": lambda pool: best_at_k(_scores(pool), n),
    }
    best = {item: (best_at_k(_scores(pool), n),) for item, pool in usable.items()}
    for selection, choose in pick.items():
        yield _Variant(
            "selection",
            f"{sampled.prefix}+ best-of-{n} ({selection})",
            sampled.arm,
            n,
            selection,
            scores={item: (choose(pool),) for item, pool in usable.items()},
            candidates={item: _scores(pool) for item, pool in usable.items()},
            best=best,
            completion_tokens=n * mean_tokens(values) + sampled.planning[1],
            prompt_tokens=_prompt_tokens(values) + sampled.planning[0],
            num_runs=min(len(pool.candidates) for pool in values),
            note="no system: the ceiling of any choice" if selection == "oracle" else "",
        )


def _equal_budget(folder: AblationFolder, name: str, plain: Mapping[str, Pool]) -> Iterator[_Variant]:
    budget = full_budget(folder.stores, name, folder.protocol.settings.n)
    each = mean_tokens(list(plain.values()))
    if budget is None or each <= 0:
        return
    usable = {item: pool for item, pool in plain.items() if _scored(pool)}
    size = min((len(_scored(pool)) for pool in usable.values()), default=0)
    if size == 0:
        return
    wanted = max(1, round(budget / each))
    k = min(wanted, size)
    capped = f", which would be {wanted}: the pool holds no more" if k < wanted else ""
    yield _Variant(
        "equal budget",
        f"plain majority of {k}",
        Arm.NONE,
        k,
        "majority",
        scores={item: (majority_at_k(_clusters(pool), _scores(pool), k),) for item, pool in usable.items()},
        completion_tokens=k * each,
        prompt_tokens=_prompt_tokens(list(plain.values())),
        num_runs=size,
        note=f"the full system's {budget:.0f} tokens{capped}",
    )
    longer = pools_of(folder.stores, name, Arm.LONG)
    is_cut = any(c.finish_reason is FinishReason.LENGTH for pool in plain.values() for c in pool.candidates)
    if longer:
        note = f"limit {long_limit(budget, folder.protocol.ask)} tokens"
        yield _single("equal budget", "one longer sample", _Sampled(Arm.LONG, "", longer, note=note))
    elif not is_cut:
        note = "no plain sample reached its limit, so a longer limit changes nothing: the base's own samples"
        yield _single("equal budget", "one longer sample", _Sampled(Arm.LONG, "", plain, note=note))


def _tell(name: str, variants: Sequence[_Variant], num_items: int) -> Iterator[ComponentRow]:
    base = variants[0].scores if variants else {}
    for variant in variants:
        items = list(variant.scores)
        shared = [item for item in items if item in base]
        is_base = variant is variants[0]
        missing = f"{num_items - len(items)} of {num_items} items not sampled yet" if len(items) < num_items else ""
        yield ComponentRow(
            section=variant.section,
            benchmark=name,
            label=variant.label,
            plan=variant.plan,
            n=variant.n,
            selection=variant.selection,
            accuracy=clustered_mean([variant.scores[item] for item in items]),
            difference=None
            if is_base or not shared
            else paired_difference([variant.scores[item] for item in shared], [base[item] for item in shared]),
            gap_recovered=_gap_over([variant]),
            completion_tokens=variant.completion_tokens,
            prompt_tokens=variant.prompt_tokens,
            num_items=len(items),
            num_runs=variant.num_runs,
            note="; ".join(part for part in (variant.note, missing) if part),
        )


def _average(variants: Mapping[str, Sequence[_Variant]], rows: Sequence[ComponentRow]) -> Iterator[ComponentRow]:
    """Average each variant that every benchmark has: over all questions (micro), and over benchmarks (macro)."""
    by_kind: dict[tuple[str, str, str], dict[str, tuple[_Variant, ComponentRow]]] = {}
    for name, own in variants.items():
        told = [row for row in rows if row.benchmark == name]
        for variant, row in zip(own, told, strict=True):
            kind = (variant.section, variant.plan, variant.selection)
            by_kind.setdefault(kind, {})[name] = (variant, row)
    whole = [found for found in by_kind.values() if len(found) == len(variants)]
    for average in ("micro", "macro"):
        for found in whole:
            yield _average_row(average, found)


def _average_row(average: str, found: Mapping[str, tuple[_Variant, ComponentRow]]) -> ComponentRow:
    rows = [row for _, row in found.values()]
    first = rows[0]
    weights = [row.num_items if average == "micro" else 1 for row in rows]
    differences = {name: row.difference for name, (_, row) in found.items() if row.difference is not None}
    sizes = {name: row.num_items for name, (_, row) in found.items()}
    accuracies = {name: row.accuracy for name, (_, row) in found.items()}

    def gather(estimates: Mapping[str, Estimate]) -> Estimate:
        return macro_estimate(estimates) if average == "macro" else micro_estimate(estimates, sizes)

    return ComponentRow(
        section=first.section,
        benchmark=average,
        label=first.label if len({row.label for row in rows}) == 1 else "plain majority at the same budget",
        plan=first.plan,
        n=first.n,
        selection=first.selection,
        accuracy=gather(accuracies),
        difference=gather(differences) if differences else None,
        gap_recovered=_gap_over([variant for variant, _ in found.values()]) if average == "micro" else None,
        completion_tokens=_weigh([row.completion_tokens or 0.0 for row in rows], weights),
        prompt_tokens=_weigh([row.prompt_tokens or 0.0 for row in rows], weights),
        num_items=sum(row.num_items for row in rows),
        num_runs=min(row.num_runs for row in rows),
    )


def _gap_over(variants: Sequence[_Variant]) -> Estimate | None:
    """How much of the way to a perfect choice a variant's choice goes; None where nothing is chosen."""
    chosen = [(v.scores[i], v.candidates[i], v.best[i]) for v in variants if v.best for i in v.scores]
    if not chosen or variants[0].selection == "oracle":
        return None
    return clustered_gap_recovered([c[0] for c in chosen], [c[1] for c in chosen], [c[2] for c in chosen])


def _weigh(values: Sequence[float], weights: Sequence[int]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _scored(pool: Pool) -> list[tuple[Candidate, float]]:
    """Candidates with a score; those on which the verifier broke are left out."""
    return [
        (candidate, verdict.score)
        for candidate, verdict in zip(pool.candidates, pool.verdicts, strict=True)
        if verdict is not None and verdict.outcome is not Outcome.ERROR
    ]


def _scores(pool: Pool) -> tuple[float, ...]:
    return tuple(score for _, score in _scored(pool))


def _scores_by_item(pools: Mapping[str, Pool]) -> Values:
    """Scores of the candidates of each item that has any."""
    return {item: scores for item, pool in pools.items() if (scores := _scores(pool))}


def _clusters(pool: Pool) -> list[int | None]:
    return [candidate.cluster for candidate, _ in _scored(pool)]


def _likelihoods(pool: Pool) -> list[float | None]:
    """What the likeliest is chosen by; candidates without a whole answer come last."""
    return [candidate.mean_logprob if candidate.is_complete else None for candidate, _ in _scored(pool)]


def _prompt_tokens(pools: Sequence[Pool]) -> float:
    """Prompt tokens of one request for candidates: all candidates of a question share it."""
    calls = [call for pool in pools for call in pool.calls]
    return sum_usage([call.usage for call in calls]).prompt_tokens / max(1, len(calls))


def _mean_usage(bills: Sequence[Sequence[Call]]) -> tuple[float, float]:
    """Mean prompt and completion tokens of some bills."""
    if not bills:
        return 0.0, 0.0
    prompts = [sum_usage([call.usage for call in calls]).prompt_tokens for calls in bills]
    return sum(prompts) / len(bills), sum(map(completion_tokens, bills)) / len(bills)


def _leaks(pool: Pool, question: str) -> bool:
    answers = {candidate.answer for candidate in pool.candidates if candidate.answer is not None}
    return any(holds_answer(pool.plan.text, answer, question) for answer in answers)


def _against_plan(planned: Mapping[str, Pool], placebo: Mapping[str, Pool]) -> str:
    """Compare the real plan with a placebo, in a phrase."""
    real, other = _scores_by_item(planned), _scores_by_item(placebo)
    shared = [item for item in other if item in real]
    if not shared:
        return ""
    difference = paired_difference([real[item] for item in shared], [other[item] for item in shared])
    low, value, high = (f"{100 * number:+.1f}" for number in (difference.low, difference.value, difference.high))
    return f"the real plan scores {value} [{low}, {high}] points against it"
