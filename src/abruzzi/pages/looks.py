"""How series look: a colour of the page, a shape and a dash each, so that no two are told apart by colour alone.

Plots are drawn in stand-in colours that the page's own take the place of, so that one drawing serves light, dark and
paper. The colours themselves stand in ``page.css``.
"""

from dataclasses import dataclass

NUM_COLOURS = 8
_MARKERS = "os^DvPXh"
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 2), (1, 1.5), (6, 1.5, 1, 1.5))

INK, SOFT, GRID, PAPER = "#000001", "#000002", "#000003", "#000004"
"""Stand-ins of text, of lesser text and axes, of grid lines, and of the ground."""

SHAPES = {
    "o": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "s": "M-3.6-3.6h7.2v7.2h-7.2z",
    "^": "M0-4.4 4.2 3.8H-4.2z",
    "D": "M0-5 5 0 0 5-5 0z",
    "v": "M0 4.4 4.2-3.8H-4.2z",
    "P": "M-1.7-4.6h3.4v2.9h2.9v3.4h-2.9v2.9h-3.4v-2.9h-2.9v-3.4h2.9z",
    "X": "M-4.5-2.2-2.2-4.5 0-2.3 2.2-4.5 4.5-2.2 2.3 0 4.5 2.2 2.2 4.5 0 2.3-2.2 4.5-4.5 2.2-2.3 0z",
    "h": "M0-4.8 4.1-2.4V2.4L0 4.8-4.1 2.4V-2.4z",
}
"""Matplotlib's marker → the same shape as an SVG path about the origin, for keys."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a series looks."""

    colour: int
    """From 0 to ``NUM_COLOURS`` − 1."""
    marker: str
    """Matplotlib's name of a shape."""
    dash: tuple[float, ...]
    """On, off, …, in points; empty for a whole line."""

    @property
    def stand_in(self) -> str:
        """The colour to draw in."""
        return f"#0001{self.colour:02x}"


def look(colour: int, shape: int | None = None) -> Look:
    """Give the look of the series of this number; any number has one, and the first 64 differ.

    Args:
        colour: number of the series, or of the kind of series.
        shape: number within its kind; None takes the series' own.
    """
    if shape is None:
        shape = colour + colour // NUM_COLOURS
    return Look(colour % NUM_COLOURS, _MARKERS[shape % len(_MARKERS)], _DASHES[shape % len(_DASHES)])


HELPS, HURTS, UNCLEAR, BOUND = look(0), look(1), look(6), look(7)
"""Bars of a difference above zero, below, not told from it, and of an upper bound."""


def page_colours() -> dict[str, str]:
    """Stand-in → what the page calls it."""
    named = {INK: "currentColor", SOFT: "var(--soft)", GRID: "var(--grid)", PAPER: "var(--page)"}
    return named | {look(number).stand_in: f"var(--s{number})" for number in range(NUM_COLOURS)}
