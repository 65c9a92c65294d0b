r"""Turns LaTeX into text the way the public graders' converter does (pylatexenc 2, default settings).

Only what tells two answers apart is imitated: groups lose their braces, unknown macros vanish but their groups stay
(``\binom{5}{2}`` becomes 52), known ones become characters, a fraction ``a/b`` without brackets, a root ``√(a)``;
matrices become ``[ 1 2; 3 4 ]``; white space follows the original's rules. Symbols outside of the table are dropped as
unknown.
"""

import re
import unicodedata
from dataclasses import dataclass

from abruzzi.verifiers.published.latex_symbols import (
    ACCENTS,
    DISPLAYS,
    KEPT,
    MATRICES,
    SIGNATURES,
    SPECIALS,
    STYLES,
    SYMBOLS,
)

MAX_DEPTH = 150
"""About where the original exhausts Python's stack, which the graders swallow."""


class NotConvertedError(ValueError):
    """The original raises here; the graders then keep the LaTeX as it is."""


_TOKEN = re.compile(
    r"(?P<space>\s+)|\\(?P<env>begin|end)\s*\{(?P<name>[\w* ._-]+)\}|(?P<math>\\[()\[\]])"
    r"|\\(?P<plain>begin|end)(?![^\W\d_])|\\(?P<macro>[^\W\d_]+)(?P<post>(?:(?!\n\s*\n)\s)*)"
    r"|\\(?P<mark>.)|(?P<stop>\\)$|(?P<brace>[{}])|(?P<special>&|~|``|''|---|--|!`|\?`)|(?P<char>.)",
    re.DOTALL,
)


def latex_to_text(latex: str) -> str:
    """Convert LaTeX to text.

    Raises:
        NotConvertedError: the original raises, too.
    """
    converter = _Converter(latex)
    text = converter.nodes("", is_math=False)
    while converter.place < len(latex):
        text += converter.nodes("", is_math=False)
    return text


@dataclass(slots=True)
class _Converter:
    """One pass over the LaTeX; ``place`` is where the next token begins."""

    latex: str
    place: int = 0
    depth: int = 0

    def token(self) -> re.Match[str] | None:
        """Match the next token without stepping over it."""
        return _TOKEN.match(self.latex, self.place)

    def nodes(self, end: str, *, is_math: bool, cells: list[list[str]] | None = None) -> str:
        """Convert up to an end mark (a closing brace, a maths delimiter, an environment's name), and step over it.

        In a matrix the finished cells go to ``cells``.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotConvertedError("nested too deep")
        pieces: list[str] = []
        chars, post = "", ""
        while (match := self.token()) is not None:
            kind = str(match.lastgroup)
            if kind in ("space", "char"):
                chars += match[0]
                self.place = match.end()
                continue
            pieces.append(_run(chars, post, is_math=is_math))
            chars, post = "", ""
            if self.is_end(match, end):
                break
            if cells is not None and (match["special"] == "&" or match["mark"] == "\\"):
                self.place = match.end()
                cells[-1].append("".join(pieces).strip())
                if match["mark"]:
                    self.arguments("*[", is_math=is_math)
                    cells.append([])
                pieces = []
                continue
            pieces.append(self.node(match, is_math=is_math))
            post = (match["post"] or "") if self.place == match.end() else ""
        pieces.append(_run(chars, post, is_math=is_math))
        self.depth -= 1
        return "".join(pieces)

    def is_end(self, match: re.Match[str], end: str) -> bool:
        """Say whether this token ends what is being read; step over it if so."""
        if match["brace"] == "}" or match["env"] == "end" or match["math"] in ("\\)", "\\]"):
            self.place = match.end()
            return True
        return False

    def node(self, match: re.Match[str], *, is_math: bool) -> str:
        """Convert what begins with this token."""
        self.place = match.end()
        if match["brace"]:
            return self.nodes("}", is_math=is_math)
        if match["plain"] or match["stop"]:
            return "" if match["stop"] else match[0]
        if match["math"]:
            content = self.nodes(match["math"], is_math=True).strip()
            return content if match["math"] == "\\(" else _display(content)
        if match["special"]:
            return SPECIALS[match["special"]]
        if match["env"]:
            return self.environment(match["name"], is_math=is_math)
        return self.macro(match["macro"] or match["mark"], is_math=is_math)

    def environment(self, name: str, *, is_math: bool) -> str:
        """Convert an environment whose beginning was read."""
        self.arguments({"array": "[{", "tabular": "{"}.get(name, ""), is_math=is_math)
        if name in MATRICES:
            cells: list[list[str]] = [[]]
            last = self.nodes(name, is_math=is_math, cells=cells)
            if last:
                cells[-1].append(last.strip())
            widths = [len(cell) for row in cells for cell in row]
            if not widths:
                raise NotConvertedError("empty matrix")
            return "[ " + "; ".join(" ".join(cell.rjust(max(widths)) for cell in row) for row in cells) + " ]"
        if name in DISPLAYS:
            return _display(self.nodes(name, is_math=True).strip())
        return self.nodes(name, is_math=is_math)

    def macro(self, name: str, *, is_math: bool) -> str:
        """Convert a macro with its arguments."""
        start = self.place
        arguments = self.arguments(SIGNATURES.get(name, ""), is_math=is_math)
        if arguments is None:
            self.place = start
        return _macro_text(name, arguments)

    def arguments(self, signature: str, *, is_math: bool) -> list[str] | None:
        """Read arguments: ``{`` one expression, ``[`` optional, ``*`` a star; None where the text ends too early."""
        found: list[str] = []
        for kind in signature:
            start = self.place
            match = self.token()
            if match is not None and match["space"] and signature != "*[":
                self.place = match.end()
                match = self.token()
            if kind == "{":
                if match is None:
                    return None
                found.append(self.expression(match, is_math=is_math))
            elif match is not None and match["char"] == ("[" if kind == "[" else "*"):
                self.place = match.end()
                if kind == "[":
                    closing = self.latex.find("]", self.place)
                    self.place = closing + 1 if closing >= 0 else len(self.latex)
            else:
                self.place = start
        return found

    def expression(self, match: re.Match[str], *, is_math: bool) -> str:
        """Read one argument: a group, one character, or a macro without arguments of its own."""
        if match["brace"] == "}" or match["env"] == "end":
            return ""
        self.place = match.end()
        if match["brace"]:
            return self.nodes("}", is_math=is_math)
        if match["macro"] or match["mark"]:
            return _macro_text(match["macro"] or match["mark"], None)
        if match["math"] or match["env"]:
            return ""
        return SPECIALS[match["special"]] if match["special"] else match[0]


def _macro_text(name: str, arguments: list[str] | None) -> str:
    if name in ACCENTS:
        base = (arguments or [" "])[0].strip() if arguments else " "
        return "".join(unicodedata.normalize("NFC", {"ı": "i", "ȷ": "j"}.get(c, c) + ACCENTS[name]) for c in base)
    if name in ("frac", "nicefrac"):
        return "/".join(arguments) if arguments else "%s/%s"
    if name == "sqrt":
        if not arguments:
            raise NotConvertedError("root of nothing")
        return f"√({arguments[0]})"
    if name in STYLES:
        first, exceptions = STYLES[name]
        return "".join(_styled(c, first, exceptions) for c in (arguments or [""])[0])
    if name == "textcolor":
        return (arguments or ["", ""])[1]
    if name in KEPT:
        return (arguments or [""])[0]
    return SYMBOLS.get(name, "")


def _styled(char: str, first: int, exceptions: dict[str, str]) -> str:
    if not (char.isascii() and char.isalpha()):
        return char
    place = ord(char) - ord("A") if char.isupper() else ord(char) - ord("a") + 26
    return exceptions.get(char) or chr(first + place)


def _run(chars: str, post: str, *, is_math: bool) -> str:
    """Give a run of characters; in maths, white space alone vanishes and the space behind a macro counts."""
    if not is_math:
        return chars
    return post + chars if chars.strip() else post if chars else ""


def _display(content: str) -> str:
    return "\n    " + content.replace("\n", "\n    ") + "\n"
