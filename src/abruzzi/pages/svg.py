"""Makes matplotlib's SVG fit to stand inside a page: no styles, no names of its own, the page's colours and font.

Style attributes become presentation attributes, so that the page's policy may forbid inline styles; ids that nothing
refers to go, so that no two elements of a page share one. What is drawn is not changed.
"""

from xml.etree import ElementTree as ET

from abruzzi.pages.looks import page_colours

_SVG, _HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_DROPPED = "font-family"


def clean_svg(drawn: str, alt: str) -> str:
    """Rewrite a drawing for a page.

    Args:
        drawn: an SVG document as matplotlib writes it.
        alt: what it shows, for those who do not see it.

    Returns:
        An ``svg`` element without size, which takes its place's width.
    """
    root = ET.fromstring(drawn)  # noqa: S314 - matplotlib wrote it a moment ago
    colours = page_colours()
    _drop_styles(root)
    elements = list(root.iter())
    used = {value.strip("#url()") for e in elements for value in e.attrib.values() if "#" in value}
    for element in elements:
        element.tag = element.tag.removeprefix(_SVG)
        element.tail = None
        if element.tag != "text":
            element.text = None
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        if _HREF in element.attrib:
            element.set("href", element.attrib.pop(_HREF))
        for declaration in element.attrib.pop("style", "").split(";"):
            name, _, value = (part.strip() for part in declaration.partition(":"))
            if value and name != _DROPPED:
                element.set(name, colours.get(value, value))
        if "d" in element.attrib:
            element.set("d", " ".join(element.attrib["d"].split()))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update({"class": "drawing", "role": "img", "aria-label": alt})
    return ET.tostring(root, encoding="unicode")


def _drop_styles(root: ET.Element) -> None:
    """Take out the style sheet, which would reach the whole page, and the metadata."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata"):
                parent.remove(child)
