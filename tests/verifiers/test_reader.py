import base64
import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abruzzi.errors import DataError
from abruzzi.verifiers import reader
from abruzzi.verifiers.reader import Malformed, count_rows, join_responses, read_rows
from abruzzi.verifiers.row import Row

GOOD: dict[str, Any] = {"id": "a", "data_source": "math__x", "response": "\\boxed{1}", "ground_truth": "1", "extra": {}}


def write(path: Path, *lines: bytes | dict[str, Any]) -> Path:
    path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines))
    return path


def read_one(tmp_path: Path, line: bytes | dict[str, Any]) -> Row | Malformed:
    """Read a line between two good ones, which must come through whatever the line is."""
    rows = list(read_rows(write(tmp_path / "rows.jsonl", GOOD, line, GOOD)))
    assert [type(row) for row in rows] == [Row, type(rows[1]), Row]
    return rows[1]


def test_reads_what_our_own_schema_says(tmp_path: Path) -> None:
    row = read_one(tmp_path, {**GOOD, "extra": {"prefix": "import re"}, "ground_truth": [[1, None], {"a": 0.5}]})
    assert row == Row("a", "math__x", "\\boxed{1}", [[1, None], {"a": 0.5}], {"prefix": "import re"})


def test_reads_gurus_schema_from_json_too(tmp_path: Path) -> None:
    record = {
        "data_source": "stem_web",
        "prompt": [{"role": "user", "content": "?"}],
        "response": "42",
        "reward_model": {"ground_truth": "42", "style": "rule"},
        "extra_info": {"index": 17, "question": "?"},
    }
    assert read_one(tmp_path, record) == Row("17", "stem_web", "42", "42", {"index": 17, "question": "?"})


@pytest.mark.parametrize(
    ("change", "row_id"),
    [
        ({"id": 7}, "7"),
        ({"id": ""}, ""),
        ({"id": None}, "line 2"),
        ({"id": None, "extra": {"idx": 3}}, "3"),
        ({"id": None, "extra": {"index": "b", "idx": 3}}, "b"),
        ({"id": None, "extra": None}, "line 2"),
    ],
)
def test_finds_an_id(tmp_path: Path, change: dict[str, Any], row_id: str) -> None:
    row = read_one(tmp_path, {**GOOD, **change})
    assert isinstance(row, Row)
    assert row.id == row_id


NESTED = (
    b'{"id": "a", "data_source": "math__x", "response": "r", "ground_truth": '
    + b"[" * 200_000
    + b"]" * 200_000
    + b"}\n"
)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json\n", "line 2 is not JSON: Expecting property name enclosed in double quotes at character 1"),
        (b'{"id": "a"\n', "line 2 is not JSON: Expecting ',' delimiter at character 11"),
        (b"\x00\x01\x02\n", "line 2 is not JSON"),
        (b'{"id": "\xff"}\n', "line 2 is not UTF-8: byte 8 is 0xff"),
        (b"[1, 2]\n", "line 2 is not an object"),
        (b"{}\n", "line 2 is not an object, or an empty one"),
        (b"null\n", "line 2 is not an object"),
        (b'{"ground_truth": NaN}\n', "line 2 is not JSON that can be used: NaN is not a JSON number"),
        (b'{"ground_truth": -Infinity}\n', "-Infinity is not a JSON number"),
        (b'{"ground_truth": ' + b"9" * 5000 + b"}\n", "line 2 is not JSON that can be used: Exceeds the limit"),
        (NESTED, "line 2 is not JSON that can be used: maximum recursion depth exceeded"),
        (b'{"a": 1} {"b": 2}\n', "line 2 is not JSON: Extra data"),
        ({**GOOD, "response": None}, "line 2: 'response' must be text, got None"),
        ({**GOOD, "response": ["r"]}, "line 2: 'response' must be text, got ['r']"),
        ({**GOOD, "data_source": 3}, "line 2: 'data_source' must be text, got 3"),
        ({**GOOD, "extra": "x" * 100}, f"line 2: 'extra' must be an object, got '{'x' * 56}..."),
        ({**GOOD, "extra": [1]}, "line 2: 'extra' must be an object, got [1]"),
        ({**GOOD, "id": True}, "line 2: id must be text or a whole number, got True"),
        ({**GOOD, "id": {"a": 1}}, "line 2: id must be text or a whole number, got {'a': 1}"),
        ({key: GOOD[key] for key in GOOD if key != "response"}, "line 2: 'response' is missing"),
        ({key: GOOD[key] for key in GOOD if key != "data_source"}, "line 2: 'data_source' is missing"),
        ({key: GOOD[key] for key in GOOD if key != "ground_truth"}, "line 2: 'ground_truth' is missing"),
        ({**GOOD, "ground_truth": {"compressed": "!!"}}, "line 2: 'ground_truth' cannot be unpacked"),
        ({**GOOD, "ground_truth": {"compressed": 3}}, "line 2: 'ground_truth' cannot be unpacked: got 3"),
    ],
)
def test_what_cannot_be_used_is_told_and_the_rest_goes_on(
    tmp_path: Path, line: bytes | dict[str, Any], reason: str
) -> None:
    row = read_one(tmp_path, line)
    assert isinstance(row, Malformed)
    assert reason in row.reason
    assert row.id in ("line 2", "a")
    assert len(row.reason) < 250


def test_line_without_end_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path / "rows", b"\xef\xbb\xbf", GOOD, b"\n  \r\n", GOOD, b"oops\n", json.dumps(GOOD).encode())
    rows = list(read_rows(path))
    assert [type(row) for row in rows] == [Row, Row, Malformed, Row]
    assert rows[2].id == "line 5"
    assert list(read_rows(write(tmp_path / "empty"))) == []


def test_lone_surrogates_and_null_bytes_come_through(tmp_path: Path) -> None:
    row = read_one(tmp_path, {**GOOD, "response": "\ud800 \x00 \U0001f600"})
    assert isinstance(row, Row)
    assert row.response == "\ud800 \x00 \U0001f600"


def test_a_line_that_is_too_long_is_one_malformed_row(tmp_path: Path) -> None:
    path = write(tmp_path / "rows", GOOD)
    with path.open("ab") as file:
        for _ in range(reader.MAX_LINE_BYTES // (1 << 20) * 2 + 1):
            file.write(b"x" * (1 << 20))
        file.write(b"\n")
        file.write(json.dumps(GOOD).encode())
    rows = list(read_rows(path))
    assert [type(row) for row in rows] == [Row, Malformed, Row]
    assert rows[1] == Malformed("line 2", f"line 2 is longer than {reader.MAX_LINE_BYTES} bytes")


def test_a_self_check_needs_no_responses(tmp_path: Path) -> None:
    path = write(tmp_path / "rows", {key: GOOD[key] for key in GOOD if key != "response"}, {**GOOD, "response": None})
    rows = list(read_rows(path, needs_response=False))
    assert [row.response for row in rows if isinstance(row, Row)] == ["", ""]


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_opened_is_the_callers_mistake(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        list(read_rows(tmp_path / name))


def test_reads_stdin_line_by_line(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\nfrom abruzzi.verifiers import read_rows\n"
        "for row in read_rows(Path('-')): print(row.id, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for key in ("one", "two"):
        print(json.dumps({**GOOD, "id": key}), file=process.stdin, flush=True)
        assert process.stdout.readline() == f"{key}\n"  # before the next line is written
    assert process.communicate() == ("", None)
    assert process.returncode == 0


def test_counts_rows_for_a_progress_bar(tmp_path: Path) -> None:
    assert count_rows(write(tmp_path / "rows", GOOD, GOOD)) == 2
    assert count_rows(Path("-")) is None
    assert count_rows(tmp_path) is None


def guru_rows() -> list[dict[str, Any]]:
    """Rows as the public set has them: columns and types of its domains, texts of our own."""
    return [
        {
            "data_source": "math__merged_deduped_dapo_or1_dataset",
            "prompt": [{"role": "user", "content": "What is 6*7? Put it in \\boxed{}."}],
            "ability": "math",
            "apply_chat_template": True,
            "reward_model": {"style": "rule", "ground_truth": "42"},
            "extra_info": {"index": 5, "reward_metric": "default", "split": "train"},
            "qwen2.5_7b_pass_rate": 0.5,
        },
        {
            "data_source": "math__merged_deduped_dapo_or1_dataset",
            "prompt": [{"role": "user", "content": "What is 6*8?"}],
            "ability": "math",
            "apply_chat_template": True,
            "reward_model": {"style": "rule", "ground_truth": "48"},
            "extra_info": {"index": 6, "reward_metric": None, "split": "train"},
            "qwen2.5_7b_pass_rate": 0.25,
        },
    ]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    arrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    return path


def test_reads_gurus_parquet_unchanged(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "math.parquet", guru_rows())
    first, second = read_rows(path, needs_response=False)
    assert first == Row(
        "5", guru_rows()[0]["data_source"], "", "42", {"index": 5, "reward_metric": "default", "split": "train"}
    )
    assert second.id == "6"
    without = list(read_rows(path))
    assert without == [Malformed("5", "row 1: 'response' is missing"), Malformed("6", "row 2: 'response' is missing")]
    answered = write_parquet(tmp_path / "answered", [{**row, "response": "\\boxed{42}"} for row in guru_rows()])
    assert [row.response for row in read_rows(answered) if isinstance(row, Row)] == ["\\boxed{42}"] * 2


@pytest.mark.parametrize(
    ("source", "truth"),
    [
        ("logic__arcagi1", [[1, 2], [3, 4]]),
        ("logic__zebra_puzzle_dataset", {"header": ["House", "Name"], "rows": [["1", "Ada"], ["2", "Bo"]]}),
        ("logic__ordering_puzzle_dataset", ["ada", "bo"]),
        ("codegen__taco", '{"inputs": ["1\\n"], "outputs": ["2\\n"]}'),
        ("simulation__codeio", '"output": {"a": 1}'),
        ("table__multihier", 12.5),
        ("ood__ifeval", [{"num_words": 3, "relation": None}, {"num_words": None, "relation": "at least"}]),
    ],
)
def test_keeps_the_types_of_ground_truths(tmp_path: Path, source: str, truth: object) -> None:
    rows = [{**guru_rows()[0], "data_source": source, "reward_model": {"style": "rule", "ground_truth": truth}}]
    (row,) = read_rows(write_parquet(tmp_path / "rows.parquet", rows), needs_response=False)
    assert isinstance(row, Row)
    assert row.ground_truth == truth


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_unpacks_the_compressed_variant(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    extra = {"index": 5, "prefix": "import re\n" * 1000, "split": "train"}
    packed = base64.b64encode(compress(json.dumps(extra).encode())).decode().rstrip("=")
    third = len(packed) // 3
    truth = json.dumps({"functional": "assert f(1) == 2"})
    rows = [
        {
            "data_source": "codegen__leetcode2k",
            "reward_model": {
                "style": "rule",
                "ground_truth": {"compressed": base64.b64encode(compress(json.dumps(truth).encode())).decode()},
            },
            "extra_info": {
                "part_1": packed[:third],
                "part_2": packed[third : 2 * third],
                "part_3": packed[2 * third :],
                "part_4": None,
            },
        }
    ]
    (row,) = read_rows(write_parquet(tmp_path / "rows.parquet", rows), needs_response=False)
    assert row == Row("5", "codegen__leetcode2k", "", truth, extra)


def test_a_compressed_field_cannot_fill_the_memory(tmp_path: Path) -> None:
    bomb = zlib.compressobj(1)
    packed = b"".join([*(bomb.compress(b"0" * (1 << 20)) for _ in range(257)), bomb.flush()])
    row = read_one(tmp_path, {**GOOD, "ground_truth": {"compressed": base64.b64encode(packed).decode()}})
    assert isinstance(row, Malformed)
    assert "unpacks to more than is sensible" in row.reason


@pytest.mark.parametrize("keep", [100, -100])
def test_a_broken_parquet_file_is_the_callers_mistake(tmp_path: Path, keep: int) -> None:
    path = write_parquet(tmp_path / "rows.parquet", guru_rows())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="is a broken parquet file"):
        list(read_rows(path))


def test_joins_responses_to_their_rows(tmp_path: Path) -> None:
    data = write_parquet(tmp_path / "rows.parquet", guru_rows())
    responses = write(
        tmp_path / "responses",
        {"id": "6", "response": "48"},
        {"id": 5, "response": "41"},
        {"id": "9", "response": "?"},
        b"oops\n",
        {"id": "5"},
        {"id": "5", "response": "42"},
    )
    rows = list(join_responses(data, responses))
    assert [(row.id, row.response) for row in rows if isinstance(row, Row)] == [("6", "48"), ("5", "41"), ("5", "42")]
    assert [row.reason for row in rows if isinstance(row, Malformed)] == [
        f"no row in {data} has the id '9'",
        "line 4 is not JSON: Expecting value at character 0",
        "line 5: 'response' is missing",
    ]


def test_an_id_that_occurs_twice_joins_nothing(tmp_path: Path) -> None:
    data = write(tmp_path / "rows", GOOD, GOOD)
    (row,) = join_responses(data, write(tmp_path / "responses", {"id": "a", "response": "r"}))
    assert row == Malformed("a", f"the id 'a' occurs more than once in {data}")
