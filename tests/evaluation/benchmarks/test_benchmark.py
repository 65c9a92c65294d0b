from pathlib import Path

import pytest

from abruzzi.data.hub import DataFiles, Record
from abruzzi.data.items import Item
from abruzzi.errors import DataError
from abruzzi.evaluation.benchmarks.benchmark import UNPINNED_NOTE, Benchmark, SamplingDefaults, file_benchmark
from tests.evaluation.benchmarks.layouts import write_lines


def read_item(record: Record) -> Item | None:
    return None if record.has("skip") else Item(record.text("id"), record.text("q"), record.get("a"), "math__x")


def make(revision: str | None) -> Benchmark:
    files = DataFiles("org/set", ("test.jsonl",), revision)
    return file_benchmark(
        files, read_item, name="x", title="X", licence="MIT", num_items=2, scorer="maths", notes=("A note.",)
    )


def test_source_and_revision_are_those_of_the_files() -> None:
    benchmark = make("f" * 40)
    assert (benchmark.source, benchmark.revision) == ("hf:org/set", "f" * 40)
    assert benchmark.notes == ("A note.",)


def test_an_unpinned_source_says_so() -> None:
    benchmark = make(None)
    assert benchmark.revision == "unpinned"
    assert benchmark.notes == ("A note.", UNPINNED_NOTE)


def test_the_default_sampling_is_that_of_the_paper() -> None:
    assert make(None).sampling == SamplingDefaults(16, 1.0, 0.95, 65_536, ("</answer>",))


def test_rows_that_do_not_belong_are_left_out(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", {"id": "1", "q": "1+1?", "a": "2"}, {"id": "2", "skip": 1})
    assert [item.id for item in make(None).load(path)] == ["1"]


def test_a_file_in_which_nothing_belongs_is_the_wrong_file(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", {"id": "2", "skip": 1})
    with pytest.raises(DataError, match=r"none of the 1 rows of .*x.jsonl belongs to this benchmark"):
        make(None).load(path)


def test_an_id_stands_once(tmp_path: Path) -> None:
    row = {"id": "1", "q": "1+1?", "a": "2"}
    with pytest.raises(DataError, match=r"the id '1' occurs more than once"):
        make(None).load(write_lines(tmp_path / "x.jsonl", row, row))


def test_a_missing_column_is_named_with_its_row(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", {"id": "1", "q": "1+1?", "a": "2"}, {"id": "2", "a": "3"})
    with pytest.raises(DataError, match=r"x.jsonl, row 2 holds no 'q'; its columns are id, a"):
        make(None).load(path)
