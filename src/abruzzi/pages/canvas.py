"""What all drawings share: matplotlib's settings, a figure's size, axes of numbers, and the way into a page.

Loads matplotlib: import it, and whatever imports it, only where something is drawn. The same input gives the same
bytes.
"""

# Matplotlib's stubs leave the type of keyword arguments open.
# pyright: reportUnknownMemberType=false

import io
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from abruzzi.pages.looks import GRID, INK, SOFT
from abruzzi.pages.svg import clean_svg
from abruzzi.statistics.estimate import Estimate

WIDTH, HEIGHT = 4.3, 2.8
"""Inches of a drawing; a page scales it to its column."""
ROUND = (1, 2, 5, 10)
"""First digits of the steps of an axis."""

_SETTINGS: Mapping[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
}


@contextmanager
def canvas(name: str) -> Generator[None]:
    """Draw with our settings, whatever the user's are; ids come from the name, so that no two drawings share one."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update({**_SETTINGS, "svg.hashsalt": name})
        # Text stays text, in the page's font: that DejaVu lacks a sign does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        yield


def new_figure(height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Make a figure with one pair of axes.

    Args:
        height: in inches.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def save_svg(figure: Figure, alt: str) -> str:
    """Give a figure as an ``svg`` element.

    Args:
        figure: drawn within ``canvas``.
        alt: what it shows, in words.
    """
    drawn = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(drawn, format="svg", transparent=True, metadata=nothing)
    return clean_svg(drawn.getvalue(), alt)


def alt_text(title: str, told: Sequence[str]) -> str:
    """Put what a drawing shows in words, for those who do not see it."""
    return f"{title}. {'; '.join(told)}.".replace("\N{NO-BREAK SPACE}", " ")


def distances(estimate: Estimate) -> tuple[float, float]:
    """Points from the value down and up to its limits, never negative."""
    return 100 * max(0.0, estimate.value - estimate.low), 100 * max(0.0, estimate.high - estimate.value)


def percent_axis(axes: Axes, estimates: Sequence[Estimate], label: str) -> None:
    """Fit the y axis to the estimates and a little more, within 0 and 100."""
    low, high = min(e.low for e in estimates), max(e.high for e in estimates)
    room = max(0.06 * (high - low), 0.005)
    axes.set_ylim(100 * max(0.0, low - room), 100 * min(1.02, high + room))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=ROUND))
    axes.yaxis.set_major_formatter(FuncFormatter(write_number))
    axes.set_ylabel(label)


def write_number(value: float, _place: int) -> str:
    """Write a number at an axis, with a true minus."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def write_count(value: float, _place: int) -> str:
    """Write a number of things at an axis."""
    return f"{value:,.0f}"
