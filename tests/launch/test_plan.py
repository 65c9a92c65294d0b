import json

from abruzzi.launch.choices import Engine
from abruzzi.launch.layout import Wanted
from abruzzi.launch.plan import make_plan
from abruzzi.launch.report import describe_plan, plan_to_json
from abruzzi.launch.speculation import Speculation, SpeculationKind
from tests.launch.small import want


def notes(wanted: Wanted, engine: Engine = Engine.VLLM) -> str:
    return "\n".join(make_plan(wanted, engine).notes)


def test_every_setting_has_a_reason_of_one_line() -> None:
    for engine in Engine:
        for setting in make_plan(want(count=8), engine).settings:
            assert 0 < len(setting.reason) <= 100, setting
            assert "\n" not in setting.reason


def test_yaml_names_the_model_as_each_engine_calls_it() -> None:
    assert '\nmodel: "Qwen/Qwen2.5-32B"\n' in make_plan(want(count=2)).yaml
    assert '\nmodel-path: "Qwen/Qwen2.5-32B"\n' in make_plan(want(count=2), Engine.SGLANG).yaml


def test_notes_warn_of_what_a_setting_cannot_say() -> None:
    assert notes(want(count=2, tensor_parallel=2)) == ""
    assert "no replica holds 64 sequences" in notes(want(count=2, n=64))
    assert "may meet another" in notes(want(count=8))
    assert "estimated from" in notes(want(count=2, speculation=Speculation(SpeculationKind.EAGLE, "h")))


def test_the_text_holds_memory_settings_and_command() -> None:
    plan = make_plan(want(count=8))
    text = describe_plan(plan)
    assert text.startswith("Qwen/Qwen2.5-32B on 8xh100, vllm 0.33.0: 4 replicas of 2 cards\n")
    assert "weights                30.5 GiB  bf16, a share of 2\n" in text
    assert "8 sequences of 32,768 tokens side by side on each replica, 32 in all: 8 questions with 3 candidates" in text
    assert plan.shell in text
    assert text.endswith(f"note: {plan.notes[-1]}")


def test_a_long_value_does_not_push_all_reasons_away() -> None:
    plan = make_plan(want(count=2, speculation=Speculation(SpeculationKind.SUFFIX)))
    table = describe_plan(plan).split("\n\n")[2].splitlines()
    assert len(table) == len(plan.settings) + 1
    assert table[-1].strip() == plan.settings[-1].reason


def test_the_json_is_whole_and_in_bytes() -> None:
    plan = make_plan(want(count=8, speculation=Speculation(SpeculationKind.NGRAM)))
    data = json.loads(json.dumps(plan_to_json(plan)))
    assert data["memory"]["weights_bytes"] == 32_763_876_352
    assert data["memory"]["kv_bytes_per_token"] == 131_072
    memory = data["memory"]
    rest = memory["weights_bytes"] + memory["draft_weights_bytes"] + memory["workspace_bytes"]
    assert memory["usable_bytes"] == rest + memory["kv_bytes"]
    assert memory["kv_tokens"] == memory["kv_bytes"] // memory["kv_bytes_per_token"]
    assert data["settings"].keys() == data["reasons"].keys()
    assert data["settings"]["speculative-config"]["method"] == "ngram"
    assert (data["tensor_parallel"], data["data_parallel"], data["hardware"]) == (2, 4, "8xh100")
