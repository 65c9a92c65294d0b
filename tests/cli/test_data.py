import json
from pathlib import Path
from typing import Any

import pytest

from abruzzi.cli.main import main
from abruzzi.data.contamination.report import Kind, read_report
from abruzzi.data.items import hash_items, read_items

ITEMS = [
    {
        "id": "pens",
        "question": "Mira buys 14 pens at $1.25 each and pays with $20. How much does she get back?",
        "answer": "2.5",
    },
    {"id": "root", "question": "Simplify $\\sqrt{1728}$.", "answer": "24\\sqrt{3}"},
    {
        "id": "wall",
        "question": "A mason builds a wall in 12 days. How many walls does she build in 84 days?",
        "answer": "7",
    },
]
ROWS = [
    {"question": "Mira buys 15 pens at $1.25 each and pays with $20. How much does she get back?"},
    {"messages": [{"role": "user", "content": f"Good day!\n\n{ITEMS[0]['question']} Thank you."}]},
    {"problem": "Simplify \\(\\sqrt{1{,}728}\\)", "id": "r3"},
]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


@pytest.fixture(name="own")
def write_benchmark(tmp_path: Path) -> str:
    return write(tmp_path / "own.jsonl", ITEMS)


def run(*arguments: str) -> int:
    return main(["data", "contamination", *arguments])


def test_tells_what_is_dirty(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(tmp_path / "train.jsonl", ROWS)
    assert run(train, "--benchmark", own, "--workers", "1") == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["benchmark", "items", "clean", "dirty", "exact", "contained", "near"] in lines
    assert ["own", "3", "1", "2", "1", "1", "0"] in lines
    assert [train, "3", "0", "2"] in lines
    assert f"pens: contained 1.00 in {train}, row 2" in out
    assert f"root: exact 1.00 in {train}, row 3\n  Simplify \\(\\sqrt{{1{{,}}728}}\\)" in out
    assert out.splitlines()[-1].startswith("3 rows in ")
    assert "searching: 3 of 3" in err


def test_writes_a_report(own: str, tmp_path: Path) -> None:
    train, out = write(tmp_path / "train.jsonl", ROWS), tmp_path / "report.json"
    assert run(train, "--benchmark", own, "--workers", "1", "--out", str(out)) == 0
    report = read_report(out)
    (benchmark,) = report.benchmarks
    assert (benchmark.name, benchmark.num_items) == ("own", 3)
    assert benchmark.items_sha256 == hash_items(read_items(Path(own)))
    assert [(match.item, match.kind, match.row, match.row_id) for match in benchmark.dirty] == [
        ("pens", Kind.CONTAINED, 2, None),
        ("root", Kind.EXACT, 3, "r3"),
    ]


def test_may_fail_when_dirty(own: str, tmp_path: Path) -> None:
    dirty, clean = write(tmp_path / "dirty.jsonl", ROWS), write(tmp_path / "clean.jsonl", ROWS[:1])
    assert run(dirty, "-b", own, "--workers", "1", "--fail-if-dirty") == 1
    assert run(clean, "-b", own, "--workers", "1", "--fail-if-dirty") == 0


def test_several_benchmarks_files_and_processes(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sub").mkdir()
    other = write(tmp_path / "sub" / "own.jsonl", ITEMS[2:])
    files = [write(tmp_path / f"{number}.jsonl", [row]) for number, row in enumerate(ROWS)]
    files.append(write(tmp_path / "3.jsonl", [{"text": ITEMS[2]["question"]}]))
    out = tmp_path / "report.json"
    assert run(*files, "-b", own, "-b", other, "--workers", "2", "--out", str(out)) == 0
    report = read_report(out)
    assert [(benchmark.name, len(benchmark.dirty)) for benchmark in report.benchmarks] == [("own", 3), (other, 1)]
    assert [file.dirty_rows for file in report.training] == [0, 1, 1, 1]
    assert "4 rows in " in capsys.readouterr().out


def test_a_limit_gives_the_hash_of_a_limited_evaluation(own: str, tmp_path: Path) -> None:
    train, out = write(tmp_path / "train.jsonl", ROWS), tmp_path / "report.json"
    assert run(train, "-b", own, "--limit", "2", "--workers", "1", "--out", str(out)) == 0
    assert read_report(out).benchmarks[0].items_sha256 == hash_items(read_items(Path(own))[:2])


def test_a_named_benchmark_takes_its_data_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write(
        tmp_path / "math.jsonl", [{"unique_id": "a", "problem": ITEMS[1]["question"], "answer": "24\\sqrt{3}"}]
    )
    assert run(write(tmp_path / "train.jsonl", ROWS), "-b", "math-500", "--data", data, "--workers", "1") == 0
    assert ["math-500", "1", "0", "1", "1", "0", "0"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_only_the_first_matches_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"id": f"i{n}", "question": f"What is {n} + {n} in all?", "answer": str(2 * n)} for n in range(30)]
    train = write(tmp_path / "train.jsonl", [{"question": item["question"]} for item in items])
    assert run(train, "-b", write(tmp_path / "many.jsonl", items), "--workers", "1") == 0
    out = capsys.readouterr().out
    assert "i19: exact" in out
    assert "i20: exact" not in out
    assert "and 10 more items; --out FILE writes them all" in out


def test_malformed_rows_are_counted_and_the_first_is_told(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = tmp_path / "train.jsonl"
    train.write_text(json.dumps(ROWS[2]) + "\n{broken\n")
    assert run(str(train), "-b", own, "--workers", "1") == 0
    out = capsys.readouterr().out
    assert [str(train), "1", "1", "1"] in [line.split() for line in out.splitlines()]
    assert f"{train}: line 2 is not JSON" in out


def test_a_file_of_which_nothing_could_be_read_is_not_called_clean(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, out = write(tmp_path / "train.jsonl", [{"frage": "Wie viele?"}]), tmp_path / "report.json"
    assert run(train, "-b", own, "--workers", "1", "--out", str(out)) == 2
    printed, err = capsys.readouterr()
    assert f"none of the 1 rows of {train!r} could be searched: row 1 has no text" in err
    assert "with --field" in err
    assert "malformed" in printed
    assert read_report(out).training[0].malformed == 1
    assert run(train, "-b", own, "--workers", "1", "--field", "frage") == 0
    (tmp_path / "empty.jsonl").touch()
    assert run(str(tmp_path / "empty.jsonl"), "-b", own, "--workers", "1") == 2
    assert "holds no rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl", "-b", "OWN"], "cannot read 'missing.jsonl': No such file"),
        (["OWN", "-b", "no-such-benchmark"], "unknown benchmark 'no-such-benchmark'"),
        (["OWN", "-b", "OWN", "-b", "gsm8k", "--data", "x"], "--data belongs to one --benchmark"),
        (["OWN", "-b", "OWN", "--workers", "1", "--out", "/no/such/folder/r.json"], "cannot write the report to"),
        (["OWN"], "Missing option '--benchmark'"),
        (["OWN", "-b", "OWN", "--workers", "0"], "Invalid value for '--workers'"),
    ],
)
def test_misuse_is_told_in_a_line(
    arguments: list[str], message: str, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*(own if argument == "OWN" else argument for argument in arguments)) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
