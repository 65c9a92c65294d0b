"""Drawings made fit for a page."""

from xml.etree import ElementTree as ET

from abruzzi.pages.looks import INK, look
from abruzzi.pages.svg import clean_svg

DRAWN = f"""<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt" height="9pt" viewBox="0 0 9 9"
 xmlns="http://www.w3.org/2000/svg" version="1.1">
 <metadata><x/></metadata>
 <defs><style type="text/css">*{{stroke-linejoin: round}}</style></defs>
 <g id="figure_1"><defs><path id="m1" d="M 0 0
L 1 1" style="stroke: {look(2).stand_in}; stroke-width: 0.8"/></defs>
 <g clip-path="url(#p1)"><use xlink:href="#m1" x="1"/></g>
 <text style="font-size: 9px; font-family: 'DejaVu Sans', sans-serif; fill: {INK}">a &lt;b&gt; &amp; c</text></g>
 <defs><clipPath id="p1"><rect/></clipPath></defs>
</svg>"""


def test_a_drawing_has_no_style_no_size_and_no_name_but_what_is_referred_to() -> None:
    cleaned = clean_svg(DRAWN, 'say "it"')
    root = ET.fromstring(cleaned)
    attributes = [name for element in root.iter() for name in element.attrib]
    assert not {"style", "width", "height"} & set(attributes)
    assert {e.get("id") for e in root.iter()} == {None, "m1", "p1"}
    assert "style" not in {e.tag for e in root.iter()}
    assert "metadata" not in cleaned
    assert "DejaVu" not in cleaned
    assert "http" not in cleaned
    assert (root.get("role"), root.get("aria-label"), root.get("viewBox")) == ("img", 'say "it"', "0 0 9 9")


def test_what_is_drawn_stays_in_the_colours_of_the_page() -> None:
    root = ET.fromstring(clean_svg(DRAWN, ""))
    path, use, text = (next(root.iter(tag)) for tag in ("path", "use", "text"))
    assert path.attrib == {"id": "m1", "d": "M 0 0 L 1 1", "stroke": "var(--s2)", "stroke-width": "0.8"}
    assert use.attrib == {"href": "#m1", "x": "1"}
    assert text.attrib == {"font-size": "9px", "fill": "currentColor"}
    assert text.text == "a <b> & c"
