import json
import re
from pathlib import Path

import pytest

from abruzzi.cli.grading import open_grader
from abruzzi.errors import ConfigError, ModelError
from tests.cli.running import run
from tests.faultserver import Answer, FaultServer, Seen, refuse, say


def agree(seen: Seen) -> Answer:
    """Say that the answer means the same, in the form that the prompt asks for."""
    code = re.search(r"the code (\w+)\.", seen.prompt)
    return say(f"{code[1]} SAME" if code else "fine")


def test_a_model_decides_on_free_text(tmp_path: Path) -> None:
    record = {
        "id": "a",
        "data_source": "stem_web",
        "response": "\\boxed{six times seven}",
        "ground_truth": "forty-two",
        "extra": {"question": "What is 6 times 7, in words?"},
    }
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(record))
    with FaultServer(agree) as server:
        done = run(tmp_path, "verify", str(path), "--grader", f"{server.base_url}#m")
    assert done.code == 0, done.err
    assert done.json["outcome"] == "correct"
    assert "grader: calls 1, " in done.err
    assert run(tmp_path, "verify", str(path)).json["outcome"] == "error"


def test_replies_come_back_and_failures_are_raised(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer([say("one", "two"), refuse(401)]) as server:
        with open_grader(f"{server.base_url}#m") as grade:
            assert grade("?") == "one"
            with pytest.raises(ModelError):
                grade("?")
        assert "grader: calls 2, " in capsys.readouterr().err


def test_a_reply_that_is_cut_off_decides_nothing() -> None:
    cut = say("I think that")
    cut = Answer(tuple(type(said)(said.text, finish_reason="length") for said in cut.choices))
    with (
        FaultServer([cut]) as server,
        open_grader(f"{server.base_url}#m") as grade,
        pytest.raises(ModelError, match="ended by length"),
    ):
        grade("?")


def test_an_unknown_model_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), open_grader("nonsense"):
        pass
    path = tmp_path / "rows.jsonl"
    path.write_text("")
    assert run(tmp_path, "verify", str(path), "--grader", "nonsense").code == 2
