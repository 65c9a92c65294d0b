"""Chooses what a training report draws; a plot that would say nothing is left out.

Runs of one kind share their axes. Nothing is drawn of a quantity that no run recorded, nor of one that is zero in all
of them: the tables name both. Every plot has a key in words and an alternative text with its numbers.
"""

from collections.abc import Mapping, Sequence

from abruzzi.pages.canvas import alt_text
from abruzzi.pages.digits import percent, quantity
from abruzzi.pages.looks import Look, look
from abruzzi.pages.page import KeyEntry, Plot
from abruzzi.pages.plots import Curve, draw_curves
from abruzzi.pages.table import plain
from abruzzi.statistics.estimate import Estimate
from abruzzi.training.report.course import accuracies, families_of, pass_at
from abruzzi.training.report.curves import Band, Layer, Line, draw_bands, draw_layers, draw_lines
from abruzzi.training.report.quantities import (
    HACKS,
    LEARNING,
    OUTCOMES,
    POLICY,
    REWARD,
    SPEED,
    Quantity,
    family_guess,
    family_reward,
    is_flat,
)
from abruzzi.training.report.run_rows import Run, names_in
from abruzzi.training.report.spending import PARTS, REST, split_step

SEEN = 0.01
"""A hack that no step of any run shows more often than this is left to the table."""

Looks = Mapping[str, Look]
"""Label of a run → how its curves look, the same in every plot."""


def draw_plots(runs: Sequence[Run]) -> dict[str, list[list[Plot]]]:
    """Draw everything that the runs have to show.

    Returns:
        Key of the section → its plots in order, those of a kind together.
    """
    looks = {run.label: look(place) for place, run in enumerate(runs)}
    grpo, sft = ([run for run in runs if run.stage == stage] for stage in ("grpo", "sft"))
    families = names_in((row for run in grpo for row in run.steps), "reward_by_family")
    by_family = [family_reward(family) for family in families] if len(families) > 1 else []
    guesses = [family_guess(family) for family in families]
    hacks = [one for one in HACKS if any(value > SEEN for run in grpo for _, value in one.follow(run))]
    plots = {
        "held-out": [_held_out_plots(runs, looks)],
        "pass-k": [_pass_plots(runs, looks)],
        "learning": [_line_plots("learning", LEARNING, sft, looks)],
        "reward": [_line_plots("reward", REWARD, grpo, looks), _line_plots("reward", by_family, grpo, looks)],
        "policy": [_line_plots("policy", POLICY, grpo, looks)],
        "outcomes": [
            _line_plots("outcomes", OUTCOMES, grpo, looks),
            _line_plots("hacks", hacks, grpo, looks),
            _line_plots("guesses", guesses, grpo, looks),
        ],
        "time": [[plot for run in grpo for plot in _layer_plots(run)], _line_plots("time", [SPEED], grpo, looks)],
    }
    return {key: [alike for alike in kinds if alike] for key, kinds in plots.items()}


def _line_plots(key: str, quantities: Sequence[Quantity], runs: Sequence[Run], looks: Looks) -> list[Plot]:
    plots: list[Plot] = []
    for one in quantities:
        found = {run.label: values for run in runs if (values := one.follow(run))}
        if all(map(is_flat, found.values())) or max(map(len, found.values())) < 2:
            continue
        write = percent if one.is_share else quantity
        unit = "\N{NO-BREAK SPACE}%" if one.is_share else ""
        told = [
            f"{label} from {write(values[0][1])}{unit} at step {values[0][0]} to {write(values[-1][1])}{unit} at step "
            f"{values[-1][0]}"
            for label, values in found.items()
        ]
        svg = draw_lines(
            [Line(values, looks[label], is_smooth=one.is_set) for label, values in found.items()],
            label=one.title,
            is_share=one.is_share,
            name=f"{key} {one.name}",
            alt=alt_text(one.name, told),
        )
        plots.append(Plot(one.name, svg, _line_key(found, looks)))
    return plots


def _held_out_plots(runs: Sequence[Run], looks: Looks) -> list[Plot]:
    """Draw all items and each family, all on the same y axis."""
    curves: dict[str, dict[str, list[tuple[int, Estimate]]]] = {}
    for family in (None, *families_of(runs)):
        found = {run.label: points for run in runs if (points := accuracies(run, family))}
        if max(map(len, found.values()), default=0) > 1:
            curves["Held-out accuracy" if family is None else f"Held-out accuracy: {plain(family)}"] = found
    around = [estimate for found in curves.values() for points in found.values() for _, estimate in points]
    plots: list[Plot] = []
    for title, found in curves.items():
        told = [
            f"{label} {', '.join(f'{percent(estimate.value)} % at step {step}' for step, estimate in points)}"
            for label, points in found.items()
        ]
        svg = draw_bands(
            [Band(points, looks[label]) for label, points in found.items()],
            label="Accuracy, %",
            around=around,
            name=title,
            alt=alt_text(title, told),
        )
        plots.append(Plot(title, svg, _line_key(found, looks)))
    return plots


def _pass_plots(runs: Sequence[Run], looks: Looks) -> list[Plot]:
    """Draw each run's curve before and after, all on the same y axis."""
    curves: dict[str, dict[str, tuple[dict[int, Estimate], Look]]] = {}
    for run in runs:
        if len(run.held_out) < 2:
            continue
        own = looks[run.label]
        before, after = (
            {k: v if isinstance(v, Estimate) else Estimate(v, v, v) for k, v in pass_at(point).items()}
            for point in (run.held_out[0], run.held_out[-1])
        )
        if min(len(before), len(after)) > 1:
            curves[run.label] = {"first": (before, look(own.colour, 1)), "last": (after, look(own.colour, 0))}
    around = [estimate for pair in curves.values() for curve, _ in pair.values() for estimate in curve.values()]
    plots: list[Plot] = []
    for label, pair in curves.items():
        title = f"pass@k: {label}"
        told = [
            f"{when} {', '.join(f'{percent(curve[k].value)} % at {k}' for k in curve)}"
            for when, (curve, _) in pair.items()
        ]
        svg = draw_curves(
            [Curve(curve, curve_look) for curve, curve_look in pair.values()],
            label="pass@k, %",
            around=around,
            name=f"pass-k {label}",
            alt=alt_text(title, told),
        )
        plots.append(Plot(title, svg, tuple(KeyEntry(when, shown, "line") for when, (_, shown) in pair.items())))
    return plots


def _layer_plots(run: Run) -> list[Plot]:
    """Draw where each step's seconds went, parts that take none left out."""
    splits = [(int(row["step"]), split) for row in run.steps if len(split := split_step(row)) > 1]
    parts = [part for part in (*PARTS, REST) if any(split.get(part, 0.0) > 0 for _, split in splits)]
    if len(splits) < 2 or not parts:
        return []
    total = sum(sum(split.values()) for _, split in splits)
    if not total:
        return []
    layers = [Layer([split.get(part, 0.0) for _, split in splits], look(place)) for place, part in enumerate(parts)]
    title = f"Seconds of a step: {run.label}"
    told = [f"{part} {percent(sum(layer.seconds) / total)} %" for part, layer in zip(parts, layers, strict=True)]
    svg = draw_layers([step for step, _ in splits], layers, name=f"time {run.label}", alt=alt_text(title, told))
    key = tuple(KeyEntry(part, layer.look, "bar") for part, layer in zip(parts, layers, strict=True))
    return [Plot(title, svg, key)]


def _line_key(found: Mapping[str, object], looks: Looks) -> tuple[KeyEntry, ...]:
    return tuple(KeyEntry(label, looks[label], "line") for label in found)
