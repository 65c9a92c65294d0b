r"""Finds the final answer in a reply.

Looked for in the text after the last ``</think>``, first hit wins:

1. ``answer_tag``: the last ``<answer>…</answer>`` that holds something. An unclosed tag counts as whole, because
   generation is stopped at ``</answer>`` (arXiv 2509.07604). A box inside it is unwrapped.
2. ``boxed``: the last ``\boxed{…}`` or ``\fbox{…}`` that holds something, braces matched, escapes respected. Boxes
   joined by nothing but commas, "and" or "or" are one answer in several parts.
3. ``json``: the value of the last ``"answer": …``.
4. ``marker``: what follows the last ``The answer is …``, ``Answer: …``, ``#### …`` or a heading ``Answer``.
5. ``last_line``: on the last line (an ``A:`` before it left out), the bold part, the last formula, what follows the
   last ``=``, the line where it has few words, the last number, or the line where it holds none.

3 to 5 look at the last 100,000 characters only: prose that far from the end states no final answer.

A reply that breaks off inside its thoughts or its last box yields what there is with ``is_whole`` false: whoever judges
it must not take it for a finished answer. A reply cut elsewhere cannot be told from a whole one here; its finish reason
can. This file does not judge and does not normalise mathematics. Every step is linear in the reply: each pattern either
is bounded or starts where no earlier one could have.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

MAX_LINE_ANSWER_CHARS = 200
"""A last line longer than this is prose, not an answer."""
MAX_TAIL_CHARS = 100_000
"""How far from the end answers stated in prose are looked for."""
MAX_ANSWER_WORDS = 4
"""A last line of more words is a sentence about its answer, not the answer itself."""


MAX_JOINT_CHARS = 60
"""Boxes further apart are separate attempts."""


class How(StrEnum):
    """Which convention the answer was found by, the firmest first."""

    ANSWER_TAG = "answer_tag"
    BOXED = "boxed"
    JSON = "json"
    MARKER = "marker"
    LAST_LINE = "last_line"


@dataclass(frozen=True, slots=True)
class Extracted:
    """A final answer found in a reply."""

    text: str
    how: How
    is_whole: bool = True
    """False when the reply breaks off inside its thoughts or inside this answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply taken apart at its thoughts."""

    thoughts: str
    text: str
    """What follows the thoughts; empty when they never end."""
    is_closed: bool = True
    """False when the thoughts begin but never end."""


_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_OPENING = re.compile(r"\s{0,20}\{")
_MARKUP = re.compile(r"\\(?:text|mathrm|quad|qquad|[,;:! ()\[\]])|[$\s{}]")
_NAMED = re.compile(r"[A-Za-z](?:_\{?\w{1,3}\}?)?\s?=\s?$")
_JOINT = re.compile(r"[,;]?\s{0,3}(?:and|or)|[,;]")
_UNBRACED = re.compile(r"\s{0,20}(-?\d[\d.,/]{0,400}|[A-Za-z](?![A-Za-z]))")
_JSON_KEY = re.compile(r'"(?:final_)?answer"\s{0,20}:\s{0,20}', re.IGNORECASE)
_MARKER = re.compile(
    r"\b(?:answer(?: choice)?|(?:correct|best|right) (?:option|choice))\b[*_`\"')\]]{0,4}"
    r"(?:\s(?:to|for)\s[^\n.:=]{0,80}?)?[*_ ]{0,4}"
    r"(?:\bis\b|\bare\b|\b(?:w(?:ill|ould)|must|should) be\b|[:：=]|(?=\s{0,4}\\[(\[]))[ \t]{0,20}:?"
    r"|^[ \t]{0,8}####(?!#)",
    re.IGNORECASE | re.MULTILINE,
)
_SHORT_MARKER = re.compile(r"^(?:A|Ans|ANS):\s")
_HEADING = re.compile(r"^[^\w\n]{0,8}(?:final )?answer[^\w\n]{0,8}$", re.IGNORECASE | re.MULTILINE)
_SENTENCE_END = re.compile(
    r"(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bSt)(?<!\bMrs)(?<!\bvs)[.!?](?=\s)|,?\s(?:because|since)\s|,\sso\s|;\s"
)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_FORMULA_OR_NUMBER = re.compile(
    r"(?<![\\$])\$[^$\n]{1,400}\$(?!\$|\d)|\\\(.{1,400}?\\\)"
    r"|[-−]?[$€£]?(?<![\d.,])(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)*%?"
)
_PROSE = re.compile(r"[A-Za-z]{2} [A-Za-z]{2}")
_EMPTY = re.compile(r"</?answer>|\\(?:boxed|fbox)\s{0,20}\{\s{0,20}\}", re.IGNORECASE)
_ELLIPSIS = re.compile(r"[\s.…]*")
_WRAPS = (("**", "**"), ("__", "__"), ("`", "`"), ("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ('"', '"'))


def split_thinking(text: str) -> Reply:
    """Take a reply apart at the last ``</think>``; without any tag it is all text."""
    head, tag, tail = text.rpartition("</think>")
    if tag:
        return Reply(thoughts=head.replace("<think>", "", 1), text=tail)
    before, tag, after = text.partition("<think>")
    return Reply(thoughts=before + after, text="", is_closed=False) if tag else Reply(thoughts="", text=text)


def extract_answer(text: str) -> Extracted | None:
    """Find the final answer in a whole reply; None when it states none.

    An unfinished chain of thoughts is searched for the firm conventions only, and what it yields is not whole.
    """
    reply = split_thinking(text)
    if reply.is_closed:
        tail = reply.text[-MAX_TAIL_CHARS:]
        return (
            _from_tag(reply.text)
            or _from_box(reply.text)
            or _from_json(tail)
            or _from_marker(tail)
            or _from_last_line(tail)
        )
    found = _from_tag(reply.thoughts) or _from_box(reply.thoughts) or _from_marker(reply.thoughts[-MAX_TAIL_CHARS:])
    return found and Extracted(found.text, found.how, is_whole=False)


def tidy(answer: str) -> str:
    """Take away what surrounds a short answer in prose: emphasis, maths delimiters, quotes, the full stop."""
    answer = answer.strip().rstrip(".,;: ")
    for start, end in _WRAPS:
        inner = answer[len(start) : -len(end)]
        if answer.startswith(start) and answer.endswith(end) and inner and start not in inner:
            answer = inner.strip().rstrip(".,;: ")
    return answer


def _from_tag(text: str) -> Extracted | None:
    tags = list(_TAG.finditer(text))
    for i in range(len(tags) - 1, -1, -1):
        if tags[i][1]:
            continue
        content = text[tags[i].end() : tags[i + 1].start() if i + 1 < len(tags) else len(text)]
        if _is_blank(content):
            continue
        inner = _from_box(content)
        if inner is None and _MARKER.match(content.lower().strip().removeprefix("the ").removeprefix("final ")):
            inner = _from_marker(content)
        return Extracted(inner.text if inner else content.strip(), How.ANSWER_TAG, inner is None or inner.is_whole)
    return None


def _from_box(text: str) -> Extracted | None:
    boxes = [match.span() for match in _BOX.finditer(text)]
    parts: list[str] = []
    first = len(text)  # where the earliest of the parts begins
    for start, after in reversed(boxes):
        opening = _OPENING.match(text, after)
        bare = None if opening else _UNBRACED.match(text, after)
        if bare and not parts:
            return Extracted(bare[1].rstrip(".,/"), How.BOXED)
        if opening is None:
            continue
        end = _closing_brace(text, opening.end())
        if end is None:
            content = text[opening.end() :].lstrip().partition("\n")[0].rstrip("$ ")[:MAX_LINE_ANSWER_CHARS]
            return Extracted(content, How.BOXED, is_whole=False) if content and not parts else _joined(parts)
        content = text[opening.end() : end].strip()
        if parts and (end >= first or not _is_joint(text[end + 1 : first])):
            break
        if not _is_blank(content):
            parts.insert(0, content)
            first = start
    return _joined(parts)


def _is_joint(gap: str) -> bool:
    """Say whether the text between two boxes does nothing but list them."""
    if len(gap) > MAX_JOINT_CHARS or not gap:
        return not gap
    return _JOINT.fullmatch(_NAMED.sub(" ", _MARKUP.sub(" ", gap)).strip()) is not None


def _joined(parts: list[str]) -> Extracted | None:
    unique = list(dict.fromkeys(parts))
    return Extracted(", ".join(unique), How.BOXED) if unique else None


def _closing_brace(text: str, start: int) -> int | None:
    """Give the place of the brace that closes the one just before ``start``; None when it never closes."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    return None


def _from_json(text: str) -> Extracted | None:
    keys = list(_JSON_KEY.finditer(text))
    if not keys:
        return None
    start = keys[-1].end()
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, str):
        return None if _is_blank(value) else Extracted(value.strip(), How.JSON)
    return None if value is None else Extracted(json.dumps(value, ensure_ascii=False), How.JSON)


def _from_marker(text: str) -> Extracted | None:
    ends = [m.end() for pattern in (_MARKER, _HEADING) for m in pattern.finditer(text)]
    for end in sorted(ends, reverse=True)[:8]:
        line = next((line for line in text[end : end + 2000].splitlines() if line.strip(" *_:#\t\\[$")), "")
        bold = _BOLD.search(line)
        answer = bold[1] if bold else _SENTENCE_END.split(line.lstrip(" *_:#\t"), maxsplit=1)[0]
        if tidy(answer) and not _is_blank(answer):
            return Extracted(tidy(answer), How.MARKER)
    return None


def _from_last_line(text: str) -> Extracted | None:
    text = _EMPTY.sub("", text).rstrip().removesuffix("```").rstrip()
    line = _SHORT_MARKER.sub("", text.rpartition("\n")[2].strip())
    bold = _BOLD.findall(line)
    answer = tidy(bold[-1] if bold else line)
    if not bold and _PROSE.search(line) and len(answer.split()) > MAX_ANSWER_WORDS:
        found = [match[0] for match in _FORMULA_OR_NUMBER.finditer(line)]
        answer = tidy(found[-1]) if found else answer
    left, equals, right = answer.rpartition("=")
    if equals and tidy(right) and (_PROSE.search(left) or not re.search(r"[A-Za-z<>!]", left)):
        answer = tidy(right)
    return Extracted(answer, How.LAST_LINE) if 0 < len(answer) <= MAX_LINE_ANSWER_CHARS else None


def _is_blank(content: str) -> bool:
    """Say whether a tag or box holds nothing, or only the dots of an instruction that the model repeats."""
    return _ELLIPSIS.fullmatch(content) is not None
