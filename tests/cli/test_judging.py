"""``abruzzi eval judge``: real evaluations, one judge that knows and one that always names the same place."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Done, run
from tests.evaluation.steady import steady_reply, write_sums
from tests.faultserver import FaultServer


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(lambda seen: steady_reply(seen, token_s=0.0)) as server:
        yield server


def sample(server: FaultServer, home: Path, *, runs: int) -> Path:
    items = write_sums(home / "sums.jsonl", 5)
    out = home / "runs/single"
    model = ("--model", f"{server.base_url}#m", "--max-tokens", "64")
    done = run(home, "eval", "run", str(items), *model, "--system", "single", "--runs", str(runs), "--out", str(out))
    assert done.code == 0, done.err
    return out


def judge(home: Path, evaluation: Path, *judges: str) -> Done:
    named = (part for spec in judges for part in ("--judge", spec))
    return run(home, "eval", "judge", str(evaluation), *named, "--out", str(home / "runs/judges"))


def test_a_judge_that_knows_is_told_from_one_that_names_a_place(server: FaultServer, tmp_path: Path) -> None:
    evaluation = sample(server, tmp_path, runs=4)
    stubborn = f"{server.base_url}#m"
    done = judge(tmp_path, evaluation, "scripted", stubborn)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "runs/judges/judges.json").read_text())
    assert found["num_pairs"] >= 4
    knows, names_a_place = (found["scores"][spec] for spec in ("scripted", stubborn))
    assert (knows["choices"]["accuracy"]["value"], knows["flip_rate"]["value"]) == (1.0, 0.0)
    assert (names_a_place["choices"]["accuracy"]["value"], names_a_place["flip_rate"]["value"]) == (0.5, 1.0)
    assert names_a_place["first_share"]["value"] in (0.0, 1.0)
    assert set(found["baselines"]) == {"majority of the item's other replies", "likelihood"}
    assert "| scripted | 100.0" in done.out
    assert (tmp_path / "runs/judges/judges.md").read_text().strip() == done.out.strip()

    num_asked = len(server.records)
    assert judge(tmp_path, evaluation, "scripted", stubborn).out == done.out
    assert len(server.records) == num_asked  # every vote was kept


def test_without_a_right_and_a_wrong_reply_to_an_item_there_is_nothing_to_judge(
    server: FaultServer, tmp_path: Path
) -> None:
    done = judge(tmp_path, sample(server, tmp_path, runs=1), "scripted")
    assert done.code == 2
    assert "--runs 4" in done.err
    assert "Traceback" not in done.err
