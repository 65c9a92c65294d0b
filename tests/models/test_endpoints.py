"""What is found out is remembered, and nothing depends on the memory."""

import json
from pathlib import Path

import pytest

from abruzzi.models.endpoints import Dialect, Endpoints, Facts, write_atomically

URL = "http://127.0.0.1:8000/v1"


def test_findings_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "endpoints.json"
    book = Endpoints(path)
    assert book.get(URL, "m") == Facts()
    book.learn(URL, "m", dialect=Dialect.STRUCTURED_OUTPUTS)
    assert book.learn(URL, "m", max_n=1, refused=frozenset({"seed"})) == Facts(
        dialect=Dialect.STRUCTURED_OUTPUTS, max_n=1, refused=frozenset({"seed"})
    )
    book.learn(URL, "other", max_n=3)
    again = Endpoints(path)
    assert again.get(URL, "m") == book.get(URL, "m")
    assert again.get(URL, "other") == Facts(max_n=3)
    again.forget(URL, "m")
    assert Endpoints(path).get(URL, "m") == Facts()
    assert Endpoints(path).get(URL, "other") == Facts(max_n=3)


def test_two_processes_keep_each_others_findings(tmp_path: Path) -> None:
    one, two = Endpoints(tmp_path / "e.json"), Endpoints(tmp_path / "e.json")
    assert one.get(URL, "a") == two.get(URL, "b") == Facts()
    one.learn(URL, "a", max_n=1)
    two.learn(URL, "b", max_n=2)
    fresh = Endpoints(tmp_path / "e.json")
    assert (fresh.get(URL, "a").max_n, fresh.get(URL, "b").max_n) == (1, 2)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 1}', '{"x": {"max_n": "many"}}', "\0\0"])
def test_a_broken_file_counts_as_empty_and_is_mended(tmp_path: Path, content: str) -> None:
    path = tmp_path / "e.json"
    path.write_text(content)
    book = Endpoints(path)
    assert book.get(URL, "m") == Facts()
    book.learn(URL, "m", max_n=1)
    assert Endpoints(path).get(URL, "m").max_n == 1


def test_fields_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_text(json.dumps({f"{URL}#m": {"max_n": 2, "invented_later": True}}))
    assert Endpoints(path).get(URL, "m") == Facts(max_n=2)


def test_a_place_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    book = Endpoints(tmp_path / "file" / "e.json")
    book.learn(URL, "m", max_n=1)
    assert book.get(URL, "m").max_n == 1


def test_writing_leaves_no_scraps(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "a", b"two")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"two")]
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "folder"]
