"""``abruzzi train sft`` and ``grpo`` on a model of two layers: from a recipe to runs, and every misuse in one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from abruzzi.cli.main import main
from abruzzi.data.examples import Example, read_examples
from abruzzi.data.items import hash_items, read_items
from abruzzi.data.procedural import generate_items
from abruzzi.training.checkpoint import find_checkpoint
from abruzzi.training.material import gather_portions
from abruzzi.training.recipe import read_recipe
from tests.data.making import write_lines

SETTINGS = "{ min_terms = 2, max_terms = 2, min_digits = 1, max_digits = 1 }"
SFT = f"""
name = "toy-sft"
[model]
base = "scratch"
method = "full"
scratch = {{ hidden = 32, layers = 2, heads = 4, kv_heads = 2 }}
[data]
prompt = "bare"
held_out = 5
sources = [{{ kind = "procedural", task = "chain_sum", size = 40, settings = {SETTINGS} }}]
[sft]
max_steps = 3
max_tokens = 256
accumulation = 1
save_every = 2
"""
GRPO = f"""
name = "toy-grpo"
[model]
base = "scratch"
method = "full"
[data]
prompt = "bare"
held_out = 5
sources = [{{ kind = "procedural", task = "chain_sum", size = 40, seed = 2, settings = {SETTINGS} }}]
[grpo]
steps = 2
prompts_per_step = 2
group_size = 2
max_rounds = 1
max_tokens = 8
eval_samples = 1
"""


@pytest.fixture(name="folder")
def write_recipes(tmp_path: Path) -> Path:
    (tmp_path / "sft.toml").write_text(SFT)
    (tmp_path / "grpo.toml").write_text(GRPO)
    return tmp_path


def train(folder: Path, stage: str, *changes: str, out: str = "run", recipe: str = "") -> int:
    options = [option for change in changes for option in ("--set", change)]
    path = folder / f"{recipe or stage}.toml"
    return main(["train", stage, str(path), "--out", str(folder / out), *options])


def read_facts(run: Path) -> dict[str, Any]:
    return json.loads((run / "run.json").read_text())


def read_rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_from_recipes_to_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, "sft", out="sft") == 0
    out, err = capsys.readouterr()
    assert out == f"{folder}/sft: trained; next: abruzzi train report {folder}/sft\n"
    assert "sft: 1 of 3, loss " in err
    assert "sft: 3 of 3, loss " in err
    facts = read_facts(folder / "sft")
    assert (facts["stage"], facts["recipe"]["name"], facts["base"]) == ("sft", "toy-sft", "scratch")
    assert (facts["num_too_long"], facts["num_malformed"], facts["contamination"]) == (0, 0, None)
    assert 0 < facts["num_examples"] <= 40
    assert facts["num_parameters"] == facts["num_trained"] > 10_000
    assert [row["step"] for row in read_rows(folder / "sft")] == [1, 2, 3]
    before = (folder / "sft" / "metrics.jsonl").read_bytes()
    assert train(folder, "sft", out="sft") == 0, "the same command again finds all done"
    assert (folder / "sft" / "metrics.jsonl").read_bytes() == before
    capsys.readouterr()

    assert train(folder, "grpo", f"model.start={folder}/sft", out="grpo") == 0
    out, err = capsys.readouterr()
    assert out.endswith(f"next: abruzzi train report {folder}/grpo\n")
    assert "grpo: 0 of 2, held out 0.0% (" in err
    facts = read_facts(folder / "grpo")
    assert (facts["stage"], facts["num_held_out"]) == ("grpo", 5)
    assert [(row["kind"], row["step"]) for row in read_rows(folder / "grpo")] == [
        ("held_out", 0),
        ("step", 1),
        ("step", 2),
        ("held_out", 2),
    ]
    assert find_checkpoint(folder / "grpo") == folder / "grpo" / "checkpoints" / "step-000002"


def test_without_out_the_run_is_called_as_the_recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert main(["train", "sft", "sft.toml", "--set", "sft.max_steps=1"]) == 0
    assert read_facts(folder / "runs" / "toy-sft")["recipe"]["sft"]["max_steps"] == 1


def fail(capsys: pytest.CaptureFixture[str], code: int, wanted: int = 2) -> str:
    assert code == wanted
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err.splitlines()[-1]


@pytest.mark.parametrize(
    ("stage", "recipe", "changes", "says"),
    [
        ("sft", "none", [], "cannot read the recipe"),
        ("sft", "grpo", [], "has no table [sft]; did you mean 'abruzzi train grpo'?"),
        ("grpo", "sft", [], "has no table [grpo]; did you mean 'abruzzi train sft'?"),
        ("sft", "sft", ["sft.lr=1"], "sft.lr: Extra inputs are not permitted"),
        ("sft", "sft", ["sft.max_steps"], "write table.key=value, e.g. grpo.steps=20"),
        ("sft", "sft", ["sft.max_tokens=9"], "are longer than 9 tokens; raise sft.max_tokens"),
        ("sft", "sft", ["model.base=nothing"], "no model to train is called 'nothing'"),
        ("sft", "sft", ["data.held_out=5000"], "(at most 1 of one answer); widen its settings"),
        ("grpo", "grpo", [], "needs texts to make its tokenizer from, or a start"),
    ],
)
def test_misuse_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], stage: str, *, recipe: str, changes: list[str], says: str
) -> None:
    assert says in fail(capsys, train(folder, stage, *changes, recipe=recipe))
    assert not (folder / "run").exists()


def test_a_start_that_is_none_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fail(capsys, train(folder, "grpo", "model.start=nowhere"), wanted=1)
    assert "nowhere is neither a checkpoint nor a run with one" in message


def test_a_folder_is_of_one_recipe(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, "sft", "sft.max_steps=1") == 0
    capsys.readouterr()
    message = fail(capsys, train(folder, "sft", "sft.learning_rate=1e-5"))
    assert message.endswith("holds a run of another recipe: [sft] differs; take another --out")
    assert train(folder, "sft", "sft.max_steps=2") == 0
    assert [row["step"] for row in read_rows(folder / "run")] == [1, 2]


def write_benchmark(folder: Path) -> str:
    """Three items: one that is trained on, in other blanks and letters."""
    settings = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
    items = generate_items("chain_sum", 1, 1, settings)
    own = [{"id": "leaked", "question": f"  {items[0].question.upper()} ", "answer": items[0].ground_truth}]
    own += [{"id": str(n), "question": f"Who wrote book {n} of the great library?", "answer": "Ann"} for n in (1, 2)]
    return str(write_lines(folder / "own.jsonl", *own))


def test_what_matches_a_benchmark_stops_before_anything_is_trained(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark = f"data.benchmarks=['{write_benchmark(folder)}']"
    message = fail(capsys, train(folder, "sft", benchmark))
    assert "1 benchmark items are in the training data, first leaked (exact, " in message
    assert message.endswith("leave these rows out, or set data.allow_dirty = true and say so")
    assert not (folder / "run").exists()
    assert "1 benchmark items" in fail(capsys, train(folder, "grpo", benchmark, f"data.sources={SOURCE}"))
    assert train(folder, "sft", benchmark, "data.allow_dirty=true", "sft.max_steps=1") == 0
    assert read_facts(folder / "run")["contamination"] == {"num_dirty": 1, "benchmarks": [str(folder / "own.jsonl")]}


SOURCE = f"[{{ kind = 'procedural', task = 'chain_sum', size = 40, settings = {SETTINGS} }}]"


def test_rows_that_cannot_be_used_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [
        {"from": "human", "value": "2 + 2?"},
        {"from": "assistant", "value": "<think>So.</think><answer>4</answer>"},
    ]
    path = write_lines(folder / "math.jsonl", {"conversations": turns}, {"conversations": turns[:1]})
    source = f"data.sources=[{{ kind = 'am-thinking', path = '{path}' }}]"
    assert train(folder, "sft", source, "sft.max_steps=1") == 0
    err = capsys.readouterr().err
    assert f"1 rows cannot be used, first: {path}: " in err
    facts = read_facts(folder / "run")
    assert (facts["num_examples"], facts["num_malformed"]) == (1, 1)


def test_a_missing_package_is_named_before_anything_is_begun(folder: Path) -> None:
    script = "import sys; sys.modules['trl'] = None; from abruzzi.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "train", "sft", str(folder / "sft.toml"), "--out", str(folder / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "training needs the package trl" in done.stderr
    assert "abruzzi[train]" in done.stderr
    assert not (folder / "run").exists()


def test_what_is_held_out_is_written_for_evaluations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "held-out", str(folder / "grpo.toml"), "--out", str(folder / "held")]) == 0
    items = read_items(folder / "held" / "chain_sum.jsonl")
    assert len(items) == 5
    portion = gather_portions(read_recipe(folder / "grpo.toml").data)[0]
    assert [(item.id, item.question, item.ground_truth) for item in items] == [
        (item.id, item.question, item.ground_truth) for item in portion.held_out
    ]
    assert hash_items(items) == hash_items(portion.held_out)
    assert "5 items" in capsys.readouterr().out
    assert main(["train", "held-out", str(folder / "grpo.toml"), "--out", "x", "--set", "data.held_out=0"]) != 0
    assert "holds nothing out of chain_sum" in capsys.readouterr().err


def test_a_judge_is_taught_from_the_rollouts_that_a_run_recorded(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, "sft") == 0
    start = f"model.start={str(folder / 'run')!r}"
    assert train(folder, "grpo", start, out="grpo-run") == 0
    item = gather_portions(read_recipe(folder / "grpo.toml").data)[0].train[0]
    _, _, asked = item.question.rpartition(": ")
    right = int(item.ground_truth)
    rows = [
        {
            "step": 1,
            "item": item.id,
            "family": "chain_sum",
            "text": f"<think>{asked} {said}</think>\n<answer>{said}</answer>",
            "outcome": outcome,
        }
        for said, outcome in ((right, "correct"), (right + 1, "wrong"))
    ]
    (folder / "grpo-run" / "rollouts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    capsys.readouterr()
    judge_data = ["train", "judge-data", str(folder / "grpo-run"), "--out", str(folder / "judge"), "--recorded"]
    assert main(judge_data) == 0
    examples = list(read_examples(folder / "judge" / "train.jsonl"))
    assert [json.loads(example.completion)["verdict"] for example in examples if isinstance(example, Example)] == [
        "first",
        "second",
    ]
    capsys.readouterr()
    assert main([*judge_data[:2], str(folder / "run"), *judge_data[3:]]) != 0
    assert "recorded no rollouts" in capsys.readouterr().err


def test_a_planner_is_taught_of_some_tasks_and_of_others_that_want_no_plan(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [f'{{kind="procedural",task="{task}",size=40}}' for task in ("chain_sum", "leg_counting")]
    assert train(folder, "sft", f"data.sources=[{','.join(sources)}]") == 0
    data = ["train", "planner-data", str(folder / "run"), "--items", "3", "--tried", "1", "--samples", "2"]
    data += ["--max-tokens", "4", "--out", str(folder / "plans")]
    capsys.readouterr()
    assert "taught gcd; its generated tasks are chain_sum, leg_counting" in fail(capsys, main([*data, "--only", "gcd"]))
    assert main([*data, "--only", "chain_sum", "--also", "word_sorting"]) == 0
    assert {line.partition(",")[0] for line in capsys.readouterr().out.splitlines()[:-1]} == {"chain_sum"}
    examples = list(read_examples(folder / "plans" / "train.jsonl"))
    assert (
        sorted(one.id.partition("/")[0] for one in examples if isinstance(one, Example))
        == ["chain_sum"] * 3 + ["word_sorting"] * 3
    )


def test_a_measurement_goes_on_and_is_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(folder, "sft") == 0
    start = ["--set", f"model.start={str(folder / 'run')!r}"]
    measure = ["train", "measure", str(folder / "grpo.toml"), "--samples", "2", *start, "--out"]
    capsys.readouterr()
    assert main([*measure, str(folder / "one")]) == 0
    first = capsys.readouterr().out
    assert first.startswith("chain_sum: ")
    assert "of 5 items; pass@1" in first
    rows = [json.loads(line) for line in (folder / "one" / "chain_sum.jsonl").read_text().splitlines()]
    assert len(rows) == 10
    assert {row["family"] for row in rows} == {"chain_sum"}
    assert main([*measure, str(folder / "one")]) == 0  # nothing is measured twice
    assert capsys.readouterr().out == first
    assert main([*measure, str(folder / "two"), "--against", str(folder / "one")]) == 0
    assert "chain_sum: +0.0 [" in capsys.readouterr().out  # the same model, items and seed
    other = ["--set", "data.held_out_seed=8", "--against", str(folder / "one")]
    assert "are of other items" in fail(capsys, main([*measure, str(folder / "three"), *other]))
    assert "holds no measurement" in fail(capsys, main([*measure, str(folder / "x"), "--against", str(folder)]))
