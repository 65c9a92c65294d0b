"""Turns text of a model into HTML that can be put into a page whatever the text says.

Markdown (CommonMark with tables and strikethrough), formulas, listings. HTML in it stays text, images become their
description, links lead to ``http``, ``https`` or ``mailto`` and take nothing with them, and no element carries a style.
Pure and bounded, but not safe against a formula or a listing that keeps its parser busy: ``renderer`` sees to that.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from abruzzi.serving.rendering.delimiters import add_formulas, is_bare_formula
from abruzzi.serving.rendering.formulas import draw_formula, render_formula, write_source
from abruzzi.serving.rendering.listings import render_listing

MAX_MARKDOWN_CHARS = 40_000
"""A longer text is shown as it is: nobody reads it for its headings."""
MAX_FORMULAS = 400
"""More than these in one text are shown as they were written."""
TOP_LEVEL = 4
"""The page's own headings end above this level."""

_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, and those that turn the direction of what follows them."""
_LINK = re.compile(r"(?:https?://|mailto:)[^\s<>\"']+", re.IGNORECASE)


def render(text: str) -> str:
    """Write text of a model as HTML.

    Args:
        text: anything.

    Returns:
        HTML of listed elements and attributes only, the same for the same text.
    """
    shown = clean(text)
    if len(shown) > MAX_MARKDOWN_CHARS:
        return plain(shown)
    if is_bare_formula(shown.strip()) and (formula := draw_formula(shown, is_display=False)) is not None:
        return f"<p>{formula}</p>\n"
    parser = _parser()
    return parser.renderer.render(_adapt(parser.parse(shown)), parser.options, {"num_formulas": 0})


def plain(text: str) -> str:
    """Write text as it is, line for line."""
    return f'<div class="as-written">{escape(clean(text))}</div>'


def clean(text: str) -> str:
    """Take out what cannot be seen but changes what can: control characters and changes of direction."""
    return _INVISIBLE.sub("", text)


def is_link_allowed(url: str) -> bool:
    """Tell whether a link may be followed from the page."""
    return _LINK.fullmatch(url) is not None


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).disable(["html_block", "html_inline"])
    parser.enable(["table", "strikethrough"])
    add_formulas(parser)
    parser.validateLink = is_link_allowed
    for name, write in _WRITERS.items():
        parser.add_render_rule(name, write)
    return parser


def _adapt(tokens: Sequence[Token]) -> Sequence[Token]:
    """Fit headings below the page's own, and leave no style behind."""
    for token in tokens:
        style = str(token.attrs.pop("style", ""))
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, TOP_LEVEL - 1 + int(token.tag[1]))}"
        if token.type in ("th_open", "td_open") and ("right" in style or "center" in style):
            token.attrSet("class", "right" if "right" in style else "centre")
    return tokens


def _write_formula(_: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    env["num_formulas"] += 1
    if env["num_formulas"] > MAX_FORMULAS:
        return write_source(token.content)
    is_display = token.markup == "block"
    written = render_formula(token.content, is_display=is_display)
    if not is_display:
        return written
    if token.block:
        return f'<div class="display">{written}</div>\n'
    return f'<span class="display">{written}</span>'


def _write_fence(_: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    return render_listing(token.content, token.info.split()[0] if token.info.split() else "")


def _write_link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    href = str(tokens[index].attrs.get("href", ""))
    if not is_link_allowed(href):  # one without a destination, which the parser lets through
        return "<a>"
    return f'<a href="{escape(href)}" target="_blank" rel="noopener noreferrer nofollow">'


def _write_image(_: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Describe an image: showing it would tell its owner who reads."""
    return f'<span class="picture">{escape(tokens[index].content or "picture")}</span>'


def _open_table(_: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return '<div class="scroll" role="region" aria-label="Table" tabindex="0"><table>\n'


def _close_table(_: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


_WRITERS: dict[str, Callable[..., str]] = {
    "formula": _write_formula,
    "fence": _write_fence,
    "code_block": _write_fence,
    "link_open": _write_link,
    "image": _write_image,
    "table_open": _open_table,
    "table_close": _close_table,
}
