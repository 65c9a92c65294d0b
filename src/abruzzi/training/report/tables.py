"""Tables of what runs measured: held-out accuracy, pass@k, both ends of every curve, outcomes, the seconds.

Runs stand side by side, a column or a row each. A value that the record lacks is a dash.
"""

from collections.abc import Callable, Mapping, Sequence

from abruzzi.nouns import Outcome
from abruzzi.pages.digits import MISSING, count, percent, points, quantity
from abruzzi.pages.table import DAGGER, Group, Table, drop_empty_columns, group_by, plain
from abruzzi.training.report.course import Course, compare, families_of, follow, pass_at, pass_difference
from abruzzi.training.report.ends import ends_of
from abruzzi.training.report.quantities import Quantity, is_flat
from abruzzi.training.report.run_rows import Run, number
from abruzzi.training.report.spending import HELD_OUT, PARTS, REST, STEPS, Spending, add_up

PAIRED = (
    "Brackets hold 95 % intervals over the items. The difference is last minus first, paired by item; the best was "
    "chosen for being the highest, so it flatters."
)
NO_SCORES = f"{DAGGER} The record has no scores of single items, so no paired difference can be had."
ENDS = (
    "Means over the first and over the last tenth of the steps. In the plots the faint line is each step, the strong "
    "one the mean of the steps around it."
)
_ARROW = " → "


def held_out_tables(runs: Sequence[Run]) -> list[Table]:
    """Make the table of first, best and last held-out accuracy, and the runs' comparison at the end."""
    families = families_of(runs)
    rows: list[tuple[str, tuple[str, ...]]] = []
    is_marked = False
    for family in (None, *families):
        for run in runs:
            course = follow(run, family)
            if course is not None:
                lacks_scores = course.difference is None and course.first[0] != course.last[0]
                is_marked |= lacks_scores
                label = f"{run.label}\N{NO-BREAK SPACE}{DAGGER}" if lacks_scores else run.label
                rows.append((_group_title(family, families), (label, *_course_cells(course, run))))
    if not rows:
        return []
    head = ("Run", "First, %", "Best, %", "At step", "Last, %", "At step", "Difference, points", "Items", "Reads as")
    notes = (PAIRED, *([NO_SCORES] if is_marked else []), *_chance_note(runs, families))
    table = Table("Held-out accuracy", head, group_by(rows), notes, has_last_words=True)
    return [drop_empty_columns(table), *_run_comparison(runs, families)]


def pass_tables(runs: Sequence[Run]) -> list[Table]:
    """Make the table of pass@k before and after."""
    rows: list[tuple[str, tuple[str, ...]]] = []
    for run in runs:
        if not run.held_out:
            continue
        first, last = run.held_out[0], run.held_out[-1]
        before, after = pass_at(first), pass_at(last)
        for k in before:
            difference = pass_difference(last, first, k) if last is not first else None
            later = after.get(k) if last is not first else None
            cells = (percent(before[k]), percent(later), points(difference and difference.estimate))
            rows.append((run.label if len(runs) > 1 else "", (str(k), *cells)))
    head = ("k", "First, %", "Last, %", "Difference, points")
    note = "Where pass@1 rises and pass@k of the largest k does not, answers became likelier that were there before."
    table = Table("pass@k on held-out items, before and after", head, group_by(rows), (note,))
    return [drop_empty_columns(table)] if rows else []


def ends_table(caption: str, quantities: Sequence[Quantity], runs: Sequence[Run]) -> list[Table]:
    """Make a table of quantities at both ends of the runs; those that are zero throughout are named below it."""
    rows: list[tuple[str, ...]] = []
    flat: list[str] = []
    missing: list[str] = []
    for one in quantities:
        followed = [one.follow(run) for run in runs]
        if not any(followed):
            missing.append(one.name)
        elif all(map(is_flat, followed)):
            flat.append(one.name)
        else:
            ends = [ends_of(values) for values in followed]
            cells = [_ARROW.join(map(_writer(one), (e.first, e.last))) if e else MISSING for e in ends]
            rows.append((one.title, *cells))
    notes = [ENDS] if rows else []
    notes += [f"Zero throughout: {'; '.join(flat)}."] if flat else []
    notes += [f"Not recorded: {'; '.join(missing)}."] if missing and len(missing) < len(quantities) else []
    if not rows and not flat:
        return []
    table = Table(caption, ("Quantity", *(run.label for run in runs)), (Group("", tuple(rows)),), tuple(notes))
    return [table]


def outcome_table(runs: Sequence[Run]) -> list[Table]:
    """Count what verifiers said of all rollouts; what has no verdict is masked from the loss and counted apart."""
    rows: list[tuple[str, ...]] = []
    for run in runs:
        counts = {
            outcome: sum(number(row, "outcomes", outcome) or 0.0 for row in run.steps if "outcomes" in row)
            for outcome in Outcome
        }
        total = sum(counts.values())
        if total:
            cells = (f"{count(number)} ({percent(number / total)}\N{NO-BREAK SPACE}%)" for number in counts.values())
            rows.append((run.label, count(total), *cells))
    head = ("Run", "Rollouts", *(outcome.capitalize() for outcome in Outcome))
    notes = ["Timeout and error say nothing of the rollout: such ones are in no reward and no loss."]
    if any(run.is_control for run in runs):
        notes.append("A control’s outcomes are those that it was dealt, the rewards of one family among another’s too.")
    return [Table("Outcomes of all rollouts", head, (Group("", tuple(rows)),), tuple(notes))] if rows else []


def time_tables(runs: Sequence[Run]) -> list[Table]:
    """Make the tables of where the seconds went and what came out per second."""
    spent = {run.label: add_up(run) for run in runs}
    spent = {label: spending for label, spending in spent.items() if spending.total}
    if not spent:
        return []
    parts = [part for part in (*PARTS, REST, STEPS, HELD_OUT) if any(part in s.seconds for s in spent.values())]
    shares = tuple(
        (label, count(s.total), *(percent(s.share(part)) if part in s.seconds else MISSING for part in parts))
        for label, s in spent.items()
    )
    head = ("Run", "Seconds", *(f"{part.capitalize()}, %" for part in parts))
    note = "Recorded steps and measurements only: loading, checkpoints, and steps lost to a kill are in no row."
    return [
        Table("Where the seconds went", head, (Group("", shares),), (note,)),
        _rate_table(spent),
    ]


def _rate_table(spent: Mapping[str, Spending]) -> Table:
    head = ("Run", "Rollouts", "Tokens", "Rollouts per s", "Tokens per s", "Tokens per s of sampling")
    rows = tuple(
        (
            label,
            count(s.num_rollouts),
            count(s.num_tokens),
            quantity(s.per_second(s.num_rollouts)),
            quantity(s.per_second(s.num_tokens)),
            quantity(s.per_second(s.num_tokens, "sample")),
        )
        for label, s in spent.items()
    )
    note = "Per second of the steps, held-out measurements left out. Tokens are generated ones for GRPO, all for SFT."
    return drop_empty_columns(Table("What came out", head, (Group("", rows),), (note,)))


def _course_cells(course: Course, run: Run) -> tuple[str, ...]:
    difference = course.difference
    last = run.held_out[-1]
    num_items = difference.num_items if difference else number(last.row, "num_items")
    is_once = course.first[0] == course.last[0]
    return (
        percent(course.first[1]),
        MISSING if is_once else percent(course.best[1]),
        MISSING if is_once else str(course.best[0]),
        MISSING if is_once else percent(course.last[1]),
        MISSING if is_once else str(course.last[0]),
        points(difference and difference.estimate),
        count(num_items),
        "measured once" if is_once else _say(course),
    )


def _say(course: Course) -> str:
    if course.move is None:
        return "not decided: intervals overlap"
    return "did not move beyond noise" if course.move == "did not move" else course.move


def _run_comparison(runs: Sequence[Run], families: Sequence[str]) -> list[Table]:
    """Compare every later run's last measurement with the first run's, item by item."""
    measured = [run for run in runs if run.held_out]
    rows: list[tuple[str, tuple[str, ...]]] = []
    for family in (None, *families):
        for run in measured[1:]:
            found = compare(measured[0].held_out[-1], run.held_out[-1], family)
            if found is not None:
                cells = (f"{measured[0].label} − {run.label}", points(found.estimate), count(found.num_items))
                rows.append((_group_title(family, families), cells))
    head = ("At their last measurements", "Difference, points", "Items")
    return [Table("Runs against each other", head, group_by(rows), ("Paired by item.",))] if rows else []


def _group_title(family: str | None, families: Sequence[str]) -> str:
    """Rows of one family stand together; where there is just one, without a title."""
    return plain(family or "all families") if families else ""


def _chance_note(runs: Sequence[Run], families: Sequence[str]) -> list[str]:
    courses = [follow(run, family) for run in runs for family in families or (None,)]
    tested = [course for course in courses if course is not None and course.difference is not None]
    if len(tested) < 2:
        return []
    expected = count(len(tested) / 20)
    return [f"{len(tested)} differences are tested; were there none, chance alone would mark about {expected} of them."]


def _writer(one: Quantity) -> Callable[[float], str]:
    return percent if one.is_share else quantity
