"""``abruzzi eval``: real commands against a real socket; only the model is missing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Done, run
from tests.evaluation.steady import steady_reply, write_sums
from tests.faultserver import Action, FaultServer, Seen, refuse


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(lambda seen: steady_reply(seen, token_s=0.0)) as server:
        yield server


def evaluate(server: FaultServer, home: Path, out: str, *options: str, system: str = "single") -> Done:
    items = home / "sums.jsonl"
    if not items.exists():
        write_sums(items, 5)
    model = ("--model", f"{server.base_url}#m", "--max-tokens", "64")
    return run(
        home, "eval", "run", str(items), *model, "--runs", "2", "--system", system, "--out", str(home / out), *options
    )


def test_a_run_is_stored_whole_and_the_same_command_asks_nothing_more(server: FaultServer, tmp_path: Path) -> None:
    first = evaluate(server, tmp_path, "runs/single")
    assert first.code == 0, first.err
    assert "10 of 10, score 0." in first.err
    samples = [json.loads(line) for line in (tmp_path / "runs/single/samples.jsonl").read_text().splitlines()]
    assert {(row["item"], row["repeat"]) for row in samples} == {(f"s{k}", r) for k in range(1, 6) for r in (0, 1)}
    protocol = json.loads((tmp_path / "runs/single/protocol.json").read_text())
    assert protocol["ask"]["temperature"] == 1.0
    assert protocol["ask"]["top_p"] == 0.95
    assert protocol["models"] == {"solver": {"spec": f"{server.base_url}#m", "name": "m", "sha256": None}}
    num_asked = len(server.records)
    assert evaluate(server, tmp_path, "runs/single").code == 0
    assert len(server.records) == num_asked


def test_another_protocol_is_refused_by_the_folder_and_named(server: FaultServer, tmp_path: Path) -> None:
    evaluate(server, tmp_path, "runs/single")
    refused = evaluate(server, tmp_path, "runs/single", "--temperature", "0.5")
    assert refused.code == 2
    assert "ask.temperature is 1.0 there and 0.5 now" in refused.err
    ablation = run(tmp_path, "eval", "ablate", str(tmp_path / "sums.jsonl"), "--out", str(tmp_path / "runs/single"),
                   "--model", f"{server.base_url}#m")  # fmt: skip
    assert ablation.code == 2
    assert "another kind" in ablation.err


def test_two_systems_make_a_report_and_a_comparison(server: FaultServer, tmp_path: Path) -> None:
    evaluate(server, tmp_path, "runs/single")
    full = evaluate(server, tmp_path, "runs/full", system="full,stop_early=false")
    assert full.code == 0, full.err
    done = run(tmp_path, "eval", "report", str(tmp_path / "runs"), "--out", str(tmp_path / "report"), "--title", "Sums")
    assert done.code == 0, done.err
    assert done.out.split() == [str(tmp_path / "report" / name) for name in ("report.md", "report.html")]
    text = (tmp_path / "report/report.md").read_text()
    assert "# Sums" in text
    assert "full,stop\\_early=false" in text or "full,stop_early=false" in text
    assert "<svg" in (tmp_path / "report/report.html").read_text()
    compared = run(tmp_path, "eval", "compare", str(tmp_path / "runs"))
    assert compared.code == 0, compared.err


def test_unequal_settings_have_no_place_in_one_table_unless_asked_for(server: FaultServer, tmp_path: Path) -> None:
    evaluate(server, tmp_path, "runs/warm")
    evaluate(server, tmp_path, "runs/cool", "--temperature", "0.1", system="single,n=1")
    report = ("eval", "report", str(tmp_path / "runs"), "--out", str(tmp_path / "report"))
    refused = run(tmp_path, *report)
    assert refused.code == 2
    assert "temperature: " in refused.err
    assert "--mixed" in refused.err
    assert run(tmp_path, *report, "--mixed").code == 0
    assert "temperature: " in (tmp_path / "report/report.md").read_text()


def test_a_failing_endpoint_is_waited_for_and_a_lost_sample_is_shown_as_failed(tmp_path: Path) -> None:
    num_down = 3

    def act(seen: Seen) -> Action:
        return refuse(503) if seen.order < num_down else steady_reply(seen, token_s=0.0)

    with FaultServer(act) as server:
        done = evaluate(server, tmp_path, "patient", "--parallel", "1")
        assert done.code == 0, done.err
        assert "10 of 10" in done.err
    with FaultServer(lambda seen: refuse(400, "no such thing")) as server:
        done = evaluate(server, tmp_path, "broken", "--parallel", "1")
    assert done.code == 1
    assert "10 samples failed in a row" in done.err
    assert "no such thing" in done.err
    rows = [json.loads(line) for line in (tmp_path / "broken/samples.jsonl").read_text().splitlines()]
    assert {row["outcome"] for row in rows} == {"failed"}
    report = run(tmp_path, "eval", "report", str(tmp_path / "broken"), "--out", str(tmp_path / "report"))
    assert report.code == 2
    assert "no scored sample" in report.err


def test_an_ablation_makes_its_table_and_goes_on_without_asking_again(server: FaultServer, tmp_path: Path) -> None:
    items = write_sums(tmp_path / "sums.jsonl", 4)
    command = ("eval", "ablate", str(items), "--model", f"{server.base_url}#m", "--max-tokens", "64", "--runs", "4",
               "--judged-runs", "2", "--out", str(tmp_path / "ablation"))  # fmt: skip
    done = run(tmp_path, *command)
    assert done.code == 0, done.err
    for label in ("base (one sample)", "+ best-of-3 (judge)", "+ plan", "another item's plan", "plain majority of"):
        assert label in done.out, done.out
    num_asked = len(server.records)
    again = run(tmp_path, *command)
    assert again.out == done.out
    assert len(server.records) == num_asked
    assert (tmp_path / "ablation/report.md").is_file()
    unjudged = run(tmp_path, *command[:-4], "--judged-runs", "0", "--limit", "1", "--out", str(tmp_path / "unjudged"))
    assert unjudged.code == 0, unjudged.err
    assert "judge" not in json.loads((tmp_path / "unjudged/ablation.json").read_text())["models"]


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    for arguments, code, says in (
        (("eval", "run", "gsm9k", *out), 2, "did you mean 'gsm8k'"),
        (("eval", "run", "absent.jsonl", *out), 2, "absent.jsonl"),
        (("eval", "run", "gsm8k", "--runs", "0", *out), 2, "--runs must be at least 1"),
        (("eval", "run", "gsm8k", "--system", "best", *out), 2, "unknown system 'best'"),
        (("eval", "ablate", "gsm8k", "--runs", "2", "--n", "3", *out), 2, "n=3 is more than the runs=2"),
        (("eval", "report", str(tmp_path)), 2, "holds no evaluation"),
        (("eval", "compare", str(tmp_path / "absent")), 2, "holds no evaluation"),
    ):
        done = run(tmp_path, *arguments)
        assert done.code == code, done.err
        assert says in done.err
        assert "Traceback" not in done.err
        assert len(done.err.splitlines()) == 1


def test_benchmarks_are_listed_and_their_own_answers_checked(tmp_path: Path) -> None:
    shown = run(tmp_path, "eval", "list", env={"COLUMNS": "200"})
    assert "omni-math-hard" in shown.out
    items = write_sums(tmp_path / "sums.jsonl", 3)
    checked = run(tmp_path, "eval", "check", str(items))
    assert checked.code == 0, checked.err
    assert "3 of 3 pass" in checked.out
