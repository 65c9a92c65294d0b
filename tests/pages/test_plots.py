"""Drawings: what can be read off them."""

# Matplotlib's stubs leave the type of some arguments open.
# pyright: reportUnknownMemberType=false

import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from abruzzi.pages.looks import look
from abruzzi.pages.plots import (
    Bar,
    Curve,
    Lengths,
    Point,
    draw_bars,
    draw_curves,
    draw_lengths,
    draw_points,
)
from abruzzi.statistics.estimate import Estimate


def around(value: float) -> Estimate:
    return Estimate(value, max(0.0, value - 0.02), min(1.0, value + 0.02))


POINTS = [Point(100, around(0.1), look(0)), Point(200, around(0.2), look(1)), Point(200, around(0.3), look(2))]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("text")]


def marks(svg: str) -> list[tuple[str, float, float]]:
    """Colour and place of every marker."""
    uses = [use.attrib for use in ET.fromstring(svg).iter("use") if "fill-opacity" not in use.attrib]
    return [(u["fill"], float(u["x"]), float(u["y"])) for u in uses if re.fullmatch(r"var\(--s\d\)", u.get("fill", ""))]


def test_points_stand_by_their_price_and_accuracy_and_hide_none() -> None:
    found = marks(draw_points(POINTS, name="a", alt=""))
    assert [colour for colour, _, _ in found] == ["var(--s0)", "var(--s1)", "var(--s2)"]
    (_, x0, y0), (_, x1, y1), (_, x2, y2) = found
    assert x0 < x1 < x2, "points of one price stand side by side"
    assert x2 - x1 < (x1 - x0) / 10
    assert y0 > y1 > y2, "SVG counts from the top"
    assert y0 - y1 == pytest.approx(y1 - y2)


def test_prices_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    points = [Point(tokens, around(0.5), look(0)) for tokens in (16, 64, 256)]
    (_, x0, _), (_, x1, _), (_, x2, _) = marks(draw_points(points, name="a", alt=""))
    assert x1 - x0 == pytest.approx(x2 - x1, rel=1e-3)


def test_curves_have_a_logarithmic_axis_with_a_tick_for_every_k() -> None:
    curve = Curve({1: around(0.1), 2: around(0.2), 16: around(0.3)}, look(0))
    svg = draw_curves([curve], label="pass@k, %", around=[around(0.1), around(0.9)], name="a", alt="")
    assert [text for text in texts(svg) if text in ("1", "2", "4", "8", "16")] == ["1", "2", "16"]
    (_, x1, _), (_, x2, _), (_, x16, _) = marks(svg)
    assert x16 - x2 == pytest.approx(3 * (x2 - x1), rel=1e-3)
    assert "80" in texts(svg), "the axis has room for what is drawn elsewhere"


def test_bars_start_at_zero_and_their_labels_are_text() -> None:
    bars = [Bar("better", Estimate(0.1, 0.05, 0.15), look(0)), Bar("<worse> $x$", Estimate(-0.1, -0.2, 0.0), look(1))]
    svg = draw_bars([("Group", bars)], label="points", name="a", alt="")
    assert {"better", "<worse> $x$", "Group", "points"} <= set(texts(svg))
    filled = [p.attrib for p in ET.fromstring(svg).iter("path") if p.get("fill", "").startswith("var(--s")]
    spans = [sorted({float(x) for x in re.findall(r"[ML] (\S+)", bar["d"])}) for bar in filled]
    (low0, high0), (low1, high1) = spans
    assert high1 == low0, "both start at zero"
    assert high0 - low0 == pytest.approx(high1 - low1), "both are ten points long"


def test_long_labels_are_wrapped_and_cut() -> None:
    svg = draw_bars([("", [Bar("word " * 30, around(0.1), look(0))])], label="", name="a", alt="")
    assert max(map(len, texts(svg))) <= 27
    assert any(text.endswith("…") for text in texts(svg))


def test_histograms_have_a_panel_for_each_system() -> None:
    rows = [Lengths("one", [10, 20, 400], [10, 20, 800], look(0)), Lengths("two", [5], [], look(1))]
    svg = draw_lengths(rows, name="a", alt="")
    assert [text for text in texts(svg) if text in ("one", "two")] == ["one", "two"]
    assert svg.count("var(--s0)") == svg.count("var(--s1)") == 1


@pytest.mark.parametrize("lengths", [[7], [7, 7], [0, 0], [0, 5000], list(range(100))])
def test_any_lengths_can_be_drawn(lengths: list[int]) -> None:
    assert draw_lengths([Lengths("a", lengths, lengths, look(0))], name="a", alt="").startswith("<svg")


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_extreme_accuracies_can_be_drawn(value: float) -> None:
    flat = Estimate(value, value, value)
    assert draw_points([Point(1, flat, look(0)), Point(1, flat, look(1))], name="a", alt="").startswith("<svg")
    assert draw_bars([("", [Bar("a", flat, look(0))])], label="", name="a", alt="").startswith("<svg")


def test_signs_that_the_font_lacks_stay_text_and_warn_nobody() -> None:
    svg = draw_bars([("", [Bar("数学 🧮", around(0.1), look(0))])], label="", name="a", alt="")
    assert "数学 🧮" in texts(svg)


def test_the_name_makes_ids_so_that_two_drawings_share_none() -> None:
    one, other = (draw_points(POINTS, name=name, alt="") for name in ("a", "b"))
    ids = [set(re.findall(r' id="(\w+)"', svg)) for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert one == draw_points(POINTS, name="a", alt="")


def test_a_users_own_settings_change_nothing_and_are_left_alone() -> None:
    plain = draw_points(POINTS, name="a", alt="")
    with mpl.rc_context({"xtick.major.size": 9, "font.size": 20}):
        assert draw_points(POINTS, name="a", alt="") == plain
        assert mpl.rcParams["font.size"] == 20
