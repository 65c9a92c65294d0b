"""Keeps the prompts that are neither too easy nor too hard for a model, by measured pass rates.

A group of equal rewards teaches nothing, so prompts that always or never pass cost rollouts and give none. Rates are
kept on disk, a line an item, and survive a killed process: what was measured is not measured again. Here is the store
and the decision; the measuring needs a model and is elsewhere.

Source: strict thresholds as in AM-Thinking-v1 (arXiv 2505.08311) and Guru (arXiv 2506.14965, 16 answers a prompt).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from abruzzi.data.items import Item
from abruzzi.data.splits import hash_question
from abruzzi.errors import ConfigError, DataError, RecordError
from abruzzi.records import LineWriter, read_lines

Key = tuple[str, str]
"""An item's id and the hash of its question: an id that asks something else by now is another item."""


@dataclass(frozen=True, slots=True)
class PassRate:
    """How often one sampler got one item right."""

    num_correct: int
    num_judged: int
    """Samples with a verdict of correct, wrong or unparsed."""
    num_unjudged: int = 0
    """Samples whose verification timed out or broke; they say nothing about the item."""

    @property
    def rate(self) -> float | None:
        """Share of the judged samples that are correct; None when none was judged."""
        return self.num_correct / self.num_judged if self.num_judged else None


@dataclass(frozen=True, slots=True)
class Kept:
    """Items of the right difficulty, and how many were not."""

    items: tuple[Item, ...]
    num_below: int
    """Passed too rarely."""
    num_above: int
    """Passed too often."""
    num_unmeasured: int
    """No rate is known, or no sample of theirs was judged."""


def get_key(item: Item) -> Key:
    """Get what an item's rate is filed under."""
    return item.id, hash_question(item.question)


class PassRates:
    """Pass rates of one sampler, kept in a file that other samplers may share; use it as a context manager.

    Args:
        path: JSON Lines; made when it is not there.
        sampler: everything that the rates depend on besides the item: weights, prompt, temperature, length.

    Raises:
        RecordError: the file cannot be opened, written or read, or another process is writing to it.
    """

    def __init__(self, path: Path, sampler: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(f"cannot write to {path}: {error.strerror}") from error
        self._sampler = sampler
        self._writer = LineWriter(path)
        try:
            self._rates = read_pass_rates(path, sampler)
        except RecordError:
            self._writer.close()
            raise

    @property
    def rates(self) -> Mapping[Key, PassRate]:
        """All that is known by now."""
        return MappingProxyType(self._rates)

    def get(self, item: Item) -> PassRate | None:
        """Get an item's rate; None when it was not measured."""
        return self._rates.get(get_key(item))

    def add(self, item: Item, rate: PassRate) -> None:
        """Write down an item's rate; one that is known already is replaced.

        Raises:
            DataError: the counts make no sense.
            RecordError: it cannot be written.
        """
        if not 0 <= rate.num_correct <= rate.num_judged or rate.num_unjudged < 0:
            raise DataError(f"the pass rate of {item.id!r} makes no sense: {rate}")
        key = get_key(item)
        self._writer.write(
            {
                "id": key[0],
                "question": key[1],
                "sampler": self._sampler,
                "num_correct": rate.num_correct,
                "num_judged": rate.num_judged,
                "num_unjudged": rate.num_unjudged,
            }
        )
        self._rates[key] = rate

    def close(self) -> None:
        """Let go of the file."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_pass_rates(path: Path, sampler: str) -> dict[Key, PassRate]:
    """Read the rates of one sampler; the last line of an item counts.

    Raises:
        RecordError: the file cannot be read or a line is unusable.
    """
    rates: dict[Key, PassRate] = {}
    for number, row in enumerate(read_lines(path), start=1):
        try:
            if row["sampler"] == sampler:
                counts = (int(row["num_correct"]), int(row["num_judged"]), int(row["num_unjudged"]))
                rates[str(row["id"]), str(row["question"])] = PassRate(*counts)
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{path}, line {number} is no pass rate: {str(row)[:80]!r}") from error
    return rates


def get_published_rates(items: Iterable[Item], column: str, num_samples: int = 16) -> dict[Key, PassRate]:
    """Get the rates that a data set was published with, e.g. Guru's ``qwen2.5_7b_pass_rate``.

    Args:
        items: those without the column are left out.
        column: a key of their ``extra`` that holds a share in [0, 1].
        num_samples: answers that the share is of.

    Raises:
        DataError: a share is out of range.
    """
    rates: dict[Key, PassRate] = {}
    for item in items:
        share: Any = item.extra.get(column)
        if share is None:
            continue
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise DataError(f"{column!r} of the item {item.id!r} is no share in [0, 1]: {share!r}")
        rates[get_key(item)] = PassRate(round(share * num_samples), num_samples)
    return rates


def keep_between(items: Iterable[Item], rates: Mapping[Key, PassRate], low: float, high: float) -> Kept:
    """Keep items whose rate lies strictly between two thresholds.

    Args:
        items: their order is kept.
        rates: by ``get_key``.
        low: a rate of this or less is below; a negative threshold leaves that side open.
        high: a rate of this or more is above; a threshold over 1 leaves that side open.

    Raises:
        ConfigError: ``low`` is not less than ``high``.
    """
    if not low < high:
        raise ConfigError(f"the lower threshold must be less than the upper one, got {low!r} and {high!r}")
    kept, num_below, num_above, num_unmeasured = list[Item](), 0, 0, 0
    for item in items:
        known = rates.get(get_key(item))
        rate = None if known is None else known.rate
        if rate is None:
            num_unmeasured += 1
        elif rate <= low:
            num_below += 1
        elif rate >= high:
            num_above += 1
        else:
            kept.append(item)
    return Kept(tuple(kept), num_below, num_above, num_unmeasured)
