"""Specs of systems under test."""

from pathlib import Path

import pytest

from abruzzi.errors import ConfigError
from abruzzi.evaluation.systems import SYSTEMS, parse_system


@pytest.mark.parametrize(
    ("spec", "n", "plan", "judge"),
    [
        ("single", 1, "off", False),
        ("plan", 1, "auto", False),
        ("bo3", 3, "off", True),
        ("full", 3, "auto", True),
        ("full,n=5,judge=false", 5, "auto", False),
        ("full, plan=always", 3, "always", True),
        ("n=7,plan=off", 7, "off", True),
    ],
)
def test_known_systems_and_changes(spec: str, n: int, plan: str, judge: bool) -> None:
    ask = parse_system(spec, {"temperature": 0.3}).ask
    assert (ask.n, ask.plan, ask.judge, ask.temperature) == (n, plan, judge, 0.3)


def test_the_spec_wins_over_the_sampling_and_no_deadline_is_set() -> None:
    ask = parse_system("single,temperature=0.9,max_tokens=7", {"temperature": 0.3, "max_tokens": 99}).ask
    assert (ask.temperature, ask.max_tokens) == (0.9, 7)
    assert ask.soft_deadline_s == 86_400


def test_a_file_is_a_system(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[ask]\nn = 4\nplan = 'off'\n")
    system = parse_system(str(path), {})
    assert (system.name, system.ask.n, system.ask.plan) == ("mine", 4, "off")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("fulll", "did you mean 'full'"),
        ("full,5", "'5' is no setting"),
        ("full,k=5", "unknown setting 'k'"),
        ("full,n=0", "n: "),
        ("absent.toml", "cannot read"),
    ],
)
def test_what_is_wrong_is_named(spec: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_system(spec, {})


def test_every_known_system_can_be_built() -> None:
    assert [parse_system(name, {}).name for name in SYSTEMS] == list(SYSTEMS)
