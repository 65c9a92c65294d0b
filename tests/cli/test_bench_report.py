"""A report is printed as tables, and is plain data as JSON."""

import json
from pathlib import Path

import pytest

from abruzzi.cli.bench_record import describe_run
from abruzzi.cli.bench_report import Report, print_reports, to_json, write_json
from abruzzi.cli.ratios import Ratio
from abruzzi.errors import RecordError

REPORTS = {
    "one": Report("first title", [{"way": "a", "cpu_s": 1.234}], [Ratio("a / b", 0.41, 0.4, 0.42, 5, 0.5)]),
    "two": Report("second title", [{"way": "c", "cpu_s": 5}], [Ratio("c / d", 0.9, 0.8, 1.1, 5, 0.4)]),
}


def test_tables_hold_rows_and_then_all_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    print_reports(REPORTS, describe_run("abruzzi bench all"))
    out = capsys.readouterr().out
    assert out.index("first title") < out.index("second title") < out.index("ours as a multiple")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines()]
    assert ["a / b", "0.41", "[0.40, 0.42]", "5", "≤ 0.5", "met"] in rows
    assert ["c / d", "0.90", "[0.80, 1.10]", "5", "≤ 0.4", "missed"] in rows
    assert ["a", "1.23"] in rows
    assert "abruzzi bench all · commit" in out


def test_json_holds_the_same_and_where_it_was_made(tmp_path: Path) -> None:
    out = tmp_path / "new" / "bench.json"
    write_json(to_json(REPORTS, {"commit": "abc"}), out)
    data = json.loads(out.read_text())
    assert data["record"] == {"commit": "abc"}
    assert list(data["benches"]) == ["one", "two"]
    assert data["benches"]["two"]["rows"] == [{"way": "c", "cpu_s": 5}]
    assert data["benches"]["one"]["ratios"][0]["verdict"] == "met"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"bench\.json"):
        write_json({}, tmp_path / "file" / "bench.json")
