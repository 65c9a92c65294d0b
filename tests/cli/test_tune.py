"""``abruzzi engine tune``, with a model so small that it takes a moment."""

import json
from pathlib import Path

import pytest

from abruzzi.engine.speculation_choice import OFF, OFF_AGAIN
from tests.cli.running import run
from tests.engine.small_model import write_small_model

SHORT = ("--rounds", "1", "--tokens", "4", "--n", "2", "--method", "ngram-simple")


@pytest.mark.engine
def test_it_measures_chooses_and_keeps_the_answer(tmp_path: Path) -> None:
    model = f"embedded:{write_small_model(tmp_path)}"
    done = run(tmp_path, "engine", "tune", "-m", model, *SHORT, "--every")
    assert done.code == 0, done.err
    assert "chosen: off; where several users ask: off" in done.out
    assert "ngram-simple, alone: " in done.out
    assert "round 1 of 1; methods in it from here: ngram-simple" in done.err
    (path,) = tmp_path.rglob("speculation.json")
    (entry,) = json.loads(path.read_text())
    assert entry["circumstances"]["slots"] == 2
    assert entry["methods"][0]["speculation"]["method"] == "ngram-simple"
    data = run(tmp_path, "engine", "tune", "-m", model, *SHORT, "--json").json
    assert data["chosen"] == {"one user": "off", "several users": "off"}
    assert data["best_by_load"] == {"alone": "off", "full": "off"}
    assert data["differing"] == []
    assert {one["name"] for one in data["timings"]} == {OFF, OFF_AGAIN, "ngram-simple"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-m", "http://localhost:1/v1"), "does not run in the embedded engine"),
        (("-m", "embedded:m.gguf", "--method", "guessing"), "unknown speculation 'guessing'"),
        (("-m", "embedded:m.gguf", "--method", "draft-eagle3"), "needs a head trained for the one model"),
        (("-m", "embedded:m.gguf", "--method", "off"), "nothing to hold against off"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_exit_code_2(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = run(tmp_path, "engine", "tune", *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
