import json
from pathlib import Path

import pytest

from abruzzi.data.contamination.report import (
    BenchmarkFinding,
    Evidence,
    Kind,
    Match,
    Report,
    TrainingFile,
    read_report,
    write_report,
)
from abruzzi.errors import DataError

MATCH = Match("a/1", Kind.CONTAINED, 0.75, "train.jsonl", 17, Evidence("find x", "Find $x$"), "row-17", 3)
REPORT = Report(
    benchmarks=(BenchmarkFinding("own", "ab" * 32, 9, (MATCH,)), BenchmarkFinding("other", "cd" * 32, 4)),
    training=(TrainingFile("train.jsonl", 100, 2, 3, "line 5 is not JSON"),),
    settings={"near_similarity": 0.5},
    seconds=1.25,
)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_report(REPORT, path)
    assert read_report(path) == REPORT
    assert REPORT.num_dirty == 1


def test_the_file_has_the_documented_layout(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_report(REPORT, path)
    found = json.loads(path.read_text())
    assert list(found) == ["benchmarks", "training", "settings", "seconds", "version"]
    assert found["version"] == 1
    assert list(found["benchmarks"][0]) == ["name", "items_sha256", "num_items", "dirty"]
    assert found["benchmarks"][0]["dirty"] == [
        {
            "item": "a/1",
            "kind": "contained",
            "score": 0.75,
            "file": "train.jsonl",
            "row": 17,
            "evidence": {"benchmark": "find x", "train": "Find $x$"},
            "row_id": "row-17",
            "num_rows": 3,
        }
    ]
    assert found["training"][0] == {
        "file": "train.jsonl",
        "rows": 100,
        "malformed": 2,
        "dirty_rows": 3,
        "first_malformed": "line 5 is not JSON",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{broken", "is no contamination report"),
        ('{"benchmarks": []}', "is no contamination report: training: Field required"),
        ('{"benchmarks": [], "training": [], "version": 9}', "has version 9, this Abruzzi reads 1"),
    ],
)
def test_another_file_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_report(path)


def test_a_file_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        read_report(tmp_path / "missing.json")
    with pytest.raises(DataError, match=r"cannot write the report to .*No such file"):
        write_report(REPORT, tmp_path / "no" / "folder.json")
