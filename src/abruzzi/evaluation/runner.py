"""Runs an evaluation on this machine: every sample that is missing, so many side by side, each stored as it ends.

The order is all items once, then all of them again, so that an evaluation cut short has every item nearly equally
often. A sample that fails is stored as failed and the rest goes on; when many fail in a row, something is wrong that
more samples would not mend, and the run stops with what it has.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

import anyio

from abruzzi.data.items import Item
from abruzzi.errors import AbruzziError, ModelError
from abruzzi.evaluation.samples import Sample, SampleOutcome
from abruzzi.evaluation.store import Store

MAX_FAILURES = 10
"""Failed samples in a row that stop the run."""

J = TypeVar("J")
Make = Callable[[Item, int], Awaitable[Sample]]
"""Makes the sample of an item and a repeat."""


class Tally:
    """Counts failures in a row, over all that run side by side."""

    def __init__(self, max_failures: int = MAX_FAILURES) -> None:
        self._max = max_failures
        self._in_a_row = 0

    def note(self, sample: Sample) -> None:
        """Take the next sample in.

        Raises:
            ModelError: too many have failed in a row.
        """
        self._in_a_row = self._in_a_row + 1 if sample.outcome is SampleOutcome.FAILED else 0
        if self._in_a_row >= self._max:
            raise ModelError(
                f"{self._in_a_row} samples failed in a row, the last one because: {sample.reason}. What was finished "
                "is stored; the same command goes on from there"
            )


def missing_samples(items: Sequence[Item], runs: int, store: Store[Sample]) -> Iterator[tuple[Item, int]]:
    """Give what has no sample yet, or only a failed one, repeat by repeat."""
    for repeat in range(runs):
        for item in items:
            if not store.is_done((item.id, repeat)):
                yield item, repeat


async def run_samples(
    missing: Iterator[tuple[Item, int]],
    make: Make,
    store: Store[Sample],
    *,
    parallel: int,
    on_sample: Callable[[Sample], None],
) -> None:
    """Make all missing samples.

    Args:
        missing: what to make.
        make: makes one.
        store: keeps each as it ends.
        parallel: how many are under way at a time.
        on_sample: told of each that was stored.

    Raises:
        ModelError: an endpoint refuses the key, or too many samples failed in a row.
        DataError: a question cannot be asked, or no verifier takes an item.
        RecordError: a sample cannot be stored.
    """
    tally = Tally()

    async def finish(key: tuple[Item, int]) -> None:
        sample = await make(*key)
        store.add(sample)
        on_sample(sample)
        tally.note(sample)

    await work_off(missing, finish, parallel=parallel)


async def work_off(jobs: Iterator[J], do: Callable[[J], Awaitable[None]], *, parallel: int) -> None:
    """Do jobs, so many side by side; the first that fails ends the others.

    Raises:
        AbruzziError: what that one raised.
    """

    async def work() -> None:
        for job in jobs:
            await do(job)

    try:
        async with anyio.create_task_group() as group:
            for _ in range(parallel):
                group.start_soon(work)
    except* AbruzziError as failures:
        raise _first_leaf(failures) from failures


def _first_leaf(group: BaseExceptionGroup[Exception]) -> BaseException:
    """Find the first error of a group of groups: the siblings that it cancelled say nothing more."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
