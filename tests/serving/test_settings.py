"""One TOML for the server: its tables are checked at the start, and each mistake is named where it stands."""

import tomllib
from typing import Any

import pytest

from abruzzi.errors import ConfigError
from abruzzi.serving.settings import KeyLimits, ServeSettings, build_serve_settings


def build(text: str, **options: Any) -> ServeSettings:
    return build_serve_settings(tomllib.loads(text).get("serve", {}), options, source="abruzzi.toml")


def test_the_defaults_serve_this_machine_alone_and_ask_for_keys() -> None:
    settings = build("")
    assert settings == ServeSettings()
    assert (settings.host, settings.no_keys, settings.log_content, settings.trace.endpoint) == (
        "127.0.0.1",
        False,
        False,
        None,
    )


def test_inner_tables_are_read_and_options_win() -> None:
    settings = build(
        """
        [serve]
        port = 9000
        drain_s = 5
        [serve.limits]
        running = 2
        [serve.limits.key]
        requests_per_minute = 0
        tokens_per_day = 1000
        [serve.store]
        url = "q.db"
        [serve.guard]
        canary = false
        [serve.trace]
        endpoint = "http://localhost:4318/v1/traces"
        """,
        port=9001,
        host=None,
    )
    assert (settings.port, settings.drain_s, settings.limits.running, settings.host) == (9001, 5.0, 2, "127.0.0.1")
    assert settings.limits.key == KeyLimits(requests_per_minute=0, tokens_per_day=1000)
    assert (settings.store.url, settings.guard.canary) == ("q.db", False)
    assert settings.trace.endpoint == "http://localhost:4318/v1/traces"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[serve]\nprot = 1", ["'prot'", "'port'"]),
        ("[serve]\nport = 70000", ["port", "70000"]),
        ("[serve.limits]\nruning = 1", ["[serve.limits]", "'runing'", "'running'"]),
        ("[serve.limits.key]\nconcurent = 1", ["[serve.limits.key]", "'concurrent'"]),
        ("[serve.limits.key]\nconcurrent = -1", ["[serve.limits.key]", "concurrent", "-1"]),
        ("[serve]\nlimits = 3", ["[serve.limits]", "table", "3"]),
        ("[serve.store]\nurll = 1", ["[serve.store]", "'url'"]),
        ("[serve.trace]\nsample_ratio = 2.0", ["[serve.trace]", "sample_ratio"]),
        ('[serve]\nhost = "0.0.0.0"\nno_keys = true', ["loopback", "0.0.0.0", "abruzzi keys add"]),
    ],
)
def test_a_mistake_is_named_with_its_table_and_its_value(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        build(text)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ('[serve.limits]\nstorage = "redis://:geheim@host:6379"', "ABRUZZI_LIMITS_STORAGE"),
        ('[serve.limits]\nstorage = "redis://host?password=geheim"', "ABRUZZI_LIMITS_STORAGE"),
        ('[serve.trace]\nendpoint = "http://ann:geheim@host:4318/v1/traces"', "OTEL_EXPORTER_OTLP_HEADERS"),
        ('[serve.trace]\nendpoint = "http://geheim@host:4318/v1/traces"', "OTEL_EXPORTER_OTLP_HEADERS"),
        ('[serve.trace]\nendpoint = "http://host:4318/v1/traces?key=geheim"', "OTEL_EXPORTER_OTLP_HEADERS"),
        ('[serve.limits]\nstorage = ["redis://:geheim@host"]', "string"),
        ('[serve.limits]\nstorage = {url = "redis://:geheim@host"}', "string"),
        ('[serve.limits]\n"redis://:geheim@host" = 1', "unknown setting"),
        ('[serve]\nlimits = "redis://:geheim@host"', "table"),
        ('[serve]\nstore = "postgresql://ann:geheim@host/q"', "table"),
        ('[serve.store]\nurl = ["postgresql://ann:geheim@host/q"]', "string"),
        ('[serve.store]\nurl = "postgresql://ann:geheim@host/q"\nlease_s = 1', "lease_s"),
    ],
)
def test_a_secret_in_an_address_is_refused_or_not_looked_at_and_never_repeated(text: str, instead: str) -> None:
    with pytest.raises(ConfigError, match=instead) as caught:
        build(text)
    assert "geheim" not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ServeSettings().port = 1  # pyright: ignore[reportAttributeAccessIssue] -- that is the point
