"""llama.cpp's ``ngram-simple``, rule by rule: what the embedded engine drafts today.

The last ``ngram_tokens`` tokens are looked for in the same text, backwards, and what followed them there is proposed:
prompt lookup decoding (A. Saxena 2023, "Prompt Lookup Decoding"). The rules that decide counts, as read in llama.cpp's
common/ngram-map.cpp and tools/server, and held against the engine's own counts by a test:

1. Only the latest occurrence counts, and it must not touch the last token of the text.
2. Neither the very first n-gram of a text nor a text of up to n + m + 1 tokens before the last gives a draft.
3. Less than n tokens to copy is no draft; the last token of the text is never copied.
4. A draft leaves room for the one token that the pass itself adds before the limit.

It sees one text only: its siblings are strangers to it.
"""

from collections.abc import Sequence

from abruzzi.engine.drafting.draft import Draft, DraftLimits
from abruzzi.engine.drafting.text import Text

Ngram = tuple[int, ...]


class NgramSimple:
    """A ``Drafter`` that follows the engine's rules.

    Args:
        texts: of one question.
        limits: n and m.
    """

    def __init__(self, texts: Sequence[Text], limits: DraftLimits) -> None:
        self._texts = texts
        self._limits = limits
        self._followed: list[dict[Ngram, list[int]]] = [{} for _ in texts]
        """Of each text: n-gram -> the places behind it, in order."""
        for reader, text in enumerate(texts):
            for place in range(limits.ngram_tokens, len(text.ids)):
                self._index(reader, place)

    def note(self, reader: int) -> None:
        """Take in that a text has grown by one token."""
        self._index(reader, len(self._texts[reader].ids) - 1)

    def draft(self, reader: int, room: int) -> Draft:
        """Propose what followed the last n-gram the last time; see ``Drafter.draft``."""
        text, n = self._texts[reader], self._limits.ngram_tokens
        last = len(text.ids) - 1
        if room < 1 or last <= n + self._limits.max_draft_tokens + 1:
            return Draft()
        places = self._followed[reader].get(tuple(text.ids[-n:]), [])
        # Rule 1: what touches the last token is skipped, and the next earlier occurrence is the latest.
        place = next((place for place in reversed(places) if n < place < last), None)
        if place is None or last - place < n:
            return Draft()
        end = min(place + self._limits.max_draft_tokens, last, place + room)
        return Draft(tuple(text.ids[place:end]), tuple(text.sources[place:end]))

    def _index(self, reader: int, place: int) -> None:
        n, ids = self._limits.ngram_tokens, self._texts[reader].ids
        if place >= n:
            self._followed[reader].setdefault(tuple(ids[place - n : place]), []).append(place)
