"""Word n-grams that stay within a sentence, so that the order of sentences does not change the set of them.

A sentence shorter than n is one gram, whole. Two rules keep grams from saying more than they know:

- A gram that many items of the benchmark share is its frame ("express your answer as", "there are 4 houses"), and says
  nothing of one item: ``find_frame`` finds these, and both detectors leave them out on both sides.
- Numbers and operators decide. A template with other numbers is another question, although nearly all its grams agree;
  ``agree_on_fixed_words`` asks that the grams which both share hold each number and operator of the item, as often.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import inf

from abruzzi.data.contamination.normalise import Sentences, is_figure, is_fixed

Gram = tuple[str, ...]

MAX_HOLDERS = 10
"""A gram in more of a benchmark's questions is its frame."""
MIN_GRAMS = 5
"""A question that has fewer grams outside the frame is not known by them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From which agreement on a question's grams a match counts: the more, the shorter the question.

    Among few grams one changed word is little, though it makes another question.
    """

    lowest: float
    """For questions of many words."""
    min_words: int
    """A question of fewer words is not matched by grams at all."""
    strict: float = 1.0
    """For questions of fewer than ``strict_words``."""
    strict_words: int = 25

    def of(self, num_words: int) -> float:
        """Return the limit for a question of so many words; infinite where grams do not count."""
        if num_words < self.min_words:
            return inf
        return max(self.lowest, self.strict) if num_words < self.strict_words else self.lowest


def collect_grams(sentences: Sentences, n: int) -> set[Gram]:
    """Return the n-grams of each sentence."""
    grams: set[Gram] = set()
    for words in sentences:
        if len(words) <= n:
            grams.add(words)
        else:
            grams.update(zip(*(words[start:] for start in range(n)), strict=False))
    return grams


def find_frame(grams: Sequence[AbstractSet[Gram]], groups: Sequence[Collection[int]]) -> frozenset[Gram]:
    """Return the grams that are in so many questions of a benchmark that they tell none from another.

    Args:
        grams: those of each question; no question twice.
        groups: of each benchmark, the numbers of its questions.
    """
    frame: set[Gram] = set()
    for group in groups:
        counts = Counter(gram for number in group for gram in grams[number])
        frame.update(gram for gram, count in counts.items() if count > MAX_HOLDERS)
    return frozenset(frame)


def count_fixed_words(sentences: Sentences, n: int, grams: AbstractSet[Gram]) -> Counter[str]:
    """Count the numbers, operators and figures of a text that stand in one of the given n-grams.

    Args:
        sentences: the text.
        n: as given to ``collect_grams``.
        grams: those that count.
    """
    counts: Counter[str] = Counter()
    for words in sentences:
        num_grams = max(1, len(words) - n + 1)
        is_counted = [words[start : start + n] in grams for start in range(num_grams)]
        for position, word in enumerate(words):
            if is_fixed(word) and any(is_counted[max(0, position - n + 1) : position + 1]):
                counts[word] += 1
    return counts


def agree_on_fixed_words(item: Sentences, telling: AbstractSet[Gram], row: Sentences, n: int) -> bool:
    """Tell whether every number and operator of an item stands as often in what a row shares with it.

    A figure counts only where both have one: copies of a set may leave figures out.

    Args:
        item: the benchmark's text.
        telling: its n-grams without those of the frame.
        row: the training text.
        n: as given to ``collect_grams``.
    """
    wanted = count_fixed_words(item, n, telling)
    if not any(is_figure(word) for words in row for word in words):
        wanted = Counter({word: count for word, count in wanted.items() if not is_figure(word)})
    return wanted <= count_fixed_words(row, n, telling)
