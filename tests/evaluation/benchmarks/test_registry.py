import re
from pathlib import Path

import pytest

from abruzzi.errors import ConfigError
from abruzzi.evaluation.benchmarks.benchmark import Benchmark
from abruzzi.evaluation.benchmarks.registry import find_benchmark, list_benchmarks
from tests.evaluation.benchmarks.layouts import write_lines

BENCHMARKS = list_benchmarks()
COMMIT = re.compile(r"[0-9a-f]{40}|unpinned")


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda b: b.name)
def test_a_benchmark_states_what_a_reader_must_know(benchmark: Benchmark) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", benchmark.name)
    assert re.match(r"(hf|github):[\w.-]+/[\w.-]+", benchmark.source)
    assert COMMIT.fullmatch(benchmark.revision)
    assert benchmark.num_items >= 30
    assert benchmark.title
    assert benchmark.licence
    assert benchmark.scorer
    assert all(note.endswith(".") for note in benchmark.notes)
    assert (benchmark.revision == "unpinned") == any("could be verified" in note for note in benchmark.notes)
    assert find_benchmark(benchmark.name) is benchmark


def test_names_and_titles_are_unique() -> None:
    assert len({benchmark.name for benchmark in BENCHMARKS}) == len(BENCHMARKS)
    assert len({benchmark.title for benchmark in BENCHMARKS}) == len(BENCHMARKS)


def test_the_sets_of_the_paper_are_there() -> None:
    paper = {"aime-2024": 30, "aime-2025": 30, "hmmt-feb-2025": 30, "omni-math-hard": 173, "gpqa-diamond": 198}
    assert {name: find_benchmark(name).num_items for name in paper} == paper
    assert {"livecodebench-v5", "scicode", "scicode-main", "hle"} <= {benchmark.name for benchmark in BENCHMARKS}


def test_replies_that_are_code_do_not_stop_at_a_tag() -> None:
    stops = {benchmark.name: benchmark.sampling.stop for benchmark in BENCHMARKS}
    assert [stops[name] for name in ("humaneval", "mbpp", "livecodebench-v5", "scicode", "guru-codeio")] == [()] * 5
    assert [stops[name] for name in ("gsm8k", "gpqa-diamond", "guru-zebra")] == [("</answer>",)] * 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gsm9k", r"unknown benchmark 'gsm9k'; did you mean 'gsm8k'\?"),
        ("aime", r"unknown benchmark 'aime'; did you mean '.*aime.*'\?"),
        ("nothing like it", r"unknown benchmark 'nothing like it'; known: aime-2024, "),
        ("none.jsonl", r"there is no file 'none.jsonl'; give the path of a JSON Lines file"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_benchmark(name)


def test_a_path_is_a_benchmark_of_ones_own(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", {"question": "1+1?", "answer": "2"})
    assert [item.question for item in find_benchmark(str(path)).load(None)] == ["1+1?"]


def test_a_generated_set_is_named_by_its_spec() -> None:
    assert find_benchmark("reasoning-gym:gcd?size=5").num_items == 5
