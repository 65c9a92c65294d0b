"""Curves over steps: what can be read off them."""

import re
from xml.etree import ElementTree as ET

import pytest

from abruzzi.pages.looks import look
from abruzzi.statistics.estimate import Estimate
from abruzzi.training.report.curves import (
    FEW,
    MAX_POINTS,
    Band,
    Layer,
    Line,
    draw_bands,
    draw_layers,
    draw_lines,
    smooth,
    thin,
)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("text")]


def strokes(svg: str, colour: str) -> list[dict[str, str]]:
    """Curves of a colour, markers left out."""
    paths = [path.attrib for path in ET.fromstring(svg).iter("path") if path.get("stroke") == colour]
    return [path for path in paths if path.get("fill") == "none" and path["d"].count("L") > 1]


def draw(points: list[tuple[int, float]], *, is_smooth: bool = False, is_share: bool = False) -> str:
    line = Line(points, look(0), is_smooth=is_smooth)
    return draw_lines([line], label="y", is_share=is_share, name="n", alt="a")


def test_a_mean_of_those_around_is_as_long_and_has_fewer_at_the_ends() -> None:
    """Of 5 % of 40 steps one stands on either side."""
    values = [float(n) for n in range(40)]
    smoothed = smooth(values)
    assert len(smoothed) == 40
    assert (smoothed[0], smoothed[1], smoothed[39]) == (0.5, 1.0, 38.5)
    assert smooth([2.0]) == [2.0]


def test_a_long_curve_is_drawn_in_buckets_and_keeps_its_last_step() -> None:
    points = [(step, float(step % 2)) for step in range(1, 1001)]
    thinned = thin(points)
    assert len(thinned) <= MAX_POINTS
    assert thinned[-1][0] == 1000
    assert thinned[0] == (3, pytest.approx(2 / 3))
    assert thin(points[:5]) == points[:5]


def test_many_steps_have_a_faint_line_and_a_strong_one_and_few_have_markers() -> None:
    many = draw([(step, step % 3 + 1.0) for step in range(1, FEW + 30)])
    assert [path.get("stroke-opacity") for path in strokes(many, "var(--s0)")] == ["0.3", None]
    assert "<use" in many
    few = draw([(step, step % 3 + 1.0) for step in range(1, FEW)])
    assert [path.get("stroke-opacity") for path in strokes(few, "var(--s0)")] == [None]
    assert len(re.findall(r'fill="var\(--s0\)"', few)) == FEW - 1


def test_what_is_set_has_no_mean_of_the_steps_around() -> None:
    assert len(strokes(draw([(s, 1.0 + (s > 5)) for s in range(1, 99)], is_smooth=True), "var(--s0)")) == 1


def test_shares_are_drawn_in_per_cent_and_an_axis_begins_at_zero_where_that_is_cheap() -> None:
    assert {"0", "20", "40"} <= set(texts(draw([(1, 0.2), (2, 0.4)], is_share=True)))
    assert "0" not in texts(draw([(10, 100.0), (20, 101.0)]))


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 1e-7])
def test_any_constant_and_a_single_point_can_be_drawn(value: float) -> None:
    assert draw([(1, value)]).startswith("<svg")
    assert draw([(1, value), (2, value)]).startswith("<svg")


def test_bands_show_their_intervals_and_share_an_axis() -> None:
    points = [(0, Estimate(0.1, 0.05, 0.15)), (20, Estimate(0.2, 0.15, 0.25))]
    svg = draw_bands([Band(points, look(1))], label="%", around=[Estimate(0.9, 0.85, 0.95)], name="n", alt="a")
    assert svg.count('fill="var(--s1)"') >= 3, "two markers and a band"
    assert "80" in texts(svg), "the axis has room for what is drawn elsewhere"


def test_layers_stand_on_one_another() -> None:
    svg = draw_layers([1, 2, 3], [Layer([1, 1, 1], look(0)), Layer([2, 3, 2], look(1))], name="n", alt="a")
    areas = [path for path in ET.fromstring(svg).iter("path") if (path.get("fill") or "").startswith("var(--s")]
    assert [area.get("fill") for area in areas] == ["var(--s0)", "var(--s1)"]
    tops = [min(float(y) for y in re.findall(r"[ML] \S+ (\S+)", area.get("d") or "")) for area in areas]
    assert tops[1] < tops[0], "SVG counts from the top"
