"""Proves that a benchmark's own answers pass its own verifier, with no model in the loop.

Each item's ground truth is put into a reply as a model would write it, and that reply is verified like any other. What
does not pass is a fault of the item, of its conversion or of the verifier, and would count against every system; it is
listed with the reason. An item whose answer is not published (hidden solutions) proves nothing either way and is
counted apart. Whether a wrong answer fails is not checked here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.nouns import Outcome
from abruzzi.verifiers import Row, check_many
from abruzzi.verifiers.router import PROCEDURAL, route


@dataclass(frozen=True, slots=True)
class GoldFault:
    """An item whose own answer does not pass, or that has none."""

    item: str
    """The item's id."""
    outcome: Outcome | None
    """What the verifier made of the item's own answer; None where there is none to verify."""
    reason: str
    """Why, in a sentence; ``no gold: …`` where there is none."""


@dataclass(frozen=True, slots=True)
class GoldReport:
    """What came of checking a benchmark's own answers."""

    num_items: int
    num_passed: int
    faults: tuple[GoldFault, ...]
    """In the items' order."""
    missing: tuple[GoldFault, ...]
    """Items without an answer of their own."""
    seconds: float
    """Of the verifications, added up."""

    @property
    def num_checked(self) -> int:
        """How many items have an answer of their own."""
        return self.num_items - len(self.missing)

    @property
    def is_sound(self) -> bool:
        """True when every answer there is passes."""
        return not self.faults

    def __str__(self) -> str:
        without = f", {len(self.missing)} without" if self.missing else ""
        return f"{self.num_passed} of {self.num_checked} gold answers pass{without}"


def check_gold(
    items: Sequence[Item],
    *,
    workers: int | None = None,
    timeout_s: float | None = None,
    progress: Callable[[int], None] | None = None,
    unsafe: bool = False,
) -> GoldReport:
    """Verify each item's own answer.

    Args:
        items: of one or several benchmarks.
        workers: processes at a time; None takes one per core.
        timeout_s: wall limit per item; None takes each domain's own.
        progress: told how many of the items that have an answer are done, from another thread.
        unsafe: run published solutions even where no sandbox can be had.

    Raises:
        ConfigError: no workers, or a limit that is not positive.
    """
    missing = {item.id: reason for item in items if (reason := find_missing_gold(item))}
    with_gold = [item for item in items if item.id not in missing]
    rows = (_to_row(item) for item in with_gold)
    verdicts = list(check_many(rows, workers=workers, timeout_s=timeout_s, progress=progress, unsafe=unsafe))
    faults = tuple(
        GoldFault(item.id, verdict.outcome, verdict.reason)
        for item, verdict in zip(with_gold, verdicts, strict=True)
        if verdict.outcome is not Outcome.CORRECT
    )
    return GoldReport(
        num_items=len(items),
        num_passed=len(with_gold) - len(faults),
        faults=faults,
        missing=tuple(GoldFault(key, None, reason) for key, reason in missing.items()),
        seconds=sum(verdict.seconds for verdict in verdicts),
    )


def find_missing_gold(item: Item) -> str | None:
    """Say why an item has no answer of its own; None when it has one."""
    try:
        domain = route(item.data_source)
        if item.ground_truth is None and domain is not PROCEDURAL:
            return "no gold: the ground truth is null"
        domain.load_write_gold()(_to_row(item))
    except DataError as error:
        return f"no gold: {error}"
    return None


def _to_row(item: Item) -> Row:
    return Row(item.id, item.data_source, "", item.ground_truth, item.extra)
