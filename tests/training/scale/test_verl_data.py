from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.items import Item
from abruzzi.errors import DataError, RecordError
from abruzzi.nouns import Message
from abruzzi.training.scale.verl_data import Truth, read_truth, to_verl_row, write_verl_rows
from tests.training.scale.guru_rows import CASES, ask


def row_of(item: Item, **changes: Any) -> dict[str, Any]:
    return {**to_verl_row(item, ask(item), index=3, split="train"), **changes}


def test_a_row_has_the_columns_that_verl_reads() -> None:
    item = Item("a/1", "How many?", [1, 2], "logic__x", {"k": {"n": 1}})
    messages = (Message("system", "Think."), Message("user", "How many?"))
    assert to_verl_row(item, messages, index=3, split="test", family="puzzles") == {
        "data_source": "logic__x",
        "prompt": [{"role": "system", "content": "Think."}, {"role": "user", "content": "How many?"}],
        "ability": "puzzles",
        "reward_model": {"style": "rule", "ground_truth": "[1, 2]"},
        "extra_info": {"index": 3, "split": "test", "id": "a/1", "extra": '{"k": {"n": 1}}'},
    }


def test_the_family_is_the_domain_where_none_is_given() -> None:
    assert row_of(CASES[0].item)["ability"] == "math"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.item.id)
def test_ground_truths_of_every_domain_come_back_from_parquet(case: Any, tmp_path: Path) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    assert write_verl_rows(path, [row_of(case.item)]) == 1
    (row,) = parquet.read_table(path).to_pylist()
    assert row == row_of(case.item)
    truth = read_truth(row["data_source"], row["reward_model"]["ground_truth"], row["extra_info"])
    assert truth == Truth(case.item.id, case.item.data_source, case.item.ground_truth, case.item.extra)


def test_rows_are_written_as_they_come_and_counted(tmp_path: Path) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "deep" / "rows.parquet"
    item = CASES[0].item
    rows = (to_verl_row(item, ask(item), index=index, split="train") for index in range(2500))
    assert write_verl_rows(path, rows) == 2500
    indices = [info["index"] for info in parquet.read_table(path)["extra_info"].to_pylist()]
    assert indices == list(range(2500))
    assert parquet.ParquetFile(path).num_row_groups == 3
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_left_of_a_file_that_could_not_be_written_whole(tmp_path: Path) -> None:
    def broken() -> Any:
        yield row_of(CASES[0].item)
        raise DataError("the source is broken")

    path = tmp_path / "rows.parquet"
    path.write_bytes(b"an older file")
    with pytest.raises(DataError, match="the source is broken"):
        write_verl_rows(path, broken())
    with pytest.raises(DataError, match="no row to write"):
        write_verl_rows(path, [])
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]
    assert path.read_bytes() == b"an older file"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot write"):
        write_verl_rows(tmp_path / "file" / "rows.parquet", [row_of(CASES[0].item)])


@pytest.mark.parametrize("truth", [float("nan"), {1, 2}, b"bytes"])
def test_what_json_cannot_hold_is_refused(truth: object) -> None:
    with pytest.raises(DataError, match="item 'a' holds what JSON cannot"):
        row_of(Item("a", "How many?", truth, "math__x"))


def test_a_prompt_must_end_with_the_user() -> None:
    item = CASES[0].item
    for messages in ((), (Message("user", "Hi"), Message("assistant", "Hello"))):
        with pytest.raises(DataError, match="asks nothing"):
            to_verl_row(item, messages, index=0, split="train")


@pytest.mark.parametrize(
    ("truth", "info", "message"),
    [
        ("1", {"index": 0, "split": "train"}, "none of ours"),
        (1, {"id": "a", "extra": "{}"}, "none of ours"),
        ("{", {"id": "a", "extra": "{}"}, "holds no JSON"),
        ("1", {"id": "a", "extra": "[]"}, "must be an object"),
    ],
)
def test_rows_of_others_are_refused(truth: object, info: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_truth("math__x", truth, info)
