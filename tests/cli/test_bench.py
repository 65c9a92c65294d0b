"""The benches print what they promise."""

from pathlib import Path

import pytest

from tests.cli.running import run

MOST_CALLS = {
    "hard, three agree": 4,
    "hard, two agree": 4,
    "hard, two answers and one without": 6,
    "hard, three answers": 8,
    "easy, three agree": 4,
}


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "bench", "embedded", "-m", "http://localhost:9/v1")
    assert done.code == 2
    assert "embedded" in done.err


@pytest.mark.slow
def test_calls_and_wall_time_against_the_published_pipeline(tmp_path: Path) -> None:
    bench = run(tmp_path, "bench", "pipeline", "--repeats", "3", "--json").json["benches"]["pipeline"]
    assert len(bench["rows"]) == len(bench["ratios"]) == 10
    for row, ratio in zip(bench["rows"], bench["ratios"], strict=True):
        assert row["calls"] <= MOST_CALLS[row["scenario"]]
        assert row["published_calls"] == (11 if row["scenario"].startswith("hard") else 8)
        assert row["wall_ratio"] == ratio["ratio"] <= 1.1
        assert ratio["low"] <= ratio["ratio"] <= ratio["high"]
        if row["delays"] == "equal" and "three agree" in row["scenario"]:
            assert row["wall_ratio"] <= 0.75
