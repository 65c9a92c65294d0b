r"""Brings a text into the form in which texts are compared: sentences of lower-case words, numbers and operators.

What a copy may change without being another question is taken away; what makes it another question stays. The rules:

    Unicode      NFKC; dashes and minus signs are one; ``x²`` is ``x^2``, ``2½`` is ``2 1/2``, ``α`` is ``alpha``,
                 ``≤`` is ``<=``, ``√`` is ``sqrt``; characters without width go
    case         lower
    HTML         entities are resolved, tags of layout go
    LaTeX        as in ``latex``
    figures      ``[asy]…[/asy]`` is a sentence of one word, a checksum of what it draws
    Markdown     links keep their words; headings, bullets, emphasis, code marks and table bars go
    options      ``(A)`` or ``A.`` at the beginning of a line goes and begins a sentence
    numbers      whole and signed, as words: ``1,000`` is 1000, ``.50`` is 0.5, ``5.00`` is 5, ``- 3`` is -3,
                 ``twenty-five`` is 25, ``50%`` is 50 percent, ``45°`` is 45 degree
    letters      single ones that follow each other are one word: ``a x``, ``$a,$ $x$`` and ``f(x)`` are ax and fx;
                 ``f'`` is f prime, other apostrophes go
    operators    ``+ - = < > <= >= != ^ /`` and the factorial are words of their own, so that ``x+y`` is not ``x-y``;
                 a product sign is nothing, since ``2x`` is ``2*x``; a hyphen in words is nothing
    punctuation  goes, brackets included; ``.``, ``?``, ``!`` and ``:`` before a space and blank lines end a sentence
    other        an escaped newline that was escaped twice is a space; scripts without spaces are split into characters

So brackets alone do not tell two questions apart, nor do capital letters. That is the price of meeting ``\left(`` and
``(`` as one.
"""

import html
import re
import unicodedata
import zlib
from collections.abc import Iterator

from abruzzi.data.contamination.latex import flatten_latex

Sentences = tuple[tuple[str, ...], ...]
"""A text ready to be compared: its sentences, each the words of it; no sentence is empty."""

_UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBER_WORDS = {word: value for value, word in enumerate(_UNITS)} | {
    word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)
}
_WORDS: dict[str, str] = {
    **{word: str(value) for word, value in _NUMBER_WORDS.items()},
    "%": "percent",
    "\x01": "!",
    "degrees": "degree",
}

_POWER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ]+")
_FRACTIONS = [chr(code) for code in (*range(0xBC, 0xBF), *range(0x2150, 0x215F))]
_UNICODE = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑‒﹣", "-"),
        **dict.fromkeys("\u200b\u200c\u200d\ufeff\u2060\u00ad", ""),
        **dict.fromkeys("×·⋅∗∙⌋⌉…", " "),
        **{fraction: f" {unicodedata.normalize('NFKC', fraction)} " for fraction in _FRACTIONS},
        "‘": "'", "’": "'", "′": "'", "″": "''", "“": '"', "”": '"', "÷": "/", "°": " degree ",
        "√": " sqrt ", "∞": " infty ", "≤": " <= ", "≥": " >= ", "⩽": " <= ", "⩾": " >= ", "≠": " != ",
        "±": " pm ", "∠": " angle ", "△": " triangle ", "∪": " cup ", "∩": " cap ", "∈": " in ", "∅": " emptyset ",
        "≈": " approx ", "≡": " equiv ", "∑": " sum ", "∏": " prod ", "∫": " int ", "→": " to ", "⇒": " implies ",
        "⊥": " perp ", "∥": " parallel ", "⌊": " floor ", "⌈": " ceil ", "∘": " circ ", "∂": " partial ",
        "∀": " forall ", "∃": " exists ", "⊂": " subset ", "。": ". ", "？": "? ", "！": "! ",
    }
)  # fmt: skip
_GREEK = {
    code: f" {name.replace('LAMDA', 'LAMBDA').lower()} "
    for code in range(0x391, 0x3CA)
    for _, _, name in [unicodedata.name(chr(code), "").rpartition("LETTER ")]
    if name.isalpha()
}

# The regular expressions begin with a character, not with what must stand before it: so they are searched for quickly.
_FIGURE = re.compile(r"\[asy\](.*?)(?:\[/asy\]|\Z)", re.DOTALL)
_TAG = re.compile(r"</?(?:p|br|b|i|em|strong|sub|sup|div|span|ul|ol|li|table|tr|td|th|tbody)\b[^<>]{0,200}>")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{1,500}\)")
_BULLET = re.compile(r"\n[ \t]*(?:[-+>][ \t]|#+)+")
_OPTION = re.compile(r"\n[ \t]*(?:\(?[a-j]\)|[a-j]\.)[ \t]+")
_COMMA = re.compile(r",(?<=\d,)(?=\d{3}(?!\d))")
_NO_WHOLE = re.compile(r"\.(?<![\w.)]\.)(?=\d)")
_DECIMALS = re.compile(r"\.(\d+)(?!\d|\.\d)")
_COMPOUND = re.compile(rf"\b({'|'.join(_TENS)})[- ]({'|'.join(_UNITS[1:10])})\b")
_PRIME = re.compile(r"'(?<=\b[a-z]')'*+(?!s\b)")
_HYPHEN = re.compile(r"-(?:(?=[a-z]{3})|(?<=[a-z]{2}-)(?=\w)|(?<=[a-z]{2}\s-)(?=\s+[a-z]{2})|-+)")
_LETTERS = re.compile(r"\b([a-z])[\s,]{1,6}(?=[a-z]\b)")
_MARKS = str.maketrans(dict.fromkeys("()[]{}_*`|", " "))
_SIGN = re.compile(r"-\s+(?=\d)")
_ESCAPED_NEWLINE = re.compile(r"\\n(?![a-z])")
_FACTORIAL = re.compile(r"!(?:(?<=[\d)]!)|(?<=\b[a-z]!))(?!=)")
_END = re.compile(r"[.?!:\n](?:(?<=[.?!:])(?<![.?!:][.?!:])[.?!:]*+\"*+(?:\s++|$)|(?<=\n)[ \t]*+\n\s*+)")
_ASCII_WORD = re.compile(r"[a-z]+|-?\d+(?:\.\d+)?|[<>!]=|[-+=<>^/%\x01]|@\d+")
_ANY_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
    r"|-?\d+(?:\.\d+)?|[<>!]=|[-+=<>^/%\x01]|@\d+"
)


def normalise(text: str) -> Sentences:
    """Bring a text into the form in which texts are compared; see the module for the rules."""
    if not text.isascii():
        text = _to_plain(text)
    text = (_ESCAPED_NEWLINE.sub(" ", text) if "\\n" in text else text).lower()
    if "&" in text and ";" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "[asy]" in text:
        text = _FIGURE.sub(lambda match: f"\n\n@{zlib.crc32(''.join(match[1].split()).encode())}\n\n", text)
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    text = _BULLET.sub("\n", f"\n{text}")
    text = flatten_latex(_OPTION.sub("\n\n", text))
    text = _normalise_numbers(text)
    if "'" in text:
        text = _PRIME.sub(lambda match: " prime" * len(match[0]) + " ", text).replace("'", "")
    if "!" in text:
        text = _FACTORIAL.sub("\x01", text)
    text = _LETTERS.sub(r"\1", text.translate(_MARKS))
    if "-" in text:
        text = _SIGN.sub("-", _HYPHEN.sub(" ", text))
    find_words = (_ASCII_WORD if text.isascii() else _ANY_WORD).findall
    sentences: Iterator[list[str]] = (find_words(sentence) for sentence in _END.split(text))
    return tuple(tuple(_WORDS.get(word) or word for word in words) for words in sentences if words)


def join_sentences(sentences: Sentences) -> tuple[str, ...]:
    """Return the words of all sentences."""
    return tuple(word for sentence in sentences for word in sentence)


def is_fixed(word: str) -> bool:
    """Tell whether a word of a normalised text is a number, an operator or a figure, which no re-wording changes."""
    return not word[0].isalpha()


def is_figure(word: str) -> bool:
    """Tell whether a word of a normalised text stands for a figure."""
    return word[0] == "@"


def _to_plain(text: str) -> str:
    text = _POWER.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]) + " ", text)
    text = unicodedata.normalize("NFKC", text.translate(_UNICODE)).replace("⁄", "/").translate(_UNICODE)
    return text.translate(_GREEK)


def _normalise_numbers(text: str) -> str:
    if "," in text:
        text = _COMMA.sub("", text)
    if "ty" in text:
        text = _COMPOUND.sub(lambda match: str(_NUMBER_WORDS[match[1]] + _NUMBER_WORDS[match[2]]), text)
    if "." in text:
        text = _DECIMALS.sub(lambda match: match[0].rstrip("0").rstrip("."), _NO_WHOLE.sub("0.", text))
    return text
