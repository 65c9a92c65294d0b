"""The runner: in which order, what is made again, how many side by side, and when it gives up."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from abruzzi.data.items import Item
from abruzzi.errors import AbruzziError, AccessError, DataError, ModelError, RecordError
from abruzzi.evaluation.runner import MAX_FAILURES, Make, Tally, missing_samples, run_samples
from abruzzi.evaluation.samples import Sample, sample_store
from tests.evaluation.making import fail_sample, make_item, make_sample
from tests.models.virtual_time import run_virtual

ITEMS = [make_item(name) for name in ("a", "b", "c")]

Keys = list[tuple[str, int]]


async def make_right(item: Item, repeat: int) -> Sample:
    return make_sample(item.id, repeat, 1.0)


async def make_failed(item: Item, repeat: int) -> Sample:
    return fail_sample(item.id, repeat)


def run(
    folder: Path, runs: int, make: Make, *, parallel: int = 1, told: Callable[[Sample], None] | None = None
) -> None:
    """Make what is missing on virtual time."""

    async def main() -> None:
        with sample_store(folder) as store:
            missing = missing_samples(ITEMS, runs, store)
            await run_samples(missing, make, store, parallel=parallel, on_sample=told or (lambda _: None))

    run_virtual(main)


def stored(folder: Path) -> Keys:
    return [sample.key for sample in sample_store(folder)]


def test_all_items_come_once_before_any_comes_again(tmp_path: Path) -> None:
    run(tmp_path, 2, make_right)
    assert stored(tmp_path) == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1), ("c", 1)]


def test_only_what_is_missing_is_made_and_what_failed_is_made_again(tmp_path: Path) -> None:
    with sample_store(tmp_path) as store:
        for sample in (make_sample("b", 0, 1.0), fail_sample("a", 0), make_sample("a", 1), fail_sample("c", 1)):
            store.add(sample)
    made: Keys = []

    async def make(item: Item, repeat: int) -> Sample:
        made.append((item.id, repeat))
        return await make_right(item, repeat)

    run(tmp_path, 2, make)
    assert made == [("a", 0), ("c", 0), ("b", 1), ("c", 1)]
    samples = {sample.key: sample.score for sample in sample_store(tmp_path)}
    assert samples == {(item, repeat): float((item, repeat) != ("a", 1)) for item in "abc" for repeat in (0, 1)}

    made.clear()
    run(tmp_path, 2, make)
    assert made == []


def test_more_runs_go_on_from_fewer(tmp_path: Path) -> None:
    run(tmp_path, 1, make_right)
    run(tmp_path, 3, make_right)
    assert stored(tmp_path) == [(item, repeat) for repeat in range(3) for item in "abc"]


def test_each_sample_is_stored_before_anybody_is_told(tmp_path: Path) -> None:
    lines: list[int] = []

    def told(sample: Sample) -> None:
        del sample
        lines.append((tmp_path / "samples.jsonl").read_bytes().count(b"\n"))

    run(tmp_path, 2, make_right, told=told)
    assert lines == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("parallel", [1, 2, 4, 100])
def test_samples_side_by_side_are_never_more_than_asked_for(tmp_path: Path, parallel: int) -> None:
    under_way = most = 0

    async def make(item: Item, repeat: int) -> Sample:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.sleep(1 + len(item.id) + repeat % 3)
        under_way -= 1
        return await make_right(item, repeat)

    run(tmp_path, 4, make, parallel=parallel)
    assert most == min(parallel, 12)
    assert len(stored(tmp_path)) == 12


def test_a_failed_sample_is_stored_and_the_rest_goes_on(tmp_path: Path) -> None:
    async def make(item: Item, repeat: int) -> Sample:
        return await (make_failed if item.id == "b" else make_right)(item, repeat)

    run(tmp_path, 4, make)
    outcomes = [sample.outcome.value for sample in sample_store(tmp_path)]
    assert outcomes == ["correct", "failed", "correct"] * 4


def test_ten_failures_in_a_row_stop_the_run_and_keep_what_is_stored(tmp_path: Path) -> None:
    async def make(item: Item, repeat: int) -> Sample:
        return await (make_right if repeat == 0 else make_failed)(item, repeat)

    with pytest.raises(ModelError, match="10 samples failed in a row, the last one because: the endpoint is gone"):
        run(tmp_path, 9, make)
    outcomes = [sample.outcome.value for sample in sample_store(tmp_path)]
    assert outcomes == ["correct"] * 3 + ["failed"] * MAX_FAILURES


def test_failures_are_counted_over_all_that_run_side_by_side(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="10 samples failed in a row"):
        run(tmp_path, 9, make_failed, parallel=4)
    assert MAX_FAILURES <= len(stored(tmp_path)) < MAX_FAILURES + 4  # the others may end what they are at


def test_a_sample_in_between_that_did_not_fail_begins_the_count_anew() -> None:
    tally = Tally(max_failures=3)
    for sample in (fail_sample("a", 0), fail_sample("b", 0), make_sample("c", 0), fail_sample("a", 1)):
        tally.note(sample)
    tally.note(fail_sample("b", 1))
    with pytest.raises(ModelError, match="3 samples failed"):
        tally.note(fail_sample("c", 1))


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_refused_key_ends_the_run_as_itself(tmp_path: Path, parallel: int) -> None:
    async def make(item: Item, repeat: int) -> Sample:
        if (item.id, repeat) == ("b", 1):
            raise AccessError("wrong key", 401)
        await anyio.sleep(1)
        return await make_right(item, repeat)

    with pytest.raises(AccessError, match="wrong key"):
        run(tmp_path, 2, make, parallel=parallel)
    assert stored(tmp_path)[:3] == [("a", 0), ("b", 0), ("c", 0)]


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("error", [DataError("the question is empty"), RecordError("the disk is full")], ids=repr)
def test_what_is_no_endpoints_fault_ends_the_run_as_itself_too(
    tmp_path: Path, error: AbruzziError, parallel: int
) -> None:
    async def make(item: Item, repeat: int) -> Sample:
        raise error

    with pytest.raises(type(error), match=str(error)):
        run(tmp_path, 2, make, parallel=parallel)
