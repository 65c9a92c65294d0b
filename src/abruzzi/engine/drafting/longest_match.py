"""Group-aware drafts: the longest match in anything that the question has brought forth so far.

The end of a text is looked up in all texts of its question: its own prompt (question, plan, for a judge the
candidates), what it has said itself, and what its siblings have said by now. Of the places where the longest stretch
of it occurred, the latest gives the draft, which is no longer than that stretch: long matches are trusted further.
Copying may run into the draft itself, as in Lempel and Ziv 1977, so that a loop is drafted on and on.

The idea is SuffixDecoding's (arXiv 2411.04975), which keeps suffix trees of this request and of earlier outputs,
drafts behind the longest match, in proportion to its length (here 1 to 1), and scores by frequency. Departures:

1. Earlier outputs are those of the same question only; there is no tree of everybody's.
2. The index is a hash from n-gram to places, each extended backwards by comparison: simple, quick enough for texts of
   some thousand tokens, and a place names the source of every token.
3. The latest place stands in for frequencies, and one chain of tokens is drafted, no tree.
"""

from collections.abc import Sequence

from abruzzi.engine.drafting.draft import Draft, DraftLimits
from abruzzi.engine.drafting.text import Source, Text

MAX_MATCH = 32
"""Tokens beyond which a longer match counts no more."""
MAX_PLACES = 64
"""Latest places that are compared; a loop repeats one n-gram hundreds of times."""

Ngram = tuple[int, ...]
Place = tuple[int, int]
"""A text and an index in it."""


class LongestMatch:
    """A ``Drafter`` over all texts of a question.

    Args:
        texts: of one question.
        limits: least length of a match, and most of a draft.
        shares: False has each text read itself alone, which tells what the siblings are worth.
    """

    def __init__(self, texts: Sequence[Text], limits: DraftLimits, *, shares: bool = True) -> None:
        self._texts = texts
        self._limits = limits
        everybody: dict[Ngram, list[Place]] = {}
        self._followed = [everybody if shares else dict[Ngram, list[Place]]() for _ in texts]
        """What each text reads: n-gram -> the places behind it, in the order in which they were written."""
        for reader, text in enumerate(texts):
            # Candidates share their prompt, which is then read once.
            if not shares or all(text.ids != earlier.ids for earlier in texts[:reader]):
                for place in range(len(text.ids)):
                    self._index(reader, place)

    def note(self, reader: int) -> None:
        """Take in that a text has grown by one token."""
        self._index(reader, len(self._texts[reader].ids) - 1)

    def draft(self, reader: int, room: int) -> Draft:
        """Propose what followed the longest match; see ``Drafter.draft``."""
        (owner, place), length = self._find(reader)
        ids, sources, text = list[int](), list[Source](), self._texts[owner]
        for index in range(place, place + min(room, length, self._limits.max_draft_tokens)):
            if index < len(text.ids):
                ids.append(text.ids[index])
                sources.append(self._name(reader, owner, index))
            elif owner == reader:  # the draft goes on from itself
                ids.append(ids[index - len(text.ids)])
                sources.append(Source.OWN)
            else:
                break
        return Draft(tuple(ids), tuple(sources))

    def _find(self, reader: int) -> tuple[Place, int]:
        """Find the place behind the longest match, and how long that is; 0 where there is none."""
        n, ids = self._limits.ngram_tokens, self._texts[reader].ids
        best, longest = (reader, 0), 0
        for owner, place in reversed(self._followed[reader].get(tuple(ids[-n:]), [])[-MAX_PLACES:]):
            length = _common_suffix(ids, self._texts[owner].ids, place)
            if length > longest:
                best, longest = (owner, place), length
            if length == MAX_MATCH:
                break
        return best, longest

    def _name(self, reader: int, owner: int, index: int) -> Source:
        text = self._texts[owner]
        return Source.SIBLING if owner != reader and index >= text.num_prompt_tokens else text.sources[index]

    def _index(self, reader: int, place: int) -> None:
        n, ids = self._limits.ngram_tokens, self._texts[reader].ids
        if place >= n:
            self._followed[reader].setdefault(tuple(ids[place - n : place]), []).append((reader, place))


def _common_suffix(ids: Sequence[int], others: Sequence[int], end: int) -> int:
    """Count how many tokens before ``end`` in one text equal the last ones of another, at most ``MAX_MATCH``."""
    most = min(len(ids), end, MAX_MATCH)
    return next((back for back in range(most) if ids[-1 - back] != others[end - 1 - back]), most)
