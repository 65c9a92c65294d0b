r"""Rewrites LaTeX in lower case as plain words and operators, so that spellings of one formula become one spelling.

The rules, in their order:

    ``1{,}000``, ``1,\!000``, ``1\,000``  1000
    ``\(`` ``\[`` ``$`` ``&`` ``\\``      space; so does ``\$``, a currency
    ``\,`` ``\;`` ``~`` ``\quad``         space; ``\!`` goes
    ``\begin{align*}``, ``\end{…}``       space
    ``^{\circ}``, ``^\circ``              degree; ``^{\prime}`` is a prime as it is typed
    ``\dfrac{a}{b}``, ``\frac12``         (a)/(b); a half typed as 1/2 reads the same
    ``\left``, ``\displaystyle``, ``\text{…}``, ``\mathrm{…}``, ``\boxed{…}``  the command goes, what it holds stays
    ``\leq`` ``\ge`` ``\ne`` ``\cdot`` ``\times`` ``\ldots``  <= >= != and, for products and dots, nothing
    any other command                     its name, as a word

Braces stay for the tokeniser to drop, so that ``x^{2}`` is ``x^2``. This file understands no mathematics: a half is not
0.5, and ``a+b`` is not ``b+a``. It resembles ``verifiers.latex``, which prepares answers to be computed with; here
spellings may be thrown together as long as different questions stay apart.
"""

import re

_THOUSANDS = re.compile(r"(?<=\d)(?:,\\!|\\,|\{,\}|~)(?=\d{3}(?!\d))")
_ROW_END = re.compile(r"\\\\(?:\[[^\]]{0,12}\])?")
_SPACE = re.compile(r"\\[,;:>\[\]() $&]")
_MARKS = str.maketrans(dict.fromkeys("$&~", " "))
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s?\{[a-z]{1,20}\*?\}(?:\{[lcr|@ ]{0,20}\})?")
_DEGREE = re.compile(r"\^\s?\{?\s?\\circ\b\s?\}?")
_PRIME = re.compile(r"\^\s?\{?\s?(?:\\prime\b\s?){1,3}\}?")
_SHORT_FRACTION = re.compile(r"\\frac\s?(\d)\s?(\d)")
_FRACTION = re.compile(r"\\frac\s?(?:\{([^{}]*)\}|(\w))\s?(?:\{([^{}]*)\}|(\w))")
_GROUP = re.compile(r"(?<!\})(?<!\\frac)(?<!\\frac )\{([^{}]*)\}")
_COMMAND = re.compile(r"\\([a-z]+)\*?")
_MAX_DEPTH = 8

_SILENT = [
    "left", "right", "middle", "big", "bigl", "bigr", "bigg", "biggl", "biggr", "displaystyle", "textstyle",
    "scriptstyle", "limits", "nolimits", "mathstrut", "quad", "qquad", "enspace", "thinspace", "hspace", "vspace",
    "noindent", "hfill", "smallskip", "medskip", "bigskip", "newline", "par", "centering", "text", "textbf", "textit",
    "textrm", "textsf", "texttt", "textnormal", "textup", "textsc", "mbox", "hbox", "emph", "underline", "mathrm",
    "mathbf", "mathit", "mathsf", "mathtt", "mathbb", "mathcal", "mathfrak", "mathscr", "bm", "boldsymbol",
    "operatorname", "rm", "bf", "it", "boxed", "fbox", "phantom", "cdot", "times", "ast", "dots", "ldots", "cdots",
    "dotsc", "dotsb", "vdots", "ddots", "lvert", "rvert", "vert", "mid", "rfloor", "rceil", "lbrace", "rbrace",
    "lbrack", "rbrack", "lparen", "rparen", "langle", "rangle", "item", "hline",
]  # fmt: skip
_COMMANDS = {
    **dict.fromkeys(_SILENT, " "),
    **dict.fromkeys(["le", "leq", "leqslant", "leqq"], " <= "),
    **dict.fromkeys(["ge", "geq", "geqslant", "geqq"], " >= "),
    **dict.fromkeys(["ne", "neq"], " != "),
    **dict.fromkeys(["dbinom", "tbinom"], " binom "),
    **dict.fromkeys(["pmod", "bmod"], " mod "),
    **dict.fromkeys(["to", "rightarrow", "longrightarrow"], " to "),
    **dict.fromkeys(["implies", "longrightarrow"], " implies "),
    **dict.fromkeys(["varepsilon", "epsilon"], " epsilon "),
    **dict.fromkeys(["varphi", "phi"], " phi "),
    **dict.fromkeys(["vartheta", "theta"], " theta "),
    **dict.fromkeys(["emptyset", "varnothing"], " emptyset "),
    **dict.fromkeys(["degree", "degrees"], " degree "),
    **dict.fromkeys(["widehat", "hat"], " hat "),
    **dict.fromkeys(["overline", "bar"], " overline "),
    **dict.fromkeys(["over", "div"], "/"),
    "lfloor": " floor ", "lceil": " ceil ",
    "lt": "<", "gt": ">", "colon": ":", "minus": "-",
}  # fmt: skip


def flatten_latex(text: str) -> str:
    """Rewrite the LaTeX in a text of lower case; text without any comes back as it is."""
    if "\\" in text or "{,}" in text:
        text = _flatten_commands(text)
    return text.translate(_MARKS)


def _flatten_commands(text: str) -> str:
    text = _THOUSANDS.sub("", text).replace("{,}", ",").replace("\\!", "")
    text = _ENVIRONMENT.sub(" ", _ROW_END.sub(" ", text))
    text = text.replace("\\not=", "\\ne ").replace("\\%", "%").replace("\\#", " ")
    text = _PRIME.sub(lambda match: "'" * match[0].count("prime"), _DEGREE.sub(" degree ", text))
    if "frac" in text:
        text = _flatten_fractions(text)
    return _COMMAND.sub(lambda match: _COMMANDS.get(match[1]) or f" {match[1]} ", _SPACE.sub(" ", text))


def _flatten_fractions(text: str) -> str:
    """Write fractions with a slash, the innermost first."""
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cfrac", "\\frac")
    text = _SHORT_FRACTION.sub(r"(\1)/(\2)", text)
    for _ in range(_MAX_DEPTH):
        if "\\frac" not in text:
            break
        text, num_fractions = _FRACTION.subn(_divide, text)
        text, num_groups = _GROUP.subn(r"(\1)", text)
        if not num_fractions and not num_groups:
            break
    return text


def _divide(match: re.Match[str]) -> str:
    return f" ({match[1] or match[2] or ''})/({match[3] or match[4] or ''}) "
