"""Shows why two texts match: the longest passage that they share, as each of them writes it."""

from bisect import bisect_left
from difflib import SequenceMatcher

from abruzzi.data.contamination.normalise import join_sentences, normalise
from abruzzi.data.contamination.report import Evidence

MAX_EVIDENCE_CHARS = 300


def show_evidence(question: str, row: str) -> Evidence:
    """Cut the longest passage that two texts share out of both, at most 300 characters of each.

    Args:
        question: the benchmark's text as it is.
        row: the training text as it is.
    """
    ours, theirs = join_sentences(normalise(question)), join_sentences(normalise(row))
    passage = SequenceMatcher(None, ours, theirs, autojunk=False).find_longest_match()
    return Evidence(
        benchmark=_cut(question, passage.a, passage.a + passage.size),
        train=_cut(row, passage.b, passage.b + passage.size),
    )


def _cut(text: str, first: int, last: int) -> str:
    """Return the characters that hold the words from ``first`` to before ``last`` of the normalised text."""
    passage = " ".join(text[_find_word(text, first) : _find_word(text, last)].split())
    passage = "".join(c if c.isprintable() else "\ufffd" for c in passage)
    return passage if len(passage) <= MAX_EVIDENCE_CHARS else passage[: MAX_EVIDENCE_CHARS - 1] + "…"


def _find_word(text: str, number: int) -> int:
    """Return where a word of the normalised text begins; normalising keeps no positions, so beginnings are tried."""
    return bisect_left(range(len(text)), number + 1, key=lambda end: len(join_sentences(normalise(text[: end + 1]))))
