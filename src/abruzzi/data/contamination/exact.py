"""Finds texts that are the same, word for word, after normalisation."""

from collections.abc import Iterator, Sequence

from abruzzi.data.contamination.normalise import Sentences, join_sentences


class ExactIndex:
    """The whole texts of a benchmark.

    Args:
        texts: each question once.
    """

    def __init__(self, texts: Sequence[Sentences]) -> None:
        self._numbers = {join_sentences(text): number for number, text in enumerate(texts)}

    def find(self, row: Sentences) -> Iterator[tuple[int, float]]:
        """Yield the number of the text that this is, with a score of 1."""
        number = self._numbers.get(join_sentences(row))
        if number is not None:
            yield number, 1.0
