"""``abruzzi engine``."""

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.running import run

MODEL = ("--model", "Qwen/Qwen2.5-32B")


def test_a_plan_is_text_with_the_command_in_it(tmp_path: Path) -> None:
    done = run(tmp_path, "engine", "plan", *MODEL, "--hardware", "8xh100", "--speculation", "suffix")
    assert done.code == 0, done.err
    assert "vllm serve Qwen/Qwen2.5-32B" in done.out
    assert "note: suffix decoding needs arctic-inference" in done.out


def test_shell_json_and_yaml_say_the_same(tmp_path: Path) -> None:
    wanted = ("engine", "plan", *MODEL, "--hardware", "2xh200", "--engine", "sglang", "--kv-cache", "fp8")
    words = shlex.split(run(tmp_path, *wanted, "--format", "shell").out.replace("\\\n", " "))
    data = run(tmp_path, *wanted, "--json").json
    lines = run(tmp_path, *wanted, "--format", "yaml").out.splitlines()
    yaml = {name: json.loads(value) for name, _, value in (line.partition(": ") for line in lines[1::2])}
    assert words[:4] == data["command"] == ["sglang", "serve", "--model-path", "Qwen/Qwen2.5-32B"]
    assert yaml == {"model-path": "Qwen/Qwen2.5-32B", **data["settings"]}
    assert words[words.index("--kv-cache-dtype") + 1] == yaml["kv-cache-dtype"] == "fp8_e4m3"


def test_a_model_may_borrow_its_bases_shape(tmp_path: Path) -> None:
    own = run(tmp_path, "engine", "plan", "--model", "LLM360/K2-Think", "--hardware", "2xh100")
    assert own.code == 2
    assert "the shape of 'LLM360/K2-Think' is not known" in own.err
    lent = run(
        tmp_path,
        *("engine", "plan", "--model", "LLM360/K2-Think", "--hardware", "2xh100", "--shape", MODEL[1]),
        *("--format", "shell"),
    )
    assert lent.out.startswith("vllm serve LLM360/K2-Think ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--hardware", "24GiB"), "weights take 61.0 GiB"),
        (("--hardware", "h1000"), "unknown hardware 'h1000'"),
        (("--hardware", "8xh100", "--speculation", "eagle"), "names no head"),
        (("--hardware", "8xh100", "--speculation", "draft=nobody/knows"), "shape of 'nobody/knows' is not known"),
        (("--hardware", "8xh100", "--speculation", "suffix", "--engine", "sglang"), "no suffix decoding"),
        (("--hardware", "8xh100", "--tensor-parallel", "3"), "can be shared by 1, 2, 4, 8 cards"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    done = run(tmp_path, "engine", "plan", *MODEL, *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_the_embedded_model_needs_no_server(tmp_path: Path) -> None:
    done = run(tmp_path, "engine", "plan", "--model", "embedded", "--hardware", "h100")
    assert done.code == 2
    assert "needs no server" in done.err
