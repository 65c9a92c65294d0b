"""Turns a listing into HTML with its words marked by class: keywords, strings, comments, numbers, names.

Pygments reads the language; the colours stand in the page's style sheet. An unknown language, or a listing too long to
be read for its colours, stays plain.
"""

from html import escape
from typing import Any

from pygments.lexers import get_lexer_by_name  # pyright: ignore[reportUnknownVariableType]  # its options
from pygments.token import Comment, Keyword, Literal, Name, Number, Operator, String
from pygments.util import ClassNotFound

MAX_HIGHLIGHTED_CHARS = 20_000

_CLASSES = (
    (Comment, "comment"),
    (String, "string"),
    (Number, "number"),
    (Literal, "number"),
    (Keyword, "keyword"),
    (Operator.Word, "keyword"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Decorator, "name"),
    (Name.Builtin, "name"),
    (Name.Tag, "keyword"),
)
"""The first that holds a token names its class."""


def render_listing(code: str, language: str) -> str:
    """Write a listing as a ``<pre>`` element that can be scrolled by keyboard.

    Args:
        code: as it stands between the fences.
        language: the first word after the opening fence; may be empty or anything else.
    """
    shown = language if language.isascii() and language.replace("+", "").replace("#", "").isalnum() else ""
    marked = _mark(code, shown) if shown and len(code) <= MAX_HIGHLIGHTED_CHARS else escape(code)
    label = f"Code, {escape(shown[:20])}" if shown else "Code"
    return f'<pre class="listing" tabindex="0" role="region" aria-label="{label}"><code>{marked}</code></pre>\n'


def _mark(code: str, language: str) -> str:
    try:
        lexer: Any = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(code)
    return "".join(_mark_token(kind, text) for kind, text in lexer.get_tokens(code))


def _mark_token(kind: Any, text: str) -> str:
    name = next((name for group, name in _CLASSES if kind in group), None)
    return escape(text) if name is None else f'<span class="code-{name}">{escape(text)}</span>'
