"""Model specs are read as documented, and refused with a hint."""

import contextlib
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import ConfigError
from abruzzi.models.specs import (
    CEREBRAS_URL,
    FORMS,
    EmbeddedSpec,
    EndpointSpec,
    HubSpec,
    ModelSpec,
    ScriptedSpec,
    find_key,
    key_variables,
    parse_spec,
)

SECRET = "sk-proj-abcdefghijklmnop1234"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("embedded", EmbeddedSpec()),
        (" embedded ", EmbeddedSpec()),
        ("embedded:base", EmbeddedSpec(is_base=True)),
        ("embedded:/models/a b.GGUF", EmbeddedSpec(path=PurePath("/models/a b.GGUF"))),
        ("embedded:model.gguf", EmbeddedSpec(path=PurePath("model.gguf"))),
        ("scripted", ScriptedSpec()),
        ("hf:org/repo/file.gguf", HubSpec("org/repo", "file.gguf")),
        ("hf:org/repo/sub/file-Q8_0.gguf", HubSpec("org/repo", "sub/file-Q8_0.gguf")),
        ("cerebras:llama-4", EndpointSpec(CEREBRAS_URL, "llama-4")),
        ("http://localhost:8000/v1#Qwen/Qwen3-8B", EndpointSpec("http://localhost:8000/v1", "Qwen/Qwen3-8B")),
        ("http://localhost:8000/v1", EndpointSpec("http://localhost:8000/v1")),
        ("http://localhost:8000/v1/#", EndpointSpec("http://localhost:8000/v1")),
        ("http://h/v1/chat/completions#m", EndpointSpec("http://h/v1", "m")),
        ("http://h:11434#qwen3:8b", EndpointSpec("http://h:11434", "qwen3:8b")),
        ("HTTPS://Host.Example/API/v1#m", EndpointSpec("https://host.example/API/v1", "m")),
        ("http://[::1]:8000/v1#m", EndpointSpec("http://[::1]:8000/v1", "m")),
    ],
)
def test_known_forms(text: str, expected: ModelSpec) -> None:
    assert parse_spec(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unknown model spec ''"),
        ("embeded", "did you mean 'embedded'?"),
        ("embedded:basis", "did you mean 'embedded:base'?"),
        ("embedded:", "did you mean 'embedded'?"),
        ("embedded:/models/model.bin", "must end in .gguf"),
        ("cerebra:llama", "did you mean 'cerebras:NAME'?"),
        ("cerebras:", "names no model"),
        ("hf:org/file.gguf", "not of the form hf:ORG/REPO/FILE.gguf"),
        ("hf:org/repo/file.bin", "not of the form"),
        ("hf:org/../file.gguf", "not of the form"),
        ("hf:org/repo/../../file.gguf", "not of the form"),
        ("http:host/v1", "did you mean 'http://host:port/v1#model'?"),
        ("http://", "has no host"),
        ("http://host:port/v1", "not a valid URL"),
        ("/models/model.gguf", "did you mean 'embedded:/models/model.gguf'?"),
        ("localhost:8000/v1", "did you mean 'http://localhost:8000/v1'?"),
        ("gpt-5", "'gpt-5'. The forms are: embedded, "),
        ("scripted:x", "did you mean 'scripted'?"),
    ],
)
def test_unknown_forms_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"http://user:{SECRET}@host/v1",
        f"http://{SECRET}@host/v1#m",
        f"https://host/v1?api_key={SECRET}",
        f"https://host/v1?x={SECRET}#m",
        f"https://host/{SECRET}/v1",
        f"https://host/v1#{SECRET}",
        f"cerebras:{SECRET}",
        SECRET,
        f"openai:{SECRET}",
    ],
)
def test_a_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text)
    assert "key" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert SECRET[3:] not in repr(caught.value)


@pytest.mark.parametrize(
    "text", ["htps://user:geheim@host/v1", "user:geheim@host:8000/v1", "embedded:http://u:geheim@host", "hf:u:geheim@h"]
)
def test_a_password_in_what_is_no_spec_is_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match=r"\*\*\*@h") as caught:
        parse_spec(text)
    assert "geheim" not in str(caught.value)


@given(st.text(max_size=40))
def test_anything_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert parse_spec(text) == parse_spec(f" {text}\n")


def test_the_documented_forms_can_all_be_read() -> None:
    filled = [form.replace("host:port", "host:8000") for form in FORMS]
    assert len({parse_spec(form) for form in filled}) == len(FORMS)


def test_where_keys_come_from() -> None:
    assert key_variables(parse_spec("embedded")) == ()
    assert key_variables(parse_spec("cerebras:m")) == ("CEREBRAS_API_KEY",)
    assert key_variables(parse_spec("http://my-host.example:8000/v1")) == (
        "ABRUZZI_API_KEY_MY_HOST_EXAMPLE",
        "ABRUZZI_API_KEY",
    )
    assert "OPENAI_API_KEY" in key_variables(parse_spec("https://api.openai.com/v1#gpt"))


def test_the_first_variable_that_is_set_counts() -> None:
    local, openai = parse_spec("http://localhost:8000/v1"), parse_spec("https://api.openai.com/v1#gpt")
    everything = {"ABRUZZI_API_KEY": "general", "OPENAI_API_KEY": "openai", "ABRUZZI_API_KEY_LOCALHOST": " own\n"}
    assert find_key(local, everything) == "own"
    assert find_key(local, {"ABRUZZI_API_KEY_LOCALHOST": "", "ABRUZZI_API_KEY": "general"}) == "general"
    assert find_key(local, {"OPENAI_API_KEY": "openai"}) is None
    assert find_key(openai, everything) == "openai"
    assert find_key(parse_spec("scripted"), everything) is None


@pytest.mark.parametrize(
    ("spec", "variable"), [("cerebras:m", "CEREBRAS_API_KEY"), ("https://api.openai.com/v1#m", "OPENAI_API_KEY")]
)
def test_an_endpoint_that_needs_a_key_says_so(spec: str, variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        find_key(parse_spec(spec), {})


@pytest.mark.parametrize("key", ["ключ", "two words", "line\nbreak"])
def test_a_key_that_no_header_takes_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match="CEREBRAS_API_KEY") as caught:
        find_key(parse_spec("cerebras:m"), {"CEREBRAS_API_KEY": key})
    assert key not in str(caught.value)
