"""Draws plots with matplotlib: points at their price, curves over k, bars of intervals, histograms of lengths.

A module of its own for the sake of its import, which loads matplotlib. Values are fractions of 1 and are drawn in per
cent. The same input gives the same bytes.
"""

# Matplotlib's stubs leave the type of keyword arguments open.
# pyright: reportUnknownMemberType=false

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from abruzzi.pages.canvas import (
    ROUND,
    WIDTH,
    canvas,
    distances,
    new_figure,
    percent_axis,
    save_svg,
    write_count,
    write_number,
)
from abruzzi.pages.looks import INK, PAPER, SOFT, Look
from abruzzi.statistics.estimate import Estimate

NUM_BINS = 36
WIDE = 8
"""An axis of tokens is logarithmic where its largest value is this many times its smallest."""
NEAR, APART = 0.03, 0.03
"""Points nearer than this share of the axis of tokens are drawn so far apart, that all can be seen."""
_LABEL_CHARS = 27


@dataclass(frozen=True, slots=True)
class Point:
    """One system at its price."""

    tokens: float
    accuracy: Estimate
    look: Look


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy over the number of runs."""

    points: Mapping[int, Estimate]
    look: Look


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar with its interval."""

    label: str
    estimate: Estimate
    look: Look


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of one system's samples in tokens."""

    label: str
    chosen: Sequence[int]
    spent: Sequence[int]
    """May be empty."""
    look: Look


def draw_points(points: Sequence[Point], *, name: str, alt: str) -> str:
    """Draw accuracy against tokens, an interval through each point.

    Args:
        points: in any order; all values finite.
        name: of the drawing; no other of the page has it.
        alt: what it shows, in words.

    Returns:
        An ``svg`` element.
    """
    with canvas(name):
        figure, axes = new_figure()
        for point, tokens in zip(points, _side_by_side([point.tokens for point in points]), strict=True):
            low, high = distances(point.accuracy)
            axes.errorbar(
                [tokens],
                [100 * point.accuracy.value],
                yerr=[[low], [high]],
                fmt=point.look.marker,
                color=point.look.stand_in,
                ecolor=point.look.stand_in,
                markeredgecolor=PAPER,
                markeredgewidth=0.8,
                markersize=7.5,
                elinewidth=1.3,
            )
        _scale_tokens(axes, [point.tokens for point in points])
        axes.margins(x=0.08, y=0.08)
        axes.set_xlabel("Completion tokens per question")
        percent_axis(axes, [point.accuracy for point in points], "Accuracy, %")
        return save_svg(figure, alt)


def draw_curves(curves: Sequence[Curve], *, label: str, around: Sequence[Estimate], name: str, alt: str) -> str:
    """Draw curves over k on a logarithmic axis, each with its band.

    Args:
        curves: with at least one point each.
        label: of the y axis.
        around: further estimates that must fit into the y axis, so that drawings side by side have the same.
        name: of the drawing; no other of the page has it.
        alt: what it shows, in words.

    Returns:
        An ``svg`` element.
    """
    with canvas(name):
        figure, axes = new_figure()
        for curve in curves:
            ks = sorted(curve.points)
            found = [curve.points[k] for k in ks]
            axes.fill_between(
                ks,
                [100 * estimate.low for estimate in found],
                [100 * estimate.high for estimate in found],
                color=curve.look.stand_in,
                alpha=0.14,
                linewidth=0,
            )
            axes.plot(
                ks,
                [100 * estimate.value for estimate in found],
                color=curve.look.stand_in,
                marker=curve.look.marker,
                markersize=5,
                markeredgecolor=PAPER,
                markeredgewidth=0.6,
                linestyle=(0, curve.look.dash) if curve.look.dash else "-",
                linewidth=1.5,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({k for curve in curves for k in curve.points}))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(write_number))
        axes.set_xlabel("k, runs")
        percent_axis(axes, around, label)
        return save_svg(figure, alt)


def draw_bars(groups: Sequence[tuple[str, Sequence[Bar]]], *, label: str, name: str, alt: str) -> str:
    """Draw horizontal bars from zero, an interval at each end, in groups with a heading.

    Args:
        groups: heading (may be empty) and bars, from top to bottom.
        label: of the x axis, in per cent or points.
        name: of the drawing; no other of the page has it.
        alt: what it shows, in words.

    Returns:
        An ``svg`` element.
    """
    with canvas(name):
        places: list[tuple[float, Bar]] = []
        headings: list[tuple[float, str]] = []
        y = 0.0
        for heading, bars in groups:
            if heading:
                headings.append((y + 0.15, heading))
                y += 1.0
            for bar in bars:
                places.append((y, bar))
                y += 1.0
            y += 0.25
        figure, axes = new_figure(0.7 + 0.25 * y)
        for place, bar in places:
            low, high = distances(bar.estimate)
            axes.barh(place, 100 * bar.estimate.value, height=0.62, color=bar.look.stand_in, alpha=0.75, linewidth=0)
            axes.errorbar(
                [100 * bar.estimate.value], [place], xerr=[[low], [high]], fmt="none", ecolor=INK, elinewidth=1
            )
        axes.axvline(0, color=SOFT, linewidth=0.9)
        axes.set_yticks(
            [place for place, _ in places], [_wrap(bar.label) for _, bar in places], fontsize=8, linespacing=1
        )
        # Headings stand among the labels, where no bar and no grid line runs through them.
        axes.set_yticks([place for place, _ in headings], [heading for _, heading in headings], minor=True, fontsize=8)
        for label_text in axes.get_yticklabels(minor=True):
            label_text.set(color=SOFT, style="italic")
        axes.set_ylim(y - 0.5, -0.7)
        axes.tick_params(axis="y", which="both", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
        axes.xaxis.set_major_formatter(FuncFormatter(write_number))
        axes.set_xlabel(label)
        return save_svg(figure, alt)


def draw_lengths(rows: Sequence[Lengths], *, name: str, alt: str) -> str:
    """Draw histograms under one another on one axis: the chosen answers filled, everything spent as an outline.

    Args:
        rows: with at least one length each.
        name: of the drawing; no other of the page has it.
        alt: what it shows, in words.

    Returns:
        An ``svg`` element.
    """
    with canvas(name):
        values = [max(1, length) for row in rows for length in (*row.chosen, *row.spent)]
        edges = _bins(min(values), max(values))
        figure = Figure(figsize=(WIDTH, 0.55 + 0.62 * len(rows)), layout="constrained")
        panels: list[Axes] = [figure.add_subplot(len(rows), 1, place + 1) for place in range(len(rows))]
        for panel, row in zip(panels, rows, strict=True):
            colour = row.look.stand_in
            if row.chosen:
                panel.stairs(_shares(row.chosen, edges), edges, fill=True, color=colour, alpha=0.55, linewidth=0)
            if row.spent:
                panel.stairs(_shares(row.spent, edges), edges, color=INK, linewidth=0.9)
            panel.set_title(row.label, loc="left", fontsize=8.5, pad=2)
            _scale_tokens(panel, values)
            panel.set_xlim(edges[0], edges[-1])
            panel.set_ylim(bottom=0)
            panel.yaxis.set_visible(False)
            panel.spines["left"].set_visible(False)
            panel.tick_params(axis="x", which="both", labelbottom=panel is panels[-1])
        panels[-1].set_xlabel("Generated tokens")
        return save_svg(figure, alt)


def _side_by_side(tokens: Sequence[float]) -> list[float]:
    """Move points that hide one another apart along the axis of tokens, in the order given."""
    is_log = _is_wide(tokens)
    scaled = [math.log(value) if is_log else value for value in tokens]
    width = max(scaled) - min(scaled) or 1.0
    crowds: list[list[int]] = []
    for index in sorted(range(len(scaled)), key=scaled.__getitem__):
        if crowds and scaled[index] - scaled[crowds[-1][-1]] < NEAR * width:
            crowds[-1].append(index)
        else:
            crowds.append([index])
    for crowd in crowds:
        middle = sum(scaled[index] for index in crowd) / len(crowd)
        for place, index in enumerate(sorted(crowd)):
            if len(crowd) > 1:
                scaled[index] = middle + APART * width * (place - (len(crowd) - 1) / 2)
    return [math.exp(value) if is_log else value for value in scaled]


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) >= WIDE


def _scale_tokens(axes: Axes, values: Sequence[float]) -> None:
    if _is_wide(values):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
    axes.xaxis.set_major_formatter(FuncFormatter(write_count))


def _bins(smallest: float, largest: float) -> list[float]:
    """Edges of equal width, on the scale that ``_scale_tokens`` chooses."""
    if _is_wide((smallest, largest)):
        step = math.log(largest * 1.001 / smallest) / NUM_BINS
        return [smallest * math.exp(step * i) for i in range(NUM_BINS + 1)]
    width = max((largest - smallest) * 1.001, 1.0) / NUM_BINS
    return [smallest + width * i for i in range(NUM_BINS + 1)]


def _shares(lengths: Sequence[int], edges: Sequence[float]) -> list[float]:
    """Share of the lengths in each bin."""
    counts = [0] * (len(edges) - 1)
    for length in lengths:
        place = next((i for i, edge in enumerate(edges[1:]) if max(1, length) < edge), len(counts) - 1)
        counts[place] += 1
    return [number / len(lengths) for number in counts]


def _wrap(label: str) -> str:
    return textwrap.fill(label, _LABEL_CHARS, max_lines=2, placeholder=" …")
