"""Runs on disk survive kills, full disks and cut lines."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from abruzzi.errors import DataError, RecordError
from abruzzi.records import (
    EVENTS_FILE,
    LineWriter,
    RunWriter,
    WholeLines,
    find_run,
    new_run_id,
    read_lines,
    read_rows,
    runs_folder,
)


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    with RunWriter(tmp_path, "r1") as writer:
        writer.write({"event": "a", "text": "ünïcode \ud800 and\nlines"})
        writer.write({"event": "b"})
    assert [row["event"] for row in read_rows(tmp_path / "r1")] == ["a", "b"]


def test_a_row_is_on_disk_before_the_next_thing_happens(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from abruzzi.records import RunWriter\n"
        f"w = RunWriter(Path({str(tmp_path)!r}), 'killed'); w.write({{'event': 'paid for'}}); print('ok', flush=True)\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline() == b"ok\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(read_rows(tmp_path / "killed")) == [{"event": "paid for"}]


def test_a_cut_last_line_is_left_out_and_a_broken_one_before_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / EVENTS_FILE).write_text('{"event": "a"}\n{"event": "b", "te')
    assert [row["event"] for row in read_rows(folder)] == ["a"]
    (folder / EVENTS_FILE).write_text('{"event": \n{"event": "b"}\n')
    with pytest.raises(RecordError, match="line 1 is not JSON"):
        list(read_rows(folder))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, "r")
    writer.write({"event": "fits"})
    writer.close()
    (tmp_path / "r" / EVENTS_FILE).unlink()
    (tmp_path / "r" / EVENTS_FILE).symlink_to("/dev/full")
    full = RunWriter(tmp_path, "r", is_new=False)
    with pytest.raises(RecordError, match="No space left on device"):
        full.write({"event": "does not"})
    full.close()


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="ABRUZZI_HOME"):
        RunWriter(tmp_path / "file", "r")


def test_runs_are_found_by_any_unique_end(tmp_path: Path) -> None:
    for name in ("20260101-000000-aaaa", "20260101-000001-bbbb"):
        RunWriter(tmp_path, name).close()
    assert find_run(tmp_path, "last").name.endswith("bbbb")
    assert find_run(tmp_path, "aaaa").name.endswith("aaaa")
    assert find_run(tmp_path, str(tmp_path / "20260101-000000-aaaa")).name.endswith("aaaa")
    with pytest.raises(DataError, match="fits 2 runs"):
        find_run(tmp_path, "2026")
    with pytest.raises(DataError, match="no run 'cccc'"):
        find_run(tmp_path, "cccc")
    with pytest.raises(DataError, match="ask something first"):
        find_run(tmp_path / "empty", "last")


def test_ids_sort_by_time_and_do_not_collide() -> None:
    ids = {new_run_id() for _ in range(50)}
    assert len(ids) == 50
    assert json.dumps(sorted(ids))


def test_the_home_folder_is_the_users_choice(tmp_path: Path) -> None:
    assert runs_folder({"ABRUZZI_HOME": str(tmp_path)}) == tmp_path / "runs"
    assert runs_folder({}).name == "runs"
    assert os.fspath(runs_folder({})) != os.fspath(tmp_path / "runs")


def test_a_cut_last_line_is_taken_away_before_more_is_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for cut in (b'{"a": 1}\n{"b"', b'{"a": 1}\n' + b"x" * 200_000, b'{"a": 1}\n'):
        path.write_bytes(cut)
        with LineWriter(path, is_durable=True) as writer:
            writer.write({"c": "ü"})
        assert list(read_lines(path)) == [{"a": 1}, {"c": "ü"}]
    path.write_bytes(b"no line at all")
    LineWriter(path).close()
    assert path.read_bytes() == b""


def test_a_file_has_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with LineWriter(path), pytest.raises(RecordError, match="another process"):
        LineWriter(path)
    LineWriter(path).close()


def test_a_whole_file_takes_its_name_at_its_end_and_leaves_the_old_one_until_then(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    with WholeLines(path) as lines:
        lines.write({"a": "ä"})
        assert not path.exists()
    assert (path.read_text(encoding="utf-8"), lines.num_rows) == ('{"a": "ä"}\n', 1)
    with pytest.raises(KeyError), WholeLines(path) as lines:
        lines.write(dict[str, dict[str, int]]()["no such row"])
    assert path.read_text(encoding="utf-8") == '{"a": "ä"}\n'
    assert [file.name for file in path.parent.iterdir()] == ["rows.jsonl"]


def test_a_whole_file_that_cannot_be_written_says_what_it_was_to_hold(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(RecordError, match=r"^cannot write the items .*folder: Is a directory$"),
        WholeLines(tmp_path / "folder", "the items") as lines,
    ):
        lines.write({})
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]
