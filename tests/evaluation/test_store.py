"""The store: each thing once, on disk before it counts, whole after any death."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import RecordError
from abruzzi.evaluation.store import Store


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    number: int
    parts: tuple[int, ...] = ()


def store(path: Path) -> Store[Thing]:
    return Store(path, Thing, key=lambda thing: thing.name, is_provisional=lambda thing: thing.number < 0)


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    with store(tmp_path / "deep" / "things.jsonl") as things:
        things.add(Thing("a", 1, (2, 3)))
        assert things.get("a") == Thing("a", 1, (2, 3))
    again = store(tmp_path / "deep" / "things.jsonl")
    assert list(again) == [Thing("a", 1, (2, 3))]
    assert again.is_done("a")
    assert not again.is_done("b")


def test_a_thing_is_kept_once(tmp_path: Path) -> None:
    with store(tmp_path / "things.jsonl") as things:
        things.add(Thing("a", 1))
        with pytest.raises(RecordError, match="'a' already"):
            things.add(Thing("a", 2))
        assert len(things) == 1


def test_a_provisional_thing_gives_way_and_is_counted_once(tmp_path: Path) -> None:
    with store(tmp_path / "things.jsonl") as things:
        things.add(Thing("a", -1))
        assert not things.is_done("a")
        things.add(Thing("a", 2))
    again = store(tmp_path / "things.jsonl")
    assert list(again) == [Thing("a", 2)]


def test_two_lines_of_one_thing_are_an_error_and_not_two_things(tmp_path: Path) -> None:
    path = tmp_path / "things.jsonl"
    path.write_text('{"name": "a", "number": 1}\n{"name": "a", "number": 1}\n')
    with pytest.raises(RecordError, match="twice"):
        store(path)


def test_a_row_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "things.jsonl"
    path.write_text('{"name": "a", "number": 1}\n{"name": "b"}\n{"name": "c", "number": 1}\n')
    with pytest.raises(RecordError, match="line 2, cannot be read: number"):
        store(path)


@given(cut=st.integers(min_value=0))
def test_a_file_cut_anywhere_loses_at_most_what_was_not_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "things.jsonl"
    with store(path) as things:
        for number in range(3):
            things.add(Thing(f"t{number}", number))
    content = path.read_bytes()
    path.write_bytes(content[: cut % (len(content) + 1)])
    whole = path.read_bytes().count(b"\n")
    with store(path) as things:
        assert [thing.number for thing in things] == list(range(whole))
        for number in range(3):
            if not things.is_done(f"t{number}"):
                things.add(Thing(f"t{number}", number))
    assert [thing.number for thing in store(path)] == [0, 1, 2]
