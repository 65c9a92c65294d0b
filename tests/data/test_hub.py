import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from abruzzi.data.hub import DataFiles, Record, fetch_files, load_records, read_records
from abruzzi.errors import DataError

ROWS = [{"id": "a", "n": 1}, {"id": "b", "n": 2}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
COMMIT = "c" * 40

FETCH = """
import sys
from pathlib import Path
from abruzzi.data.hub import DataFiles, fetch_files
print(fetch_files(DataFiles("org/set", ("main/test.jsonl",)), cache_dir=Path(sys.argv[1]), endpoint=sys.argv[2]))
"""


@dataclass
class Hub:
    """A hub with one data set, ``org/set``, at one commit and at its newest, and one gated, ``org/gated``."""

    url: str = ""
    keys: list[str | None] = field(default_factory=list[str | None])
    """The Authorization header of each request."""
    num_downloads: int = 0


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()
    content = LINES.encode()
    paths = {f"/datasets/org/set/resolve/{revision}/main/test.jsonl" for revision in (COMMIT, "main")}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(sends_body=False)

        def do_GET(self) -> None:
            state.num_downloads += 1
            self.answer(sends_body=True)

        def answer(self, *, sends_body: bool) -> None:
            state.keys.append(self.headers.get("Authorization"))
            if self.path in paths:
                self.send_response(200)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if sends_body:
                    self.wfile.write(content)
                return
            _, _, _, name, _, revision, *_ = self.path.split("/")
            code = {"gated": "GatedRepo", "set": "EntryNotFound"}.get(name, "RepoNotFound")
            code = "RevisionNotFound" if name == "set" and revision not in {COMMIT, "main"} else code
            self.send_response(403 if code == "GatedRepo" else 404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def record(**columns: Any) -> Record:
    return Record("f.jsonl", 3, columns)


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    arrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist(rows), path)


def test_a_pinned_file_is_fetched_once_and_then_found_offline(hub: Hub, tmp_path: Path) -> None:
    files = DataFiles("org/set", ("main/test.jsonl",), revision=COMMIT)
    (path,) = fetch_files(files, cache_dir=tmp_path, endpoint=hub.url)
    assert [row.columns for row in read_records(path)] == ROWS
    assert fetch_files(files, cache_dir=tmp_path, endpoint="http://127.0.0.1:9") == [path]
    assert hub.num_downloads == 1


def test_without_a_commit_the_newest_is_fetched(hub: Hub, tmp_path: Path) -> None:
    (path,) = fetch_files(DataFiles("org/set", ("main/test.jsonl",)), cache_dir=tmp_path, endpoint=hub.url)
    assert COMMIT in path.parts


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (DataFiles("org/set", ("other.jsonl",)), "hf:org/set does not hold other.jsonl: or give"),
        (DataFiles("org/set", ("x.jsonl",), revision="d" * 40), f"has no commit {'d' * 40} of hf:org/set"),
        (DataFiles("org/none", ("x.jsonl",)), "the hub has no hf:org/none for you"),
        (DataFiles("org/gated", ("x.jsonl",)), "hf:org/gated is gated: ask for access on the hub and set HF_TOKEN"),
        (DataFiles("org/bad name", ("x.jsonl",)), "hf:org/bad name could not be fetched: "),
        (DataFiles("org/code", ("x.json",), "abc", host="github"), "github:org/code is on no hub: take x.json at abc"),
    ],
)
def test_what_the_hub_has_not_is_one_line_that_names_the_way_out(
    hub: Hub, tmp_path: Path, files: DataFiles, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        fetch_files(files, cache_dir=tmp_path, endpoint=hub.url)
    assert "--data FILE" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow  # the library tries for 23 seconds before it gives up
def test_offline_is_one_line_that_names_the_way_out() -> None:
    with pytest.raises(DataError, match=r"no connection to the hub, and hf:org/x is .* cache: .* --data FILE"):
        load_records(DataFiles("org/x", ("x.jsonl",)), None, endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize(("token", "sent"), [("", None), ("secret", "Bearer secret")])
def test_the_token_comes_from_the_environment_only(hub: Hub, tmp_path: Path, token: str, sent: str | None) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text("stored by a login")
    environment = os.environ | {"HF_HOME": str(home), "HF_TOKEN": token}
    subprocess.run([sys.executable, "-c", FETCH, str(tmp_path / "cache"), hub.url], check=True, env=environment)
    assert set(hub.keys) == {sent}


@pytest.mark.parametrize("package", ["huggingface_hub", "pyarrow"])
def test_without_a_package_the_command_to_run_is_named(tmp_path: Path, package: str) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, ROWS)
    script = f"import sys; sys.modules[{package!r}] = None\n{FETCH}"
    if package == "pyarrow":
        script += "\nfrom abruzzi.data.hub import read_records\nread_records(Path(sys.argv[1]))"
        script = script.replace("print(fetch_files", "lambda: (fetch_files")
    done = subprocess.run([sys.executable, "-c", script, str(path), ""], check=False, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        f"abruzzi.errors.ConfigError: a data set needs the package {package}; run scripts/setup eval, "
        "or pip install 'abruzzi[eval]'"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", LINES.encode()),
        ("rows.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
        ("rows.jsonl", LINES.replace("\n", "\r\n\r\n").encode()),
        ("rows.json", json.dumps(ROWS).encode()),
        ("rows.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
    ],
)
def test_a_form_is_told_by_what_the_file_holds(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert [row.columns for row in read_records(path)] == ROWS


def test_parquet_keeps_lists_and_objects(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": 1, "list": ["a", "b"], "object": {"x": 1.5}, "nothing": None}]
    write_parquet(tmp_path / "test-00000-of-00001.parquet", rows)
    assert [row.columns for row in read_records(tmp_path / "test-00000-of-00001.parquet")] == rows


def test_csv_keeps_line_breaks_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('Question,Answer\n"first line\nsecond",4\n')
    (row,) = read_records(path)
    assert row.columns == {"Question": "first line\nsecond", "Answer": "4"}


def test_a_line_separator_inside_a_text_ends_no_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a\u2028b\x85c"}\n', encoding="utf-8")
    assert read_records(path)[0].columns == {"id": "a\u2028b\x85c"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b'{"id": 1}\n{"id": ', "rows.jsonl, line 2 is not JSON: "),
        ("rows.jsonl", b"[1]", "rows.jsonl, row 1 is no JSON object: 1"),
        ("rows.jsonl", b"\n", "holds no rows"),
        ("rows.json", b"[]", "holds no rows"),
        ("rows.jsonl", b"\xff", "is not UTF-8: byte 0 is 0xff"),
        ("rows.csv", b"a,b\n1,2,3\n", "rows.csv, row 1 has more cells than the header line"),
        ("rows.parquet", b"PAR1 and nothing more", "is a broken parquet file"),
        ("rows.jsonl.gz", gzip.compress(b"{}" * 99, mtime=0)[:-9], "is a broken gzip file"),
    ],
)
def test_a_broken_file_is_named_with_the_place(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_records(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read '.*none.jsonl': No such file"):
        read_records(tmp_path / "none.jsonl")


def test_a_folder_gives_all_files_of_the_set_in_order(tmp_path: Path) -> None:
    (tmp_path / "main").mkdir()
    (tmp_path / "main" / "one.jsonl").write_text('{"id": 1}\n')
    (tmp_path / "two.jsonl").write_text('{"id": 2}\n')
    files = DataFiles("org/set", ("main/one.jsonl", "main/two.jsonl"))
    assert [(row.place, row.columns["id"]) for row in load_records(files, tmp_path)] == [
        ("one.jsonl, row 1", 1),
        ("two.jsonl, row 1", 2),
    ]
    with pytest.raises(DataError, match=r"holds no three.jsonl of hf:org/set; give a folder with three.jsonl"):
        load_records(DataFiles("org/set", ("three.jsonl",)), tmp_path)


def test_a_column_goes_by_several_names() -> None:
    assert record(question="q").text("problem", "question") == "q"
    assert record(problem=None, question=7).text("problem", "question") == "7"
    assert record(tests=["a", "b"]).texts("tests") == ["a", "b"]
    assert record(tests=None).texts("tests") == []
    assert record(meta={"day": "x"}).table("meta").text("day") == "x"
    assert record(meta='{"day": "x"}').table("meta").text("day") == "x"
    assert not record(image="").has("image")
    assert record(zero=0).has("zero")


def test_a_column_of_another_kind_is_shown() -> None:
    with pytest.raises(DataError, match=r"f.jsonl, row 3 holds no 'a' or 'b'; its columns are c"):
        record(c=1).get("a", "b")
    with pytest.raises(DataError, match=r"f.jsonl, row 3: 'a' is no text: \['x'\]"):
        record(a=["x"]).text("a")
    with pytest.raises(DataError, match=r"'a' is no text: True"):
        record(a=True).text("a")
    with pytest.raises(DataError, match=r"'a' is no text: ' '"):
        record(a=" ").text("a")
    with pytest.raises(DataError, match=r"'a' is no list of texts: 'xyz'"):
        record(a="xyz").texts("a")
    with pytest.raises(DataError, match=r"'a' is no list of texts: \[1\]"):
        record(a=[1]).texts("a")
    with pytest.raises(DataError, match=r"'a' is no object: '\[1\]'"):
        record(a="[1]").table("a")
