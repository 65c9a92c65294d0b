"""Splits that cannot leak: a question decides by its own text on which side it falls.

Ids, positions, files and order play no part, so the same question falls on the same side wherever it comes from, and
all turns of one conversation fall together. Questions are the same when they differ only in letter case, blank space
or the compatible forms of a character (NFKC). Paraphrases are not found here; see ``contamination``.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple, TypeVar

from abruzzi.data.examples import Example
from abruzzi.data.items import Item
from abruzzi.errors import ConfigError, DataError

Side = Literal["train", "validation", "test"]
AskingT = TypeVar("AskingT", Item, Example)

_TAGGED = re.compile(r"<question>(.*?)</question>", re.DOTALL)


class HeldOut(NamedTuple):
    """Items, some of them set aside."""

    train: tuple[Item, ...]
    """In the order given; none asks what a held-out one asks."""
    held_out: tuple[Item, ...]
    """In the order of their hashes, no question twice."""


def normalise_question(question: str) -> str:
    """Write a question so that copies of it are equal."""
    return " ".join(unicodedata.normalize("NFKC", question).casefold().split())


def hash_question(question: str, seed: int | str = "") -> str:
    """Return the sha256 (hex) of a normalised question; another seed gives an unrelated hash."""
    return sha256(f"{seed}\x00{normalise_question(question)}".encode("utf-8", "surrogatepass")).hexdigest()


def get_question(asking: Item | Example) -> str:
    """Get what is asked: of an example, what its first user turn holds between ``<question>`` tags, or the whole turn.

    The tags are how the solver is asked, so an example with a plan counts as the same question as one without.
    """
    if isinstance(asking, Item):
        return asking.question
    turn = next((message.content for message in asking.messages if message.role == "user"), "")
    tagged = _TAGGED.search(turn)
    return tagged[1] if tagged else turn


def choose_side(question: str, *, validation: float, test: float, seed: int) -> Side:
    """Choose the side of a question.

    Args:
        question: normalised here.
        validation: share of all questions.
        test: share of all questions.
        seed: another one gives another split.

    Raises:
        ConfigError: a share is negative, or both leave nothing to train on.
    """
    if min(validation, test) < 0 or not validation + test < 1:
        raise ConfigError(f"validation and test must be shares that sum to less than 1, got {validation} and {test}")
    place = int(hash_question(question, seed)[:16], 16) / 16**16
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"


def split_items(items: Iterable[Item], *, held_out: int, seed: int) -> HeldOut:
    """Set items aside that no training step may see; the same questions and seed give the same ones in any order.

    Args:
        items: may ask the same question more than once.
        held_out: how many, each with a question of its own.
        seed: another one sets other items aside.

    Raises:
        ConfigError: ``held_out`` is negative.
        DataError: there are too few different questions to hold these out and have one left to train on.
    """
    if held_out < 0:
        raise ConfigError(f"held_out must be a number from 0 up, got {held_out!r}")
    given = list(items)
    asked: dict[str, list[Item]] = {}
    for item in given:
        asked.setdefault(hash_question(item.question, seed), []).append(item)
    if held_out and len(asked) <= held_out:
        raise DataError(
            f"{len(given)} items ask {len(asked)} different questions, too few to hold out {held_out} and train on "
            "the rest; generate more, or hold out fewer"
        )
    chosen = sorted(asked)[:held_out]
    aside = tuple(min(asked[key], key=lambda item: item.id) for key in chosen)
    return HeldOut(tuple(drop_asked(given, aside)), aside)


def drop_asked(rows: Iterable[AskingT], held_out: Sequence[Item]) -> list[AskingT]:
    """Drop what asks a held-out question; the rest keeps its order."""
    hidden = {hash_question(item.question) for item in held_out}
    return [row for row in rows if hash_question(get_question(row)) not in hidden]
