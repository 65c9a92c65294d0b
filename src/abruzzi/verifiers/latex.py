r"""Rewrites an answer, in LaTeX, Unicode or plain typing, into one flat notation.

Flat means: ASCII where there is an ASCII form, no maths delimiters, no sizing or spacing commands, ``\frac`` for all
fractions, ``*`` and ``/`` for all products and quotients, repeating decimals as exact fractions, ``$`` only as a
currency, and words that stood in ``\text{…}`` in double quotes, so that a unit is never taken for a variable. What has
no flat form stays as it is. This file understands no mathematics; it neither evaluates nor reorders.
"""

import re
import unicodedata
from fractions import Fraction

_GREEK = [
    *(
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
    ),
    *("omicron", "pi", "rho", "", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
]
_UNICODE = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑‒﹣-", "-"),
        **dict.fromkeys("×·⋅∗✕", "*"),
        **dict.fromkeys("\u200b\u200c\u200d\ufeff\u2060\x00", ""),
        **{power: f"^{{{digit}}}" for digit, power in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
        **{low: f"_{digit}" for digit, low in enumerate("₀₁₂₃₄₅₆₇₈₉")},
        **{c: f" {n}/{d}" for c, n, d in zip("½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞", "112131234151357", "233445555668888", strict=True)},
        **{chr(ord("α") + i): f"\\{name} " for i, name in enumerate(_GREEK) if name},
        "÷": "/", "⁄": "/", "√": "\\sqrt ", "∞": "\\infty ", "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ",
        "∅": "\\emptyset ", "±": "\\pm ", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "\\approx ", "°": "^\\circ ",
        "…": "...", "“": '"', "”": '"', "’": "'", "″": "", "⟨": "\\langle ", "⟩": "\\rangle ",
    }
)  # fmt: skip

_COMMANDS = {
    **dict.fromkeys(["left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "bigg", "Bigg"], ""),
    **dict.fromkeys(["displaystyle", "textstyle", "limits", "nolimits", "rm", "bf", "it", "mathstrut"], ""),
    **dict.fromkeys(["quad", "qquad", "hspace", "enspace", "thinspace"], " "),
    **dict.fromkeys(["dfrac", "tfrac", "cfrac"], "\\frac"),
    **dict.fromkeys(["dbinom", "tbinom"], "\\binom"),
    **dict.fromkeys(["cdot", "times", "ast"], "*"),
    **dict.fromkeys(["le", "leq", "leqslant"], "<="),
    **dict.fromkeys(["ge", "geq", "geqslant"], ">="),
    **dict.fromkeys(["ne", "neq"], "!="),
    **dict.fromkeys(["dots", "ldots", "cdots"], "..."),
    **dict.fromkeys(["varnothing"], "\\emptyset"),
    **dict.fromkeys(["lvert", "rvert", "vert", "mid"], "|"),
    "div": "/", "lt": "<", "gt": ">", "lbrace": "\\{", "rbrace": "\\}", "lbrack": "[", "rbrack": "]",
    "degree": "^\\circ",
}  # fmt: skip

_COMMAND = re.compile(r"\\([A-Za-z]+)(?=[^A-Za-z]|$)")
_SPACING = re.compile(r"\\[,;: ]|~|\\$")
_NEGATIVE_SPACE = re.compile(r"\\!\s*")
_ROOT = re.compile(r"√\s?(\d{1,40}(?:\.\d{1,40})?)")
_DEGREES = re.compile(r"\^\s?\{?\s?\\circ\s?\}?")
_STYLED = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|texttt|textnormal|mathrm|mathbf|mathit|mathsf|mathtt|mbox|hbox|emph|bm|"
    r"boldsymbol|(boxed|fbox))\s{0,3}\{([^{}]{0,500})\}"
)
_OPERATOR = re.compile(r"\\operatorname\*?\s?\{([A-Za-z]{1,20})\}")
_REPEATING = re.compile(r"(?<![\d.,])(\d{0,40})\.(\d{0,40})\\(?:overline|bar)\s?\{?(\d{1,40})\}?")
_RECURRING = re.compile(r"(?<![\d.,])(\d{0,40})\.(\d{0,40}?)(\d)\3{2,40}\s?\.\.\.")
_NO_WORDS = re.compile(r'[\d"\\]')
MAX_STYLE_DEPTH = 4


def flatten(text: str) -> str:
    """Rewrite an answer in flat notation; a text without a flat form comes back nearly unchanged."""
    if not text.isascii() or "\x00" in text:
        text = _ROOT.sub(r"\\sqrt{\1}", text).translate(_UNICODE)
        if not text.isascii():
            text = "".join(str(unicodedata.decimal(c, c)) for c in unicodedata.normalize("NFKC", text))
    text = text.strip()
    if text[:1] == text[-1:] == '"' and text.count('"') == 2:
        text = text[1:-1]
    text = _drop_delimiters(text)
    if "\\" in text or "~" in text:
        text = _flatten_commands(text)
    text = text.strip("*_` \t\r\n")
    if "..." in text:
        text = _RECURRING.sub(_repeat, text)
    text = " ".join(text.replace("{,}", ",").split())
    return text.removesuffix("\\\\").rstrip(" .,;:*_`")


def _flatten_commands(text: str) -> str:
    text = text.replace("\\%", "%").replace("\\&", "&").replace("\\#", "#")
    text = _NEGATIVE_SPACE.sub("", text)
    text = _OPERATOR.sub(r"\\\1 ", text)
    text = _COMMAND.sub(lambda m: _COMMANDS.get(m[1], m[0]), text)
    text = _SPACING.sub(" ", text.replace("\\\\", "\x00")).replace("\x00", "\\\\")
    text = _DEGREES.sub(' "degree" ', text)
    text = _REPEATING.sub(_repeat, text)
    for _ in range(MAX_STYLE_DEPTH):
        text, found = _STYLED.subn(_quote, text)
        if not found:
            break
    return text


def _drop_delimiters(text: str) -> str:
    r"""Take maths delimiters away: ``$`` survives as a currency where it is escaped or unpaired."""
    for delimiter in ("\\(", "\\)", "\\[", "\\]"):
        if delimiter in text and "\\" + delimiter not in text:
            text = text.replace(delimiter, " ")
    if "$" not in text:
        return text
    text = text.replace("\\$", "\x01").replace("$$", " ")
    if text.count("$") % 2 == 0:
        text = text.replace("$", " ")
    return text.replace("\x01", "$")


def _quote(match: re.Match[str]) -> str:
    """Put the words of a styled group in quotes; a formula, a number, a conjunction and e, i, d go bare."""
    inner = match[2].strip()
    is_bare = match[1] or _NO_WORDS.search(inner) or inner.lower() in ("or", "and", "e", "i", "d", "")
    return f" {inner} " if is_bare else f' "{inner}" '


def _repeat(match: re.Match[str]) -> str:
    """Write a repeating decimal as the fraction that it is."""
    whole, fixed, cycle = match.groups()
    head = Fraction(int(whole + fixed or "0"), 10 ** len(fixed))
    value = head + Fraction(int(cycle), (10 ** len(cycle) - 1) * 10 ** len(fixed))
    return f"({value.numerator}/{value.denominator})"
