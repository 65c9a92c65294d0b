import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from abruzzi.data.hub import Record
from abruzzi.data.rows import MAX_LINE_BYTES, MalformedRow, count_rows, find_files, make_printable, stream_rows
from abruzzi.errors import DataError
from tests.data.making import write_lines, write_parquet

ROWS: list[dict[str, Any]] = [{"a": 1, "b": "x", "c": [1]}, {"a": 2, "b": "y", "c": [2]}]


def read(path: Path, *columns: str) -> list[dict[str, Any] | str]:
    return [dict(row.columns) if isinstance(row, Record) else row.reason for row in stream_rows(path, columns)]


def test_the_same_rows_come_from_every_kind_of_file_whatever_its_name(tmp_path: Path) -> None:
    assert read(write_lines(tmp_path / "a.jsonl", *ROWS)) == ROWS
    assert read(write_lines(tmp_path / "b.jsonl.gz", *ROWS).rename(tmp_path / "b")) == ROWS
    assert read(write_parquet(tmp_path / "c.parquet", *ROWS).rename(tmp_path / "c.jsonl")) == ROWS


def test_only_the_columns_asked_for_are_read_of_parquet(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "c.parquet", *ROWS)
    assert read(path, "b", "not there") == [{"b": "x"}, {"b": "y"}]


def test_rows_carry_the_number_that_they_have_in_the_file(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", ROWS[0], b"\n", b"{broken\n", ROWS[1])
    assert [(type(row), row.number) for row in stream_rows(path)] == [(Record, 1), (MalformedRow, 3), (Record, 4)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{broken\n", "line 2 is not JSON: Expecting property name enclosed in double quotes at character 1"),
        (b'{"a": "\xff"}\n', "line 2 is not UTF-8: byte 7 is 0xff"),
        (b"[1]\n", "line 2 is not an object"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n", "line 2 is not JSON that can be used"),
        (b'{"a": ' + b"1" * 5_000 + b"}\n", "line 2 is not JSON that can be used"),
    ],
)
def test_a_row_that_cannot_be_read_is_reported_in_its_place(line: bytes, reason: str, tmp_path: Path) -> None:
    first, broken, last = read(write_lines(tmp_path / "a.jsonl", ROWS[0], line, ROWS[1]))
    assert [first, last] == ROWS
    assert isinstance(broken, str)
    assert broken.startswith(reason)


def test_a_line_too_long_is_skipped_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": 1}\n')
        file.truncate(MAX_LINE_BYTES + 20)  # zeros that take no room on the disk
        file.seek(0, 2)
        file.write(b'\n{"a": 2}\n')
    assert read(path) == [{"a": 1}, f"line 2 is longer than {MAX_LINE_BYTES} bytes", {"a": 2}]


def test_rows_before_the_damage_of_a_file_are_given(tmp_path: Path) -> None:
    rows = [{"a": str(number) * 50} for number in range(5_000)]
    path = write_lines(tmp_path / "a.jsonl.gz", *rows)
    path.write_bytes(path.read_bytes()[:-20])
    stream = stream_rows(path)
    assert next(stream) == Record("a.jsonl.gz", 1, rows[0])
    with pytest.raises(DataError, match=r"cannot read '.*a.jsonl.gz': Compressed file ended"):
        list(stream)


def test_files_that_are_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a JSON array; write it as JSON Lines"):
        read(write_lines(tmp_path / "a.json", b'[{"a": 1}]\n'))
    with pytest.raises(DataError, match="is a broken parquet file: "):
        read(write_lines(tmp_path / "b.parquet", b"PAR1 and nothing else"))


def test_a_mark_of_byte_order_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    assert read(write_lines(tmp_path / "a.jsonl", b"\xef\xbb\xbf", *ROWS)) == ROWS


def test_files_are_found_in_a_folder_or_its_train_folder(tmp_path: Path) -> None:
    first = write_lines(tmp_path / "one.jsonl.gz", ROWS[0])
    second = write_lines(tmp_path / "train" / "two_1.3k.jsonl", ROWS[0])
    assert find_files(tmp_path, ["two_1.3k", "one"]) == [second, first]
    with pytest.raises(DataError, match=r"holds no three .*it holds one.jsonl.gz, train; give the folder"):
        find_files(tmp_path, ["three"])
    with pytest.raises(DataError, match="it holds nothing"):
        find_files(tmp_path / "none", ["three"])


def test_halves_of_surrogate_pairs_are_replaced() -> None:
    assert make_printable("a\ud800b – ∑") == "a?b – ∑"


READ = r"""
import re, sys
from pathlib import Path
from abruzzi.data.rows import stream_rows
num_rows = sum(1 for _ in stream_rows(Path(sys.argv[1])))
print(num_rows, int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of its memory from /proc")
def test_a_parquet_file_of_one_group_is_not_read_whole(tmp_path: Path) -> None:
    rng = Random(1)
    path = write_parquet(tmp_path / "big.parquet", *({"a": rng.randbytes(5_000).hex()} for _ in range(40_000)))
    assert path.stat().st_size > 350 << 20
    num_rows, peak_mib = map(int, subprocess.check_output([sys.executable, "-c", READ, str(path)], text=True).split())
    assert num_rows == 40_000
    assert peak_mib < 200


def test_rows_are_counted_in_every_kind_of_file(tmp_path: Path) -> None:
    assert count_rows(write_lines(tmp_path / "a.jsonl", *ROWS)) == len(ROWS)
    assert count_rows(write_parquet(tmp_path / "b.parquet", *ROWS)) == len(ROWS)


@pytest.mark.parametrize("take", [read, count_rows])
def test_a_file_that_is_not_there_is_told(take: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*missing\.jsonl': No such file"):
        take(tmp_path / "missing.jsonl")
    with pytest.raises(DataError, match="Is a directory"):
        take(tmp_path)
