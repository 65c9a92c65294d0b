"""Items written are the items read again."""

from pathlib import Path

import pytest

from abruzzi.data.items import Item, hash_items, read_items, write_items
from abruzzi.errors import RecordError

ITEMS = [
    Item("a/1", "What is 1 + 1?\nSay it — in words.", "two", "math__own", {"ability": "maths", "n": [1, 2]}),
    Item("a/2", "Fill it in", {"grid": [[1, None]]}, "puzzle", {}),
]


def test_written_items_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "items.jsonl"
    assert write_items(path, ITEMS) == 2
    assert read_items(path) == ITEMS
    assert hash_items(read_items(path)) == hash_items(ITEMS)
    assert [file.name for file in path.parent.iterdir()] == ["items.jsonl"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot write the items"):
        write_items(tmp_path / "file" / "items.jsonl", ITEMS)
    (tmp_path / "items.jsonl").mkdir()
    with pytest.raises(RecordError, match="cannot write the items"):
        write_items(tmp_path / "items.jsonl", ITEMS)
    assert not list(tmp_path.glob("*.part"))
