"""Settings: TOML, then options; nothing unknown passes."""

from pathlib import Path

import pytest

from abruzzi.config import build, read_toml, redact, suggest
from abruzzi.errors import ConfigError
from abruzzi.reasoning.settings import AskSettings


def test_later_layers_win_and_none_means_not_said() -> None:
    settings = build(AskSettings, {"n": 5, "seed": 1}, {"n": None, "seed": 2}, source="test")
    assert (settings.n, settings.seed) == (5, 2)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"temprature": 1}, "did you mean 'temperature'?"),
        ({"n": 0}, "n: .*got 0"),
        ({"n": 1000}, "n: .*got 1000"),
        ({"soft_deadline_s": 9, "hard_deadline_s": 3}, "is after hard_deadline_s=3"),
    ],
)
def test_bad_settings_name_the_key_the_value_and_the_source(layer: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^abruzzi.toml: .*{said}"):
        build(AskSettings, layer, source="abruzzi.toml")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:geheim@host:6379/0", "redis://***@host:6379/0"),
        ("postgresql://ann:ge/he:i@m@db/q", "postgresql://***@db/q"),
        ("https://geheim@host/v1", "https://***@host/v1"),
        ("ann:geheim@host:8000/v1", "***@host:8000/v1"),
        ("redis://host?password=geheim&db=1", "redis://host?password=***&db=1"),
        ("host=db PASSWORD=geheim user=ann", "host=db PASSWORD=*** user=ann"),
        ("https://host/v1?api_key=geheim", "https://host/v1?api_key=***"),
        ("['redis://:geheim@a', 'redis://:geheim@b']", "['redis://***@a', 'redis://***@b']"),
        ("hf:ORG/REPO/FILE.gguf", "hf:ORG/REPO/FILE.gguf"),
        ("postgresql://db:5432/q", "postgresql://db:5432/q"),
        ("hf:ORG/REPO@main/FILE.gguf", "hf:ORG/REPO@main/FILE.gguf"),
    ],
)
def test_secrets_are_taken_out_of_addresses_and_nothing_else(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_bad_setting_is_told_without_the_secret_in_it() -> None:
    for layer in ({"preset": "redis://:geheim@host"}, {"redis://:geheim@host": 1}):
        with pytest.raises(ConfigError, match=r"redis://\*\*\*@host") as caught:
            build(AskSettings, layer, source="abruzzi.toml")
        assert caught.value.__cause__ is None


def test_a_file_is_read_by_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[ask]\nn = 5\n[models]\nsolver = "embedded"\n')
    assert read_toml(path, ["ask", "models"]) == {"ask": {"n": 5}, "models": {"solver": "embedded"}}


@pytest.mark.parametrize(
    ("content", "said"), [("n = 5", "unknown table or top-level key 'n'"), ("[asks]", "mean 'ask'"), ("[ask", "TOML")]
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_toml(path, ["ask"])


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the settings file"):
        read_toml(tmp_path / "missing.toml", ["ask"])


def test_suggest_lists_all_where_none_is_near() -> None:
    assert suggest("zzz", ["b", "a"]) == "; known: a, b"
