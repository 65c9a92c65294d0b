import json
import shlex

from abruzzi.launch.setting import Setting, to_arguments, to_shell, to_yaml

SETTINGS = (
    Setting("tensor-parallel-size", 2, "fits"),
    Setting("gpu-memory-utilization", 0.9, "rest"),
    Setting("enable-prefix-caching", True, "shared"),
    Setting("speculative-config", {"method": "ngram", "num_speculative_tokens": 5}, "copies"),
    Setting("model", "/models/it's one", "a path"),
)


def test_a_switch_is_a_word_and_a_mapping_is_json() -> None:
    assert to_arguments(SETTINGS[:4]) == [
        *("--tensor-parallel-size", "2", "--gpu-memory-utilization", "0.9", "--enable-prefix-caching"),
        *("--speculative-config", '{"method": "ngram", "num_speculative_tokens": 5}'),
    ]


def test_a_shell_reads_what_was_meant() -> None:
    text = to_shell(("vllm", "serve", "a b"), SETTINGS)
    assert text.count("\\\n") == len(SETTINGS)
    assert shlex.split(text.replace("\\\n", " ")) == ["vllm", "serve", "a b", *to_arguments(SETTINGS)]


def test_yaml_holds_a_reason_and_a_json_value_for_each() -> None:
    lines = to_yaml(SETTINGS).splitlines()
    assert lines[::2] == [f"# {setting.reason}" for setting in SETTINGS]
    read = {name: json.loads(value) for name, _, value in (line.partition(": ") for line in lines[1::2])}
    assert read["enable-prefix-caching"] is True
    assert read["tensor-parallel-size"] == 2
    assert read["model"] == "/models/it's one"
    assert json.loads(read["speculative-config"]) == SETTINGS[3].value
