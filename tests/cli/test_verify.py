import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abruzzi.cli.main import main

MATHS = "math__merged_deduped_dapo_or1_dataset"


def row(key: str, response: str, truth: object = "42", source: str = MATHS, **extra: object) -> dict[str, Any]:
    return {"id": key, "data_source": source, "response": response, "ground_truth": truth, "extra": extra}


MIXED: list[dict[str, Any] | str] = [
    row("a", "It is \\boxed{42}."),
    row("b", "\\boxed{41}"),
    "{broken",
    row("c", ""),
    row("d", "x", source="mats"),
    row("e", "<answer>yes</answer>", "yes", "logic__graph_logical_dataset"),
]


def write(path: Path, rows: list[dict[str, Any] | str]) -> str:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    code = main(["verify", *arguments])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_prints_one_line_each_in_order_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, err = run(capsys, write(tmp_path / "rows.jsonl", MIXED), "--workers", "2")
    assert code == 0
    assert [(line["id"], line["outcome"], line["score"]) for line in lines] == [
        ("a", "correct", 1.0),
        ("b", "wrong", 0.0),
        ("line 3", "error", 0.0),
        ("c", "unparsed", 0.0),
        ("d", "error", 0.0),
        ("e", "correct", 1.0),
    ]
    assert all(list(line) == ["id", "outcome", "score", "extracted", "reason", "seconds"] for line in lines)
    assert "line 3 is not JSON" in lines[2]["reason"]
    assert "unknown data source 'mats'" in lines[4]["reason"]
    table = [line.split() for line in err.splitlines()]
    assert table[0] == ["correct", "wrong", "unparsed", "timeout", "error"]
    assert ["maths", "1", "1", "1", "0", "0"] in table
    assert ["logic", "1", "0", "0", "0", "0"] in table
    assert ["all", "2", "1", "1", "0", "2"] in table
    assert err.splitlines()[-1].startswith("6 rows in ")


def test_published_mode_and_the_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any] | str] = [
        row("same", "\\boxed{42}"),
        row("missed", "<answer>[[1]]</answer>", [[1]], "logic__arcagi1"),
        row("broken", "", '"output": null', "simulation__codeio"),
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    code, lines, _ = run(capsys, path, "--mode", "published")
    assert code == 0
    assert [line["score"] for line in lines] == [1.0, 0.0, 1.0]
    code, lines, err = run(capsys, path, "--diff")
    assert code == 0
    assert [line["id"] for line in lines] == ["missed", "broken"]
    assert lines[0]["data_source"] == "logic__arcagi1"
    assert (lines[0]["fixed"]["outcome"], lines[0]["published"]["outcome"]) == ("correct", "error")
    assert (lines[1]["fixed"]["outcome"], lines[1]["published"]["outcome"]) == ("unparsed", "correct")
    table = [line.split() for line in err.splitlines()]
    assert ["all", "1", "1", "1", "0"] in table


def test_self_check_fails_where_a_row_does_not_pass_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = {"id": "a", "data_source": MATHS, "ground_truth": "\\frac{1}{2}"}
    code, lines, err = run(capsys, write(tmp_path / "good.jsonl", [good]), "--self-check")
    assert (code, lines[0]["outcome"]) == (0, "correct")
    bad = {"id": "b", "data_source": "logic__arcagi1", "ground_truth": "no grid"}
    code, lines, err = run(capsys, write(tmp_path / "bad.jsonl", [good, bad]), "--self-check")
    assert code == 1
    assert [line["outcome"] for line in lines] == ["correct", "error"]
    assert err.splitlines()[-1] == (
        "abruzzi: 1 of 2 rows do not pass with their own ground truth; "
        "1 of these are broken or hold nothing that could be put into a reply"
    )


def test_joins_responses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = write(tmp_path / "rows.jsonl", [{"id": "a", "data_source": MATHS, "ground_truth": "42"}])
    responses = write(tmp_path / "r.jsonl", [{"id": "a", "response": "\\boxed{42}"}, {"id": "a", "response": ""}])
    code, lines, _ = run(capsys, rows, "--responses", responses)
    assert code == 0
    assert [(line["id"], line["outcome"]) for line in lines] == [("a", "correct"), ("a", "unparsed")]


def test_checks_gurus_parquet_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrow: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"data_source": MATHS, "reward_model": {"ground_truth": str(number)}, "extra_info": {"index": number}}
        for number in range(100)
    ]
    path = tmp_path / "math__combined_54.4k.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    code, lines, _ = run(capsys, str(path), "--self-check")
    assert code == 0
    assert [line["id"] for line in lines] == [str(number) for number in range(100)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl"], "abruzzi: cannot read 'missing.jsonl': No such file or directory"),
        (["."], "abruzzi: cannot read '.': Is a directory"),
        (["-", "--workers", "0"], "abruzzi: --workers must be at least 1, got 0"),
        (["-", "--timeout", "0"], "abruzzi: --timeout must be positive, got 0"),
        (["-", "--timeout", "nan"], "abruzzi: --timeout must be positive, got nan"),
        (["-", "--diff", "--self-check"], "abruzzi: --self-check looks at no responses"),
        (["-", "--mode", "best"], "Invalid value for '--mode'"),
        ([], "Missing argument"),
    ],
)
def test_misuse_is_told_in_a_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, err = run(capsys, *arguments)
    assert (code, lines) == (2, [])
    assert message in err
    assert "Traceback" not in err


def test_an_empty_file_has_no_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, write(tmp_path / "rows.jsonl", [])) == (0, [], "")


def test_text_that_no_encoding_takes_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = run(capsys, write(tmp_path / "rows.jsonl", [row("\udcff", "\\boxed{\ud800}"), row("ü", "\x00")]))
    assert code == 0
    assert [line["id"] for line in lines] == ["\udcff", "ü"]


def start(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "abruzzi", "verify", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_answers_on_stdin_row_by_row() -> None:
    process = start("-", stdin=subprocess.PIPE, bufsize=1)
    assert process.stdin is not None
    assert process.stdout is not None
    for key in ("a", "b"):
        print(json.dumps(row(key, "\\boxed{42}")), file=process.stdin, flush=True)
        assert json.loads(process.stdout.readline())["id"] == key  # before the next row is written
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err.splitlines()[-1].startswith("2 rows in ")


def test_a_reader_that_has_seen_enough_is_fine(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [row(str(number), "\\boxed{42}") for number in range(5000)])
    process = start(path)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["id"] == "0"
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(20) == 0


def test_ctrl_c_leaves_what_is_finished_and_the_summary(tmp_path: Path) -> None:
    hang = row("b", "```python\nwhile True: pass\n```", '{"inputs": ["1"], "outputs": ["2"]}', "codegen__taco")
    process = start(write(tmp_path / "rows.jsonl", [row("a", "\\boxed{42}"), hang]), "--workers", "1")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["outcome"] == "correct"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "1 rows in " in err
    assert "Traceback" not in err


def test_shows_a_bar_on_a_terminal_and_keeps_stdout_clean(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [row(str(number), "\\boxed{42}") for number in range(300)])
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "abruzzi", "verify", path]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True, env=environment)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "/300" in shown
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [str(number) for number in range(300)]
