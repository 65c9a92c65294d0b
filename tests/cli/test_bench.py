"""The benches print what they promise."""

from pathlib import Path

import pytest

from abruzzi.cli.ratios import median_ratio
from tests.cli.running import run

MOST_CALLS = {
    "hard, three agree": 4,
    "hard, two agree": 4,
    "hard, two answers and one without": 6,
    "hard, three answers": 8,
    "easy, three agree": 4,
}


def test_ratios_are_taken_pair_by_pair() -> None:
    assert median_ratio([2.0, 30.0, 4.0], [1.0, 10.0, 4.0]) == 2.0


@pytest.mark.slow
def test_calls_and_wall_time_against_the_published_pipeline(tmp_path: Path) -> None:
    rows = run(tmp_path, "bench", "pipeline", "--repeats", "3", "--json").json["rows"]
    assert len(rows) == 10
    for row in rows:
        assert row["calls"] <= MOST_CALLS[row["scenario"]]
        assert row["published_calls"] == (11 if row["scenario"].startswith("hard") else 8)
        assert row["wall_ratio"] <= 1.1
        if row["delays"] == "equal" and "three agree" in row["scenario"]:
            assert row["wall_ratio"] <= 0.75
