"""``abruzzi ask`` as a person runs it."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abruzzi.records import EVENTS_FILE
from tests.cli.running import environment, run, run_afresh
from tests.faultserver import FaultServer, Seen, refuse, say, web_page
from tests.reasoning.asking import PLAN

QUESTION = "What is 17 + 25?"
SCRIPTED = ("-m", "scripted")


def test_stdout_holds_the_answer_and_nothing_else(tmp_path: Path) -> None:
    done = run_afresh(tmp_path, "ask", QUESTION, *SCRIPTED)
    assert (done.code, done.out) == (0, "42\n")
    assert "plan: planned" in done.err


def test_json_is_one_object_with_the_promised_keys(tmp_path: Path) -> None:
    done = run(tmp_path, "ask", QUESTION, *SCRIPTED, "--json")
    found = done.json
    assert done.code == 0
    assert set(found) >= {
        "question",
        "plan",
        "candidates",
        "judgements",
        "answer",
        "decided_by",
        "ledger",
        "seconds",
        "settings",
    }
    assert set(found["candidates"][0]) >= {
        "index",
        "text",
        "reasoning",
        "answer",
        "finish_reason",
        "cluster",
        "seconds",
    }
    assert set(found["ledger"]) == {"calls", "totals"}
    assert (found["question"], found["answer"], found["decided_by"]) == (QUESTION, "42", "agreement")
    assert (found["settings"]["n"], found["models"]["solver"]) == (3, "scripted")


def test_events_are_json_lines_that_end_with_the_answer(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in run(tmp_path, "ask", QUESTION, *SCRIPTED, "--events").out.splitlines()]
    assert rows[-1]["event"] == "answered"
    assert any(row["event"] == "candidate_delta" for row in rows)


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_question_may_come_from_stdin(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(tmp_path, "ask", *arguments, *SCRIPTED, stdin="What is 2 + 3?\n").out == "5\n"


def test_the_question_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("What is 6 x 7?")
    assert run(tmp_path, "ask", "-f", str(tmp_path / "q.txt"), *SCRIPTED).out == "42\n"


MISUSES = {
    "empty question": (["ask", "  ", *SCRIPTED], "empty"),
    "unknown spec": (["ask", QUESTION, "-m", "embeded"], "did you mean 'embedded'"),
    "N = 0": (["ask", QUESTION, *SCRIPTED, "--n", "0"], "n: .*0"),
    "N = 1000": (["ask", QUESTION, *SCRIPTED, "--n", "1000"], "n: .*1000"),
    "unknown option": (["ask", QUESTION, "--samples", "3"], "No such option"),
    "missing file": (["ask", "-f", "/nowhere/q.txt"], "cannot read the question"),
    "two questions": (["ask", QUESTION, "-f", "/etc/hostname"], "use one of them"),
    "two outputs": (["ask", QUESTION, "--json", "--events"], "choose one"),
    "two plans": (["ask", QUESTION, "--no-plan", "--always-plan"], "choose one"),
    "missing settings": (["ask", QUESTION, "--config", "/nowhere.toml"], "cannot read the settings"),
    "deadlines crossed": (["ask", QUESTION, "--soft-deadline", "9", "--deadline", "3"], "is after"),
    "unknown preset": (["ask", QUESTION, "--preset", "magic"], "preset"),
    "no such run": (["show", "nothing"], "no runs"),
    "no key": (["ask", QUESTION, "-m", "cerebras:gpt-oss-120b"], "CEREBRAS_API_KEY"),
}


@pytest.mark.parametrize(("arguments", "said"), MISUSES.values(), ids=list(MISUSES))
def test_misuse_is_one_clear_line_and_exit_code_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    import re

    done = run(tmp_path, *arguments)
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1
    assert re.search(said, done.err)
    assert "Traceback" not in done.err


def test_a_question_of_a_megabyte_says_the_limit_and_the_context(tmp_path: Path) -> None:
    done = run(tmp_path, "ask", *SCRIPTED, stdin="x" * 1_000_000)
    assert done.code == 2
    assert "1,000,000" in done.err
    assert "8,192 tokens" in done.err


FAILURES = {
    "wrong key": (refuse(401, "bad key"), "ABRUZZI_API_KEY"),
    "a web page": (web_page(), "web page"),
    "a bad request": (refuse(400, "nope"), "nope"),
}


@pytest.mark.parametrize(("fault", "said"), FAILURES.values(), ids=list(FAILURES))
def test_a_failing_endpoint_is_exit_code_1_with_its_reason(tmp_path: Path, fault: object, said: str) -> None:
    with FaultServer([fault] * 9) as server:  # pyright: ignore[reportArgumentType] -- any action
        done = run(tmp_path, "ask", QUESTION, "-m", f"{server.base_url}#m", "--no-plan", "--json")
    assert done.code == 1
    assert said in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    assert done.json["answer"] is None
    assert said in done.json["error"]["message"]


def test_a_closed_port_is_exit_code_1(tmp_path: Path) -> None:
    done = run(tmp_path, "ask", QUESTION, "-m", "http://127.0.0.1:9/v1#m")
    assert done.code == 1
    assert "127.0.0.1:9" in done.err
    assert "Traceback" not in done.err


def test_settings_come_from_a_file_and_options_win(tmp_path: Path) -> None:
    (tmp_path / "abruzzi.toml").write_text('[ask]\nn = 5\nplan = "off"\n[models]\nsolver = "scripted"\n')
    found = run(tmp_path, "ask", QUESTION, "--dry-run", "--n", "2", cwd=tmp_path).json
    assert (found["settings"]["n"], found["settings"]["plan"], found["models"]["solver"]) == (2, "off", "scripted")


def test_every_question_is_recorded_and_can_be_shown(tmp_path: Path) -> None:
    asked = run(tmp_path, "ask", QUESTION, *SCRIPTED, "--json").json
    shown = run(tmp_path, "show", "last", "--json").json
    for key in ("question", "plan", "candidates", "judgements", "answer", "decided_by", "ledger", "settings", "run"):
        assert shown[key] == asked[key]
    drawn = run(tmp_path, "show", asked["run"], "--full")
    assert drawn.code == 0
    assert "a majority agreed" in drawn.out


def test_no_record_leaves_nothing(tmp_path: Path) -> None:
    run(tmp_path, "ask", QUESTION, *SCRIPTED, "--no-record")
    assert not (tmp_path / "runs").exists()


def slow_server() -> FaultServer:
    """Plans, gives one candidate at once, and takes minutes over the others."""

    def script(seen: Seen) -> object:
        if seen.schema_name == "plan":
            return say(json.dumps(PLAN))
        from tests.faultserver import Said

        slow = Said("word " * 5000, token_s=0.05)
        return say("<answer>42</answer>", slow, slow)

    return FaultServer(script)  # pyright: ignore[reportArgumentType] -- any action


def wait_for_candidate(home: Path) -> Path:
    """Wait until the first candidate is on disk."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for path in home.glob(f"runs/*/{EVENTS_FILE}"):
            if '"candidate_ended"' in path.read_text():
                return path
        time.sleep(0.05)
    raise TimeoutError("no candidate was recorded")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_what_is_finished_survives_ctrl_c_and_kill(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with slow_server() as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "abruzzi", "ask", QUESTION, "-m", f"{server.base_url}#m", "--json"],
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_for_candidate(tmp_path)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        server.wait_until_idle()
    assert process.returncode == code
    assert b"Traceback" not in err
    if number is signal.SIGINT:
        found = json.loads(out)
        assert found["error"]["kind"] == "Interrupted"
        assert found["candidates"][0]["answer"] == "42"
        assert {c["finish_reason"] for c in found["candidates"]} == {"stop", "cancelled"}
    shown = run(tmp_path, "show", "last", "--json").json
    assert shown["candidates"][0]["answer"] == "42"


def test_in_a_terminal_the_story_is_drawn_live(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "abruzzi", "ask", QUESTION, *SCRIPTED],
        env=environment(tmp_path, {"TERM": "xterm-256color"}),
        stdin=child,
        stdout=child,
        stderr=subprocess.PIPE,
    )
    os.close(child)
    drawn = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        if not piece:
            break
        drawn += piece
    os.close(parent)
    assert process.wait(timeout=20) == 0
    assert process.stderr is not None
    process.stderr.close()
    text = drawn.decode()
    assert "candidate 3" in text
    assert "a majority agreed" in text


def test_a_reader_that_has_seen_enough_is_fine(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "abruzzi", "ask", QUESTION, *SCRIPTED, "--events"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as err:
        said = err.read()
    assert process.wait(timeout=20) == 0
    assert b"Traceback" not in said


def test_version_and_help(tmp_path: Path) -> None:
    assert run_afresh(tmp_path, "--version").out.startswith("abruzzi 0.")
    listed = run_afresh(tmp_path, "--help").out
    for command in ("ask", "show", "verify", "models", "bench"):
        assert command in listed
        assert run(tmp_path, command, "--help").code == 0
