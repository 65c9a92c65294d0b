r"""Finds formulas in Markdown, by rules for markdown-it: ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]`` and environments.

A bare ``\boxed{…}`` counts too, since small models forget the dollars. Prices do not: a dollar opens a formula only
before something else than a space, and closes one only after such and not before a digit (Pandoc's rule). Each pattern
is bounded, so that a page of dollars costs no more than a page of words.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from abruzzi.serving.rendering.formulas import MAX_FORMULA_CHARS

MAX_FORMULA_LINES = 80

_UPTO = f"{{1,{MAX_FORMULA_CHARS}}}"
_CLOSING = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_INLINE = re.compile(
    rf"\$\$(?P<double>(?:\\.|[^\\$]){_UPTO})\$\$"
    rf"|\$(?![\s$])(?P<single>(?:\\.|[^\\$]){_UPTO})(?<!\s)\$(?!\d)"
    rf"|\\\((?P<round>.{_UPTO}?)\\\)"
    rf"|\\\[(?P<square>.{_UPTO}?)\\\]"
    r"|(?P<boxed>\\boxed\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,200}\}){0,200}\}){0,1000}\})",
    re.DOTALL,
)
_BLOCK = re.compile(
    rf"(?:\$\$(?P<double>(?:\\.|[^\\$]){_UPTO})\$\$|\\\[(?P<square>.{_UPTO}?)\\\]"
    rf"|(?P<environment>\\begin\{{(?P<name>[a-z]{{1,20}}\*?)\}}.{{0,{MAX_FORMULA_CHARS}}}?\\end\{{(?P=name)\}}))"
    r"[ \t.,;]{0,8}(?:\n|\Z)",
    re.DOTALL,
)
_BARE = re.compile(r"[^\n$`]{0,400}\\[A-Za-z]+[^\n$`]{0,400}")
_COMMAND = re.compile(r"\\(?:text|mathrm|operatorname)\{[^{}]{0,200}\}|\\[A-Za-z]+")
_WORD = re.compile(r"(?<!\S)[A-Za-z]{2,}(?![^\s.,;:!?])|[A-Za-z]{5}")


def is_bare_formula(text: str) -> bool:
    r"""Tell whether a whole text is one formula without delimiters, as extracted answers are: ``\frac{3}{4}``."""
    if "\\(" in text or "\\[" in text or _BARE.fullmatch(text) is None:
        return False
    return _WORD.search(_COMMAND.sub(" ", text)) is None


def add_formulas(parser: MarkdownIt) -> None:
    """Teach a parser to find formulas; it yields ``formula`` tokens whose ``markup`` is ``inline`` or ``block``."""
    parser.inline.ruler.before("escape", "formula", _read_inline)
    parser.block.ruler.before(
        "fence", "formula", _read_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )


def _read_inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    closing = _CLOSING.get(state.src[state.pos : state.pos + 2])
    if closing is not None and state.src.find(closing, state.pos + 2, state.pos + MAX_FORMULA_CHARS) < 0:
        return False  # found out in a moment; the pattern would try every length
    found = _INLINE.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = next(part for part in found.groups() if part is not None)
        token.markup = "block" if found["double"] or found["square"] else "inline"
    state.pos = found.end()
    return True


def _read_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    begin = state.bMarks[start] + state.tShift[start]
    if not state.src.startswith(("$$", "\\[", "\\begin{"), begin):
        return False
    lines = state.getLines(start, min(end, start + MAX_FORMULA_LINES), state.blkIndent, False).lstrip(" ")
    found = _BLOCK.match(lines)
    if found is None:
        return False
    if silent:
        return True
    token = state.push("formula", "math", 0)
    token.content = found["double"] or found["square"] or found["environment"]
    token.markup, token.block = "block", True
    num_lines = max(1, found[0].rstrip("\n").count("\n") + 1)
    token.map = [start, start + num_lines]
    state.line = start + num_lines
    return True
