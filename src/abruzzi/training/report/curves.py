"""Draws curves over training steps: single values with their moving mean, measurements with intervals, stacked seconds.

Loads matplotlib: only what draws imports it. A curve of very many steps is drawn in buckets of their means, so that a
page of long runs stays small.
"""

# Matplotlib's stubs leave the type of keyword arguments open.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from abruzzi.pages.canvas import ROUND, canvas, new_figure, percent_axis, save_svg, write_count, write_number
from abruzzi.pages.looks import PAPER, Look
from abruzzi.statistics.estimate import Estimate
from abruzzi.training.report.run_rows import Series

MAX_POINTS = 400
"""Of a curve as it is drawn."""
FEW = 25
"""A curve of at most so many points is drawn as it is, with markers."""
AROUND = 0.05
"""Share of the steps whose mean the strong line shows."""


@dataclass(frozen=True, slots=True)
class Line:
    """One run's values."""

    points: Series
    """At least one."""
    look: Look
    is_smooth: bool = False
    """True draws the values as they are, however many."""


@dataclass(frozen=True, slots=True)
class Band:
    """One run's measurements with their intervals."""

    points: Sequence[tuple[int, Estimate]]
    """At least one."""
    look: Look


@dataclass(frozen=True, slots=True)
class Layer:
    """What a part of the seconds was at each step."""

    seconds: Sequence[float]
    look: Look


def draw_lines(lines: Sequence[Line], *, label: str, is_share: bool, name: str, alt: str) -> str:
    """Draw values over steps: each step faintly, the mean of the steps around it strongly.

    Args:
        lines: one a run.
        label: of the y axis.
        is_share: True for shares of 1, which are drawn in per cent.
        name: of the drawing; no other of the page has it.
        alt: what it shows, in words.

    Returns:
        An ``svg`` element.
    """
    scale = 100 if is_share else 1
    with canvas(name):
        figure, axes = new_figure()
        for line in lines:
            steps = [step for step, _ in thin(line.points)]
            values = [scale * value for _, value in thin(line.points)]
            if len(steps) <= FEW:
                _plot(axes, steps, values, line.look)
                continue
            if not line.is_smooth:
                axes.plot(steps, values, color=line.look.stand_in, alpha=0.3, linewidth=0.8)
                values = smooth(values)
            axes.plot(steps, values, color=line.look.stand_in, linewidth=1.7, linestyle=_dash(line.look))
        _fit(axes, [scale * value for line in lines for _, value in line.points])
        _step_axis(axes)
        axes.set_ylabel(label)
        return save_svg(figure, alt)


def draw_bands(bands: Sequence[Band], *, label: str, around: Sequence[Estimate], name: str, alt: str) -> str:
    """Draw measurements over steps, each with its interval.

    Args:
        bands: one a run.
        label: of the y axis, in per cent.
        around: further estimates that must fit into the y axis, so that drawings side by side have the same.
        name: of the drawing; no other of the page has it.
        alt: what it shows, in words.

    Returns:
        An ``svg`` element.
    """
    with canvas(name):
        figure, axes = new_figure()
        for band in bands:
            steps = [step for step, _ in band.points]
            found = [estimate for _, estimate in band.points]
            lows, highs = [100 * e.low for e in found], [100 * e.high for e in found]
            axes.fill_between(steps, lows, highs, color=band.look.stand_in, alpha=0.14, linewidth=0)
            _plot(axes, steps, [100 * estimate.value for estimate in found], band.look)
        percent_axis(axes, [*around, *(estimate for band in bands for _, estimate in band.points)], label)
        _step_axis(axes)
        return save_svg(figure, alt)


def draw_layers(steps: Sequence[int], layers: Sequence[Layer], *, name: str, alt: str) -> str:
    """Draw the seconds of each step as layers on one another.

    Args:
        steps: at least one.
        layers: from the bottom up, each with a value for every step.
        name: of the drawing; no other of the page has it.
        alt: what it shows, in words.

    Returns:
        An ``svg`` element.
    """
    with canvas(name):
        figure, axes = new_figure()
        thinned = [thin(list(zip(steps, layer.seconds, strict=True))) for layer in layers]
        axes.stackplot(
            [step for step, _ in thinned[0]],
            *[[value for _, value in points] for points in thinned],
            colors=[layer.look.stand_in for layer in layers],
            alpha=0.75,
            linewidth=0,
        )
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
        _step_axis(axes)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
        axes.yaxis.set_major_formatter(FuncFormatter(write_number))
        axes.set_ylabel("Seconds of a step")
        return save_svg(figure, alt)


def smooth(values: Sequence[float]) -> list[float]:
    """Replace each value by the mean of those around it; at the ends there are fewer of them."""
    half = max(1, round(AROUND * len(values) / 2))
    return [_mean(values[max(0, place - half) : place + half + 1]) for place in range(len(values))]


def thin(points: Series) -> Series:
    """Put neighbouring points of a long curve together, by their means; the last step stays the last."""
    size = math.ceil(len(points) / MAX_POINTS)
    if size <= 1:
        return points
    buckets = [points[start : start + size] for start in range(0, len(points), size)]
    return [(bucket[-1][0], _mean([value for _, value in bucket])) for bucket in buckets]


def _plot(axes: Axes, steps: Sequence[int], values: Sequence[float], look: Look) -> None:
    axes.plot(
        steps,
        values,
        color=look.stand_in,
        marker=look.marker,
        markersize=5,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        linestyle=_dash(look),
        linewidth=1.5,
    )


def _dash(look: Look) -> str | tuple[int, tuple[float, ...]]:
    return (0, look.dash) if look.dash else "-"


def _fit(axes: Axes, values: Sequence[float]) -> None:
    """Begin the y axis at zero where that costs less than half of it."""
    low, high = min(values), max(values)
    if 0 <= low <= high / 2 or low == high > 0:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
    axes.yaxis.set_major_formatter(FuncFormatter(write_number))


def _step_axis(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=ROUND, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(write_count))
    axes.set_xlabel("Step")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
