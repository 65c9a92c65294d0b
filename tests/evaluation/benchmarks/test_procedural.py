from pathlib import Path

import pytest

from abruzzi.data.items import hash_items
from abruzzi.errors import ConfigError
from abruzzi.evaluation.benchmarks.procedural import generate_mix, procedural_benchmark, read_mix
from abruzzi.evaluation.gold_check import check_gold
from tests.evaluation.benchmarks.layouts import outcomes


def test_a_spec_names_tasks_size_seed_and_settings() -> None:
    mix = read_mix("reasoning-gym:chain_sum,gcd?size=30&seed=7&chain_sum.min_terms=2&max_terms=3&word=some text")
    assert list(mix.tasks) == ["chain_sum", "gcd"]
    assert mix.tasks["chain_sum"] == {"min_terms": 2, "max_terms": 3, "word": "some text"}
    assert mix.tasks["gcd"] == {"max_terms": 3, "word": "some text"}
    assert (mix.size, mix.seed) == (30, 7)


def test_a_spec_that_names_a_task_alone_takes_the_defaults() -> None:
    mix = read_mix("reasoning-gym:gcd")
    assert (mix.tasks, mix.size, mix.seed) == ({"gcd": {}}, 200, 0)


def test_values_are_toml() -> None:
    mix = read_mix("reasoning-gym:gcd?a=true&b=1.5&c=[1, 2]&d='2'")
    assert mix.tasks["gcd"] == {"a": True, "b": 1.5, "c": [1, 2], "d": "2"}


def test_a_file_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text("size = 30\nseed = 7\n[tasks.chain_sum]\nmin_terms = 2\n[tasks.gcd]\n")
    assert read_mix(f"reasoning-gym:{path}") == read_mix(
        "reasoning-gym:chain_sum,gcd?size=30&seed=7&chain_sum.min_terms=2"
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("reasoning-gym:", "names no task; write reasoning-gym:TASK"),
        ("reasoning-gym:gcd,", "names no task"),
        ("reasoning-gym:gcd?size", "'size' is no setting; write reasoning-gym:TASK"),
        ("reasoning-gym:gcd?size=many", "size must be a whole number from 0 up, got 'many'"),
        ("reasoning-gym:gcd?seed=-1", "seed must be a whole number from 0 up, got -1"),
        ("reasoning-gym:gcd?seed=true", "seed must be a whole number from 0 up, got True"),
        ("reasoning-gym:gcd,lcm?size=1", "1 items cannot be shared among 2 tasks; raise the size"),
        ("reasoning-gym:gcd?lcm.size=1", "'lcm.size=1' is for the task 'lcm', which is not in the mixture"),
        ("reasoning-gym:none.toml", "cannot read the mixture none.toml: No such file"),
    ],
)
def test_a_spec_that_cannot_be_read_is_explained(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        read_mix(spec)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("size = ", "is not valid TOML"),
        ("sizes = 3\n[tasks.gcd]\n", "'sizes' does not belong there"),
        ("tasks = {gcd = 1}\n", "'tasks' does not belong there"),
        ("size = 3\n", "names no task"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mix.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_mix(f"reasoning-gym:{path}")


def test_tasks_come_in_turn_and_the_first_give_what_does_not_divide() -> None:
    items = generate_mix(read_mix("reasoning-gym:gcd,lcm,chain_sum?size=5&seed=3"))
    assert [item.id for item in items] == ["gcd/3/0", "lcm/3/0", "chain_sum/3/0", "gcd/3/1", "lcm/3/1"]


def test_a_seed_gives_the_same_items_and_another_gives_others() -> None:
    first = procedural_benchmark("reasoning-gym:chain_sum?size=20&seed=7")
    assert hash_items(first.load(None)) == hash_items(first.load(None))
    other = procedural_benchmark("reasoning-gym:chain_sum?size=20&seed=8")
    assert hash_items(first.load(None)) != hash_items(other.load(None))


def test_settings_reach_the_generator_and_answers_its_scorer() -> None:
    benchmark = procedural_benchmark("reasoning-gym:chain_sum?size=4&min_terms=2&max_terms=2&max_digits=1&min_digits=1")
    items = benchmark.load(None)
    assert {item.extra["metadata"]["num_terms"] for item in items} == {2}
    assert outcomes(items[0], [f"<answer>{items[0].ground_truth}", "<answer>12345</answer>"]) == ["correct", "wrong"]
    assert check_gold(items, workers=1).is_sound


def test_the_benchmark_states_version_and_seed() -> None:
    benchmark = procedural_benchmark("reasoning-gym:gcd,lcm?size=10&seed=4")
    assert benchmark.title == "reasoning-gym: gcd, lcm"
    assert (benchmark.source, benchmark.num_items) == ("generated", 10)
    assert benchmark.revision.startswith("reasoning-gym 0.1.")
    assert benchmark.revision.endswith(", seed 4")


def test_a_generated_set_takes_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is generated and takes no --data"):
        procedural_benchmark("reasoning-gym:gcd").load(tmp_path / "x.jsonl")
