"""Secrets that can be told by their shape: API keys, tokens, private keys, passwords in addresses.

A shape is a beginning (``ghp_``) and a run of characters; a run that is too short or lacks what such keys have is none.
One pass of a plain character class finds it, so the time is proportional to the text. The shapes are those that the
services publish; a secret without one (a password in prose, a number) is not recognised.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from abruzzi.serving.guard.scan import Scan, Span

_TOKEN = r"A-Za-z0-9_\-"  # noqa: S105 - a class of characters
_WORD = re.compile("[A-Za-z0-9]")
_BASE64_LINES = r"A-Za-z0-9+/=:,\s\-"


@dataclass(frozen=True, slots=True)
class KeyShape:
    """What secrets of one kind look like."""

    beginnings: tuple[str, ...]
    run: str
    """The inside of a character class."""
    min_chars: int
    """Of the run."""
    needs: str = r"\d"
    """A pattern that stands in the run of every real one."""
    follows: str = ""
    """The character that must come after the run."""
    is_within_word: bool = False
    """The beginning may follow a letter or digit."""
    pattern: re.Pattern[str] = field(init=False)
    """The beginning and the run."""

    def __post_init__(self) -> None:
        beginnings = "|".join(map(re.escape, self.beginnings))
        apart = "" if self.is_within_word else "(?<![A-Za-z0-9])"
        object.__setattr__(self, "pattern", re.compile(f"{apart}(?:{beginnings})([{self.run}]*)"))

    def is_secret(self, text: str, match: re.Match[str]) -> bool:
        """Tell whether a match of the pattern that has ended is a secret."""
        run = match[1]
        has_follower = not self.follows or text.startswith(self.follows, match.end())
        return len(run) >= self.min_chars and has_follower and re.search(self.needs, run) is not None


@dataclass(frozen=True, slots=True)
class KeyShapes:
    """A rule that takes secrets of several shapes out."""

    shapes: tuple[KeyShape, ...]
    _cut: Mapping[str, bool] = field(init=False, repr=False)
    """A beginning that is cut short → whether it may stand within a word."""
    _longest: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cut: dict[str, bool] = {}
        for shape in self.shapes:
            for beginning in shape.beginnings:
                for size in range(1, len(beginning)):
                    cut[beginning[:size]] = cut.get(beginning[:size], False) or shape.is_within_word
        object.__setattr__(self, "_cut", cut)
        object.__setattr__(self, "_longest", max(map(len, cut), default=0))

    def scan(self, text: str, *, start: int, is_final: bool) -> Scan:
        """See ``Rule.scan``."""
        spans: list[Span] = []
        holds: list[int] = []
        for shape in self.shapes:
            for match in shape.pattern.finditer(text):
                if match.start() < start:
                    continue
                if match.end() == len(text) and not is_final:
                    holds.append(match.start())
                elif shape.is_secret(text, match):
                    spans.append(Span(match.start(), match.end()))
        return Scan(tuple(spans), None if is_final else min([*holds, *self._find_cut(text, start)], default=None))

    def _find_cut(self, text: str, start: int) -> Iterator[int]:
        """Find where a beginning stands that is cut by the text's end."""
        for place in range(max(start, len(text) - self._longest), len(text)):
            may_stand_within = self._cut.get(text[place:])
            if may_stand_within is not None and (may_stand_within or not _WORD.fullmatch(text[place - 1 : place])):
                yield place
                return


KEY_SHAPES = KeyShapes(
    (
        KeyShape(("sk-", "csk-", "gsk_", "pk-lf-", "sk-lf-", "r8_"), _TOKEN, 20),
        KeyShape(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), "A-Za-z0-9_", 22),
        KeyShape(("glpat-", "glptt-", "gldt-"), _TOKEN, 20),
        KeyShape(("AKIA", "ASIA", "AROA", "AIDA"), "A-Z0-9", 16, needs=r"^(?=.*\d)[A-Z0-9]{16}$"),
        KeyShape(("AIza",), _TOKEN, 35),
        KeyShape(("ya29.",), f"{_TOKEN}.", 20),
        KeyShape(("xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "xapp-"), r"A-Za-z0-9\-", 10),
        KeyShape(("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"), "A-Za-z0-9", 16),
        KeyShape(("hf_", "npm_"), "A-Za-z0-9", 30, needs=r"[A-Z]"),
        KeyShape(("pypi-",), _TOKEN, 60),
        KeyShape(("dop_v1_",), "a-f0-9", 40),
        KeyShape(("SG.",), f"{_TOKEN}.", 40),
        KeyShape(("eyJ",), f"{_TOKEN}.", 50, needs=r"\..+\."),
        KeyShape(
            tuple(
                f"-----BEGIN {kind}PRIVATE KEY{end}-----"
                for kind, end in (
                    ("", ""),
                    ("RSA ", ""),
                    ("EC ", ""),
                    ("DSA ", ""),
                    ("OPENSSH ", ""),
                    ("ENCRYPTED ", ""),
                    ("PGP ", " BLOCK"),
                )
            ),
            _BASE64_LINES,
            40,
        ),
        KeyShape(("://",), r"^\s/@\"'<>`\[\]{}", 5, needs=r"^[^:]+:[^:]{3,}$", follows="@", is_within_word=True),
    )
)
"""A user with a password in an address comes last: ``://name:word@``."""
