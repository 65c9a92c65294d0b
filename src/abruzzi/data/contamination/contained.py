"""Finds a question inside a longer text: most of its word n-grams stand in one training row.

The share of an item's n-grams found in a document is the usual measure of contamination (GPT-3, arXiv 2005.14165,
appendix C, with 13-grams and whole documents thrown away). Questions are shorter than web pages, so n is smaller here,
and two rules take the place of length: every number and operator must be shared (see ``grams``), and a question of few
words must stand there as whole sentences, so that "What is 2 + 3?" is not found in "What is 2 + 3 * 4?".

What this does not find: a question taken apart over a row's fields or turns, and the part of a question that is less
than the share asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet

from abruzzi.data.contamination.grams import MIN_GRAMS, Gram, Limits, agree_on_fixed_words, collect_grams, find_frame
from abruzzi.data.contamination.normalise import Sentences, is_fixed, join_sentences

MIN_RUN_WORDS, MIN_FIXED_RUN_WORDS = 6, 3
"""A question of fewer words is only found by itself, never in a longer text; fewer do if a number is among them."""


class ContainedIndex:
    """The n-grams of a benchmark.

    Args:
        texts: each question once.
        groups: of each benchmark, the numbers of its questions.
        n: words of a gram.
        limits: share of a question's n-grams that a row must hold; a question of too few words must stand there as
            whole sentences.
    """

    def __init__(
        self,
        texts: Sequence[Sentences],
        groups: Sequence[Collection[int]],
        *,
        n: int,
        limits: Limits,
    ) -> None:
        self._texts = texts
        self._n = n
        self._limits = [limits.of(len(join_sentences(text))) for text in texts]
        grams = [collect_grams(text, n) for text in texts]
        frame = find_frame(grams, groups)
        self._grams = [one - frame for one in grams]
        self._holders: defaultdict[Gram, list[int]] = defaultdict(list)
        self._runs: defaultdict[Gram, list[int]] = defaultdict(list)
        for number, telling in enumerate(self._grams):
            if self._limits[number] <= 1 and len(telling) >= MIN_GRAMS:
                for gram in telling:
                    self._holders[gram].append(number)
            else:
                self._add_run(number, frame)
        self._max_run = max(map(len, self._runs), default=0)

    def _add_run(self, number: int, frame: AbstractSet[Gram]) -> None:
        """Remember a short question without the sentences of the frame, which a copy need not have."""
        telling = (sentence for sentence in self._texts[number] if not collect_grams((sentence,), self._n) <= frame)
        words = join_sentences(tuple(telling))
        if len(words) >= (MIN_FIXED_RUN_WORDS if any(map(is_fixed, words)) else MIN_RUN_WORDS):
            self._runs[words].append(number)

    def find(self, row: Sentences) -> Iterator[tuple[int, float]]:
        """Yield the numbers of the texts that the row holds, each with the share of its n-grams found."""
        if self._runs:
            yield from self._find_runs(row)
        found = self._holders.keys() & collect_grams(row, self._n)
        if not found:
            return
        counts = Counter(number for gram in found for number in self._holders[gram])
        for number, count in counts.items():
            share = count / len(self._grams[number])
            if share >= self._limits[number] and self._agrees(number, row):
                yield number, share

    def _agrees(self, number: int, row: Sentences) -> bool:
        return agree_on_fixed_words(self._texts[number], self._grams[number], row, self._n)

    def _find_runs(self, row: Sentences) -> Iterator[tuple[int, float]]:
        for start in range(len(row)):
            words: Gram = ()
            for sentence in row[start:]:
                words += sentence
                if len(words) > self._max_run:
                    break
                yield from ((number, 1.0) for number in self._runs.get(words, ()))
