"""Finds a question that was told again: the same sentences in another order, a few words changed, a formula re-spelt.

Two texts are near when the Jaccard similarity of their sets of word n-grams is high and every number and operator of
the benchmark's is shared (see ``grams``); grams stay within sentences, so the order of sentences does not count.

MinHash with locality-sensitive hashing (Broder 1997; Indyk and Motwani 1998) names the candidates, at a cost per row
that does not grow with the benchmark; the similarity itself is then computed exactly, so that a hash never decides. A
row is hashed only if enough of its grams are known to the benchmark, without which it cannot be near to anything. Why
datasketch: docs/decisions/0008-minhash.md.

What this does not find: a question in much longer text (``contained`` does), and one told in other words throughout.
"""

import zlib
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from abruzzi.config import missing_package
from abruzzi.data.contamination.grams import MIN_GRAMS, Gram, Limits, agree_on_fixed_words, collect_grams, find_frame
from abruzzi.data.contamination.normalise import Sentences, join_sentences

NUM_PERMUTATIONS = 128
BANDS, BAND_ROWS = 42, 3
"""A pair of similarity s becomes a candidate with probability 1 − (1 − s³)⁴²: 0.996 at 0.5, 0.04 at 0.1."""


class NearIndex:
    """The MinHash signatures of a benchmark.

    Args:
        texts: each question once.
        groups: of each benchmark, the numbers of its questions.
        n: words of a gram.
        limits: Jaccard similarity from which texts are near; a question of too few words is left out.

    Raises:
        ConfigError: datasketch is missing.
    """

    def __init__(
        self,
        texts: Sequence[Sentences],
        groups: Sequence[Collection[int]],
        *,
        n: int,
        limits: Limits,
    ) -> None:
        if find_spec("datasketch") is None:
            raise missing_package("finding near-duplicates", "datasketch")
        import datasketch

        library: Any = datasketch
        self._texts = texts
        self._n = n
        self._limits = [limits.of(len(join_sentences(text))) for text in texts]
        self._lowest = limits.lowest
        grams = [collect_grams(text, n) for text in texts]
        self._frame = find_frame(grams, groups)
        self._grams = [one - self._frame for one in grams]
        self._empty: Any = library.MinHash(num_perm=NUM_PERMUTATIONS, hashfunc=zlib.crc32)
        self._lsh: Any = library.MinHashLSH(num_perm=NUM_PERMUTATIONS, params=(BANDS, BAND_ROWS))
        self._known: set[Gram] = set()
        self._max_grams = 0.0
        for number, telling in enumerate(self._grams):
            if self._limits[number] <= 1 and len(telling) >= MIN_GRAMS:
                self._lsh.insert(number, self._sign(telling))
                self._known |= telling
                self._max_grams = max(self._max_grams, len(telling) / self._lowest)

    def find(self, row: Sentences) -> Iterator[tuple[int, float]]:
        """Yield the numbers of the texts that the row is near to, each with the similarity."""
        if sum(map(len, row)) - self._n * len(row) > 2 * self._max_grams:
            return  # too long to be near to anything, unless it says everything twice; spares long texts the work
        grams = collect_grams(row, self._n) - self._frame
        known = grams & self._known
        if not known or len(known) < self._lowest * len(grams):
            return
        candidates: list[int] = self._lsh.query(self._sign(grams))
        for number in candidates:
            shared = known & self._grams[number]
            similarity = len(shared) / (len(grams) + len(self._grams[number]) - len(shared))
            if similarity >= self._limit(number, row) and agree_on_fixed_words(
                self._texts[number], self._grams[number], row, self._n
            ):
                yield number, similarity

    def _limit(self, number: int, row: Sentences) -> float:
        """Return the limit for a question; the same words in another order need no more than a long one."""
        if sorted(join_sentences(self._texts[number])) == sorted(join_sentences(row)):
            return self._lowest
        return self._limits[number]

    def _sign(self, grams: set[Gram]) -> Any:
        signature = self._empty.copy()
        signature.update_batch([" ".join(gram).encode() for gram in grams])
        return signature
