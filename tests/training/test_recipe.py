"""Recipes: all of ours are read, what is unknown is refused with its place, and nothing stands in them unread."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from abruzzi.errors import ConfigError
from abruzzi.training import recipe as recipe_module
from abruzzi.training.recipe import FileSource, ProceduralSource, Recipe, build_recipe, read_recipe

ROOT = Path(__file__).parents[2]
RECIPES = sorted(path for path in (ROOT / "recipes").rglob("*.toml") if path.name != "scale.toml")
"""``scale.toml`` is no recipe but what stands beside one."""

SMALL: dict[str, Any] = {"name": "a", "data": {"sources": [{"task": "chain_sum", "kind": "procedural"}]}, "sft": {}}


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_recipe_is_read(path: Path) -> None:
    recipe = read_recipe(path)
    stage = "grpo" if path.stem.startswith("grpo") else "sft"
    assert (recipe.sft is None, recipe.grpo is None) == (stage == "grpo", stage == "sft")
    assert recipe.data.sources


def test_there_are_recipes() -> None:
    assert {path.parent.name for path in RECIPES} >= {"tiny", "smollm2-135m", "k2-think-32b"}


def test_names_of_runs_are_never_shared() -> None:
    names = [read_recipe(path).name for path in RECIPES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"grop": {}}, "grop"),
        ({"sft": {"learning_rat": 1}}, "sft.learning_rat"),
        ({"model": {"lora": {"r": 8}}}, "model.lora.r"),
        ({"data": {"sources": [{"kind": "procedural", "task": "a", "sise": 3}]}}, "data.sources.0.procedural.sise"),
        ({"data": {"sources": [{"kind": "guru", "task": "a"}]}}, "data.sources.0.guru.task"),
        ({"data": {"sources": [{"kind": "gurru"}]}}, "data.sources.0"),
        ({"sft": {"learning_rate": 0}}, "sft.learning_rate"),
        ({"sft": {"learning_rate": "fast"}}, "sft.learning_rate"),
        ({"sft": {"warmup": 1.5}}, "sft.warmup"),
        ({"name": "a/b"}, "name"),
        ({"data": {}}, "data.sources"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError, match=rf"^here: {re.escape(place)}: \w"):
        build_recipe(SMALL | changes, "here")


@pytest.mark.parametrize("stages", [{}, {"sft": {}, "grpo": {}}])
def test_a_recipe_is_one_stage(stages: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="one stage"):
        build_recipe({key: value for key, value in SMALL.items() if key != "sft"} | stages, "here")


def test_group_of_one_has_no_baseline() -> None:
    content = {key: value for key, value in SMALL.items() if key != "sft"} | {"grpo": {"group_size": 1}}
    with pytest.raises(ConfigError, match=r"grpo\.group_size"):
        build_recipe(content, "here")


GRPO: dict[str, Any] = {key: value for key, value in SMALL.items() if key != "sft"}


@pytest.mark.parametrize(("high", "dual"), [(9.0, 10.0), (0.28, 1.2)])
def test_a_dual_clip_within_the_clip_is_refused(high: float, dual: float) -> None:
    with pytest.raises(ConfigError, match=rf"dual_clip must be above 1 \+ clip_high = {1 + high:g}, and is {dual:g}"):
        build_recipe(GRPO | {"grpo": {"clip_high": high, "dual_clip": dual}}, "here")
    build_recipe(GRPO | {"grpo": {"clip_high": 8.9}}, "here")


@pytest.mark.parametrize("kind", ["examples", "am-thinking"])
def test_what_is_only_taught_cannot_be_asked(kind: str) -> None:
    data = {"sources": [*SMALL["data"]["sources"], {"kind": kind, "path": "a.jsonl"}]}
    with pytest.raises(ConfigError, match=rf"a source of kind '{kind}' holds completions and no ground truths"):
        build_recipe(GRPO | {"data": data, "grpo": {}}, "here")
    assert build_recipe(SMALL | {"data": data}, "here").sft is not None


def test_sources_are_told_apart_by_their_kind() -> None:
    sources = [{"kind": "procedural", "task": "chain_sum"}, {"kind": "items", "path": "a.jsonl"}]
    found = build_recipe(SMALL | {"data": {"sources": sources}}, "here").data.sources
    assert found == (ProceduralSource(task="chain_sum"), FileSource(kind="items", path="a.jsonl"))


TEXT = """
name = "a"
[data]
sources = [{ kind = "procedural", task = "chain_sum" }]
[grpo]
steps = 5
"""


def test_changes_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    changes = [
        "grpo.steps=20",
        "grpo.shuffle_rewards = true",
        "grpo.kl_coef=1e-3",
        "model.start=runs/tiny-sft",
        'model.method="full"',
        "model.lora.rank=4",
        "data.benchmarks=['aime-2024']",
        "name=b",
    ]
    recipe = read_recipe(path, changes)
    assert recipe.grpo is not None
    assert (recipe.grpo.steps, recipe.grpo.shuffle_rewards, recipe.grpo.kl_coef) == (20, True, 0.001)
    assert (recipe.model.start, recipe.model.method, recipe.model.lora.rank) == ("runs/tiny-sft", "full", 4)
    assert (recipe.data.benchmarks, recipe.name) == (("aime-2024",), "b")
    assert recipe.grpo.group_size == 8, "what is not changed stays"
    untouched = read_recipe(path).grpo
    assert untouched is not None
    assert untouched.steps == 5


@pytest.mark.parametrize("change", ["grpo.steps", "=3", ".steps=3", "grpo.=3"])
def test_a_change_that_cannot_be_read_is_refused(tmp_path: Path, change: str) -> None:
    with pytest.raises(ConfigError, match=r"write table\.key=value"):
        read_recipe(write(tmp_path, TEXT), [change])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("grpo.stepps=3", r"grpo\.stepps"),
        ("grpo.steps=many", r"grpo\.steps"),
        ("grpo.steps=0", r"grpo\.steps"),
        ("data.sources.size=3", "'sources' is no table"),
        ("sft.epochs=2", "one stage"),
    ],
)
def test_a_change_is_checked_as_the_file_is(tmp_path: Path, change: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_recipe(write(tmp_path, TEXT), [change])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the recipe .*none\.toml: No such file"):
        read_recipe(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        read_recipe(write(tmp_path, "name = "))
    path = tmp_path / "latin.toml"
    path.write_bytes(b'name = "\xe9"')
    with pytest.raises(ConfigError, match="is not valid TOML"):
        read_recipe(path)


def test_a_recipe_goes_through_its_record_unchanged() -> None:
    for path in RECIPES:
        recipe = read_recipe(path)
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def list_keys() -> Iterator[str]:
    tables = [value for value in vars(recipe_module).values() if isinstance(value, type)]
    for table in tables:
        if issubclass(table, BaseModel) and table is not BaseModel:
            yield from table.model_fields


def test_each_key_is_read_somewhere() -> None:
    sources = [path for path in (ROOT / "src" / "abruzzi").rglob("*.py") if path.name != "recipe.py"]
    nodes = (node for path in sources for node in ast.walk(ast.parse(path.read_text())))
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert set(list_keys()) - read == set()
