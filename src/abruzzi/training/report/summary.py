"""What the runs show, a sentence each, written from the numbers alone; what did not move is said to have not.

Held-out accuracy rose or fell where the 95 % interval of its paired difference from first to last excludes zero, and in
no other case. Without scores of single items the intervals of first and last must lie apart.
"""

from collections.abc import Mapping, Sequence

from abruzzi.nouns import Outcome
from abruzzi.pages.digits import count, percent, points, quantity
from abruzzi.pages.page import Finding
from abruzzi.pages.table import join_words, plain
from abruzzi.statistics.estimate import Estimate
from abruzzi.training.report.course import (
    Difference,
    Move,
    compare,
    families_of,
    follow,
    judge_move,
    pass_at,
    pass_difference,
)
from abruzzi.training.report.ends import ends_of
from abruzzi.training.report.facts import say_contamination
from abruzzi.training.report.quantities import HACKS, LEARNING, OUTCOMES, POLICY, REWARD, Quantity
from abruzzi.training.report.run_rows import Run, number
from abruzzi.training.report.spending import add_up

MUCH = 0.05
"""A rate that rises by so much is worth a caution."""
MANY_CUT = 0.1
"""So is a share of truncated rollouts above this at the end."""
_SAID: Mapping[Move, str] = {"rose": "rose", "fell": "fell", "did not move": "no change beyond noise,"}
_PER_CENT = "\N{NO-BREAK SPACE}%"


def summarise(runs: Sequence[Run]) -> list[Finding]:
    """Write the summary: what moved, what did not, where the seconds went, what to be careful about."""
    families = families_of(runs)
    findings: list[Finding] = []
    for run in runs:
        findings += _held_out_findings(run)
        findings += _family_findings(run, families)
        findings += _pass_findings(run)
    findings += _control_findings(runs)
    for run in runs:
        findings += _sft_findings(run) if run.stage == "sft" else _grpo_findings(run)
        findings += _time_findings(run)
    for run in runs:
        findings += _cautions(run)
    return findings


def _held_out_findings(run: Run) -> list[Finding]:
    course = follow(run)
    if course is None:
        return []
    subject = f"{run.label}, held-out accuracy:"
    (first_step, first), (last_step, last), (best_step, best) = course.first, course.last, course.best
    if first_step == last_step:
        return [Finding("result", subject, f"{_share(first)} at step {first_step}; it was measured once.")]
    way = f"from {_share(first)} at step {first_step} to {_share(last)} at step {last_step}"
    way += f", {_paired(course.difference)}" if course.difference is not None else ""
    end = ""
    if best_step not in (first_step, last_step):
        end = f"; the best was {_share(best)} at step {best_step}, chosen for being the highest"
    if course.move is None:
        end += "; the intervals overlap, and without scores of single items no paired difference can be had"
        return [Finding("result", subject, f"{way}{end}.")]
    is_still = course.move == "did not move"
    if run.is_control:
        way += f", {'as' if is_still else 'which is not what'} rewards that say nothing should do"
    return [Finding(course.move, subject, f"{_SAID[course.move]} {way}{end}.")]


def _family_findings(run: Run, families: Sequence[str]) -> list[Finding]:
    """Put the families together that went the same way."""
    ways: dict[Move, list[str]] = {}
    for family in families:
        course = follow(run, family)
        if course is not None and course.difference is not None:
            kind = judge_move(course.difference.estimate)
            ways.setdefault(kind, []).append(f"{plain(family)} {points(course.difference.estimate)}")
    return [
        Finding(kind, f"{run.label}, by family:", f"{_SAID[kind].removesuffix(',')}: {join_words(ways[kind])} points.")
        for kind in _SAID
        if kind in ways
    ]


def _pass_findings(run: Run) -> list[Finding]:
    """Say what pass@k of the largest k did: whether more can be solved, or the same more often."""
    if len(run.held_out) < 2:
        return []
    first, last = run.held_out[0], run.held_out[-1]
    before, after = pass_at(first), pass_at(last)
    shared = [k for k in before if k in after and k > 1]
    if not shared:
        return []
    k = shared[-1]
    difference = pass_difference(last, first, k)
    way = f"from {_share(before[k])} to {_share(after[k])}"
    if difference is None:
        return [Finding("result", f"{run.label}, pass@{k}:", f"{way}; how sure that is, the record does not say.")]
    kind = judge_move(difference.estimate)
    text = f"{_SAID[kind]} {way}, {_paired(difference)}"
    rose_alone = kind != "rose" and (course := follow(run)) is not None and course.move == "rose"
    text += ": answers became likelier that were there before, and hardly any new ones came" if rose_alone else ""
    return [Finding(kind, f"{run.label}, pass@{k}:", text + ".")]


def _control_findings(runs: Sequence[Run]) -> list[Finding]:
    """Hold each run against each control, at their last measurements."""
    measured = [run for run in runs if run.held_out and run.stage == "grpo"]
    findings: list[Finding] = []
    for control in (run for run in measured if run.is_control):
        for run in (run for run in measured if not run.is_control):
            difference = compare(run.held_out[-1], control.held_out[-1])
            if difference is None:
                continue
            kind = judge_move(difference.estimate)
            words = {"rose": "ends higher", "fell": "ends lower", "did not move": "ends no higher beyond noise"}[kind]
            subject = f"{run.label} against the control {control.label}:"
            findings.append(Finding(kind, subject, f"{words}, {_paired(difference)}."))
    return findings


def _sft_findings(run: Run) -> list[Finding]:
    told = _tell_ends(run, LEARNING[:3])
    return [Finding("result", f"{run.label}, first to last steps:", f"{told}.")] if told else []


def _grpo_findings(run: Run) -> list[Finding]:
    findings: list[Finding] = []
    told = _tell_ends(run, [*REWARD, POLICY[0], POLICY[2], POLICY[3]])
    if told:
        findings.append(Finding("result", f"{run.label}, first to last steps:", f"{told}."))
    return findings + _hack_findings(run)


def _tell_ends(run: Run, quantities: Sequence[Quantity]) -> str:
    parts: list[str] = []
    for one in quantities:
        ends = ends_of(one.follow(run))
        if ends is not None:
            write, unit = (percent, _PER_CENT) if one.is_share else (quantity, "")
            parts.append(f"{_in_prose(one.name)} {write(ends.first)}{unit} → {write(ends.last)}{unit}")
    return "; ".join(parts)


def _hack_findings(run: Run) -> list[Finding]:
    changes = {one.name: ends for one in HACKS if (ends := ends_of(one.follow(run))) is not None}
    if not changes:
        return []
    risen = [
        f"{name.lower()} {percent(ends.first)} → {percent(ends.last)}{_PER_CENT}"
        for name, ends in changes.items()
        if ends.change >= MUCH
    ]
    subject = f"{run.label}, signs of hacking:"
    if risen:
        return [Finding("caution", subject, f"{join_words(risen)}.")]
    name, ends = max(changes.items(), key=lambda change: change[1].change)
    text = f"no rate rose by {percent(MUCH)} points or more; the largest change is {points(ends.change)}"
    return [Finding("result", subject, f"{text} ({name.lower()}).")]


def _time_findings(run: Run) -> list[Finding]:
    spent = add_up(run)
    if not spent.total:
        return []
    most = sorted(spent.seconds, key=lambda part: -spent.seconds[part])
    text = f"{count(spent.total)} s"
    if len(most) > 1:
        text += f", of which {join_words([f'{percent(spent.share(part))}{_PER_CENT} {part}' for part in most[:3]])}"
    if spent.num_rollouts is not None:
        text += f"; {count(spent.num_rollouts)} rollouts, {quantity(spent.per_second(spent.num_rollouts))} per second"
    elif spent.num_tokens is not None:
        text += f"; {count(spent.num_tokens)} tokens, {quantity(spent.per_second(spent.num_tokens))} per second"
    return [Finding("result", f"{run.label}, time:", f"{text}.")]


def _cautions(run: Run) -> list[Finding]:
    told: list[str] = []
    if not run.steps:
        told.append("no step is recorded")
    elif run.num_planned is not None and run.num_done < run.num_planned:
        told.append(f"the run is not finished: {count(run.num_done)} of {count(run.num_planned)} steps")
    found = run.facts.get("contamination")
    if found is None or found.get("num_dirty"):
        told.append(f"contamination: {say_contamination(run)}")
    without = sum(number(row, "outcomes", o) or 0.0 for row in run.steps for o in (Outcome.TIMEOUT, Outcome.ERROR))
    if without:
        ends = ends_of(OUTCOMES[1].follow(run))
        share = f", at the end {percent(ends.last)}{_PER_CENT}" if ends else ""
        told.append(f"rollouts without a verdict (timeout or error): {count(without)}{share}; they are in no reward")
    cut = ends_of(POLICY[1].follow(run))
    if cut is not None and cut.last > MANY_CUT:
        told.append(f"{percent(cut.last)}{_PER_CENT} of the rollouts are cut at their limit at the end")
    return [Finding("caution", f"{run.label}:", f"{text}.") for text in told]


def _share(value: Estimate | float) -> str:
    shown, bracket, interval = percent(value).partition(" [")
    return f"{shown}{_PER_CENT}{bracket}{interval}"


def _in_prose(name: str) -> str:
    """Begin with a small letter, abbreviations aside."""
    return name if name[1:2].isupper() else name[0].lower() + name[1:]


def _paired(difference: Difference) -> str:
    return f"by {points(difference.estimate)} points (paired, {count(difference.num_items)} items)"
