r"""Turns a LaTeX formula into MathML that can be put into a page whatever the formula says.

latex2mathml parses it; what it makes is never taken over as it is. Its own writer lets ``<`` and ``href`` through, so
the tree is written out anew here: listed elements, listed attributes with plain short values, all text escaped. What
browsers no longer draw (``menclose``) or heed (``columnalign``) becomes a class.

Macros are refused, since two lines of them expand to gigabytes. A formula that cannot be read is shown as it was
written, in the colours of code.
"""

import re
from html import escape
from xml.etree.ElementTree import Element  # only its class: nothing is parsed

from latex2mathml.converter import Converter

MAX_FORMULA_CHARS = 4_000
MAX_DEPTH = 60
"""Of braces and of elements; no formula that a person reads nests deeper."""
MAX_LENGTH = 10.0
"""Of a space, in whichever unit: a formula does not push the page aside."""

_TOKENS = ("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mpadded", "mphantom")
_LAYOUTS = ("mfrac", "msqrt", "mroot", "mmultiscripts", "mprescripts", "none", "mtable", "mtr", "mtd")
_SCRIPTS = ("msub", "msup", "msubsup", "munder", "mover", "munderover")
_ELEMENTS = frozenset((*_TOKENS, *_LAYOUTS, *_SCRIPTS))
_FLAGS = frozenset(
    ("displaystyle", "stretchy", "fence", "symmetric", "largeop", "movablelimits", "accent", "accentunder", "separator")
)
_LENGTHS = frozenset(("width", "height", "depth", "lspace", "rspace", "voffset", "linethickness", "minsize", "maxsize"))
_WORDS = {
    "display": frozenset(("inline", "block")),
    "form": frozenset(("prefix", "infix", "postfix")),
    "mathvariant": frozenset(("normal",)),
    "scriptlevel": frozenset(("0", "1", "2", "+1", "+2")),
}
_LENGTH = re.compile(r"[+-]?(\d{0,4}(?:\.\d{0,6})?)(?:em|ex|pt|px|mu|cm|mm|in|%)?")
_CHARACTER = re.compile(r"&#x([0-9A-Fa-f]{1,6});")
_UNKNOWN = re.compile(r"\\[A-Za-z]{2}")
"""What the parser leaves of a command that it does not know."""
_MACRO = re.compile(r"\\(?:re|provide)?(?:new)?(?:command|environment|def|edef|gdef|let)(?![A-Za-z])")
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, RuntimeError)
"""What the parser raises on the odd formula, beside errors of its own module."""


def render_formula(latex: str, *, is_display: bool) -> str:
    """Write a formula as MathML.

    Args:
        latex: without its delimiters.
        is_display: it stands on a line of its own.

    Returns:
        A ``<math>`` element, or the escaped source in ``<code class="formula">`` where it cannot be read.
    """
    drawn = draw_formula(latex, is_display=is_display)
    return write_source(latex) if drawn is None else drawn


def draw_formula(latex: str, *, is_display: bool) -> str | None:
    """Write a formula as a ``<math>`` element; None where it cannot be read, or holds an unknown command."""
    source = latex.strip()
    tree = None if _is_refused(source) else _parse(source, "block" if is_display else "inline")
    if tree is None or any(_UNKNOWN.match(element.text or "") for element in tree.iter()):
        return None
    return _write(tree, 0) or None


def write_source(latex: str) -> str:
    """Write a formula as its author did."""
    return f'<code class="formula">{escape(latex.strip())}</code>'


def _is_refused(latex: str) -> bool:
    depth = deepest = 0
    for character in latex:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return (
        not latex
        or len(latex) > MAX_FORMULA_CHARS
        or deepest > MAX_DEPTH
        or latex.count("\\left") > MAX_DEPTH
        or _MACRO.search(latex) is not None
    )


def _parse(latex: str, display: str) -> Element | None:
    try:
        return Converter(display=display).convert_to_element(latex)
    except _UNREADABLE:
        return None
    except Exception as error:
        # The package's own errors have no common base but their module.
        if type(error).__module__ != "latex2mathml.exceptions":
            raise
        return None


def _write(element: Element, depth: int) -> str:
    """Write an element and what it holds; empty where it is nested too deep."""
    if depth > 4 * MAX_DEPTH:
        return ""
    inside = _text(element.text) + "".join(_write(child, depth + 1) + _text(child.tail) for child in element)
    name, classes = _name(element)
    attributes = [f'{key}="{escape(value)}"' for key, value in element.attrib.items() if _is_harmless(key, value)]
    if classes:
        attributes.append(f'class="{classes}"')
    return f"<{' '.join([name, *attributes])}>{inside}</{name}>"


def _name(element: Element) -> tuple[str, str]:
    """Give the name that an element is written under, and its class."""
    if element.tag == "menclose":
        notation = element.get("notation", "")
        return "mrow", "boxed" if "box" in notation else "struck" if "strike" in notation else ""
    alignment = element.get("columnalign", "")
    if element.tag == "mtd" and alignment in ("left", "right"):
        return "mtd", alignment
    return (element.tag if element.tag in _ELEMENTS else "mrow"), ""


def _is_harmless(key: str, value: str) -> bool:
    if key in _FLAGS:
        return value in ("true", "false")
    if key in _LENGTHS:
        length = _LENGTH.fullmatch(value)
        return length is not None and length[1] not in ("", ".") and float(length[1]) <= MAX_LENGTH
    return value in _WORDS.get(key, ())


def _text(text: str | None) -> str:
    """Escape text, in which the parser writes characters as ``&#x…;``."""
    return escape(_CHARACTER.sub(_read_character, text or ""))


def _read_character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    is_sound = 0x20 <= code < 0xD800 or 0xE000 <= code <= 0x10FFFF
    return chr(code) if is_sound else "\N{REPLACEMENT CHARACTER}"
