"""Colours that can be told apart from the ground and from one another, and shapes where they cannot."""

import math
import re
from importlib.resources import files
from itertools import combinations

import pytest

from abruzzi.pages.looks import NUM_COLOURS, SHAPES, look, page_colours

SEEING = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
"""Linear RGB as seen by people without one kind of cone: Machado, Oliveira and Fernandes 2009, severity 1."""


def schemes() -> dict[str, dict[str, str]]:
    css = files("abruzzi.pages").joinpath("page.css").read_text()
    light, dark = [block for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL) if "--s0" in block]
    return {name: dict(re.findall(r"--(\w+): (#\w{6});", css)) for name, css in (("light", light), ("dark", dark))}


def linear(colour: str) -> list[float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def contrast(one: str, other: str) -> float:
    """Of WCAG 2."""
    low, high = sorted(
        sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)
    )
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, seeing: str) -> tuple[float, float, float]:
    """CIE L*a*b* under D65, as somebody sees it."""
    r, g, b = (min(1, max(0, sum(w * p for w, p in zip(row, linear(colour), strict=True)))) for row in SEEING[seeing])
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def test_black_on_white_has_the_greatest_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_series_stand_out_from_the_ground(scheme: str) -> None:
    colours = schemes()[scheme]
    for name in ("ink", "soft", "link", "caution"):
        assert contrast(colours[name], colours["page"]) >= 4.5, name
    for number in range(NUM_COLOURS):
        assert contrast(colours[f"s{number}"], colours["page"]) >= 3, number


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("seeing", SEEING)
def test_no_two_series_look_the_same_to_anybody(scheme: str, seeing: str) -> None:
    """Nine units of L*a*b* are seen at a glance (2.3 are just noticeable)."""
    seen = [lab(schemes()[scheme][f"s{number}"], seeing) for number in range(NUM_COLOURS)]
    assert min(math.dist(one, other) for one, other in combinations(seen, 2)) >= 9


def test_the_first_64_series_differ_and_each_has_a_shape_for_its_key() -> None:
    looks = [look(number) for number in range(64)]
    assert len({(one.colour, one.marker) for one in looks}) == 64
    assert {one.marker for one in looks} == SHAPES.keys()


def test_every_stand_in_has_a_colour_of_the_page() -> None:
    assert len(page_colours()) == 4 + NUM_COLOURS
    for scheme in schemes().values():
        wanted = re.findall(r"var\(--(\w+)\)", " ".join(page_colours().values()))
        assert set(wanted) <= scheme.keys()
