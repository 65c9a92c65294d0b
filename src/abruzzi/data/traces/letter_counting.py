"""Traces for counting a letter in a few words: how often is there an n in "hundred thousand"?"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, cast

from abruzzi.data.items import Item
from abruzzi.data.traces.family import Family, Style, get_metadata
from abruzzi.data.traces.steps import begin, write_running_sum
from abruzzi.errors import DataError


class Count(NamedTuple):
    """One item."""

    letter: str
    """Lower case."""
    words: tuple[str, ...]
    """Lower case."""

    @property
    def counts(self) -> list[int]:
        """How often it stands in each word."""
        return [word.count(self.letter) for word in self.words]


def read(item: Item) -> Count:
    """Read an item.

    Raises:
        DataError: it holds no letter or no words.
    """
    letter: object = get_metadata(item, "target_letter")
    span: object = get_metadata(item, "span")
    words = cast("Sequence[object]", span) if isinstance(span, list | tuple) else ()
    if not isinstance(letter, str) or len(letter) != 1 or not words:
        raise DataError(f"the item {item.id!r} asks for no letter in words: {letter!r} in {span!r}")
    return Count(letter.lower(), tuple(str(word).lower() for word in words))


def answer(task: Count) -> str:
    """Count."""
    return str(sum(task.counts))


def think_direct(task: Count, rng: Random) -> str:
    """State the number at once."""
    total = answer(task)
    return rng.choice((f'"{task.letter}" comes {total} times.', f"I see {total}.", f"Count: {total}"))


def think_words(task: Count, rng: Random) -> str:
    """Say the number for each word without spelling it, then add."""
    said = [f"{word} {count}" for word, count in zip(task.words, task.counts, strict=True)]
    opener = begin(rng, "Per word: ", f'"{task.letter}" per word: ', "Words: ")
    return _total([opener + ", ".join(said)], task.counts, rng)


def think_spell(task: Count, rng: Random) -> str:
    """Spell each word, say its number, then add."""
    spelled = [f"{_spell(word)}: {count}" for word, count in zip(task.words, task.counts, strict=True)]
    separator = rng.choice(("\n", "; "))
    return _total([begin(rng, "Spell: ", "Letters: ", "") + separator.join(spelled)], task.counts, rng)


def think_mark(task: Count, rng: Random) -> str:
    """Spell everything and number each find as it comes."""
    found, spelled = 0, list[str]()
    for word in task.words:
        letters = list[str]()
        for letter in word:
            found += letter == task.letter
            letters.append(f"{letter}({found})" if letter == task.letter else letter)
        spelled.append(" ".join(letters))
    opener = begin(rng, "Mark: ", f'Number each "{task.letter}": ', "Count along: ")
    return opener + rng.choice(("\n", "; ", ", ")).join([*spelled, f"Total: {found}"])


def think_hits(task: Count, rng: Random) -> str:
    """Pick the words that hold the letter, spell these only, then add."""
    hits = [(word, count) for word, count in zip(task.words, task.counts, strict=True) if count]
    opener = begin(rng, f'With "{task.letter}": ', "Words with it: ", "Found in: ")
    names = opener + (", ".join(word for word, _ in hits) or "none")
    spelled = [f"{_spell(word)}: {count}" for word, count in hits]
    return _total([names, *spelled], [count for _, count in hits], rng)


def _spell(word: str) -> str:
    return " ".join(word)


def _total(parts: list[str], counts: list[int], rng: Random) -> str:
    """End with the sum of the counts that are not nought, two at a time, or with the only one."""
    sums = write_running_sum([count for count in counts if count])
    return rng.choice(("\n", "; ")).join([*parts, ", ".join(sums) or f"Total: {sum(counts)}"])


FAMILY = Family(
    task="letter_counting",
    read=read,
    answer=answer,
    styles={
        "direct": Style(
            think_direct,
            (
                "Say at once how often the letter occurs.",
                "Look at the text as a whole and state the count.",
                "Give the number directly, without spelling.",
            ),
        ),
        "words": Style(
            think_words,
            (
                "Go word by word and say how often the letter is in each, without spelling. Then add.",
                "Write each word with its count of the letter. Sum the counts.",
                "Count per word, then add the numbers up.",
            ),
        ),
        "spell": Style(
            think_spell,
            (
                "Spell each word letter by letter and write its count. Then add the counts.",
                "Write every word with spaces between its letters, count in each, and sum.",
                "Spell word after word. Note how often the letter comes in each and add up.",
            ),
        ),
        "mark": Style(
            think_mark,
            (
                "Spell the whole text and number the letter each time it comes. The last number is the count.",
                "Write all letters one by one and count along: put a number behind each find.",
                "Spell everything, marking each find with its running number.",
            ),
        ),
        "hits": Style(
            think_hits,
            (
                "First pick the words that hold the letter. Spell only these, count in each and add.",
                "Find the words with the letter in them, spell those and sum their counts.",
                "Leave out words without the letter. Spell the rest and add up their counts.",
            ),
        ),
    },
)
"""How often a letter occurs in a few words."""
