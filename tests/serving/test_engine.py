"""The whole way, from the official client through the server to the embedded engine."""

import json
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from openai import OpenAI

from abruzzi.engine.process import Engine
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.reasoning.settings import AskSettings
from tests.serving.running import serving
from tests.serving.test_clients import CHECK
from tests.serving.test_openai_sdk import Sum, open_client

pytestmark = pytest.mark.engine

PATIENCE_S = 300
"""For a machine that others keep busy."""


@contextmanager
def served(engine: Engine) -> Generator[str]:
    """The server's address, without ``/v1``."""
    chat = OpenAIChat(
        engine.base_url,
        model=engine.model,
        api_key=engine.api_key,
        name="embedded",
        dialect="llama.cpp",
        max_n=3,
        max_context=engine.max_context,
    )
    settings = AskSettings(max_tokens=24, plan_tokens=32, judge_tokens=32, seed=1)
    with serving(chat, settings=settings, close=chat.aclose) as url:
        yield url


@contextmanager
def opened(engine: Engine) -> Generator[OpenAI]:
    with served(engine) as url, open_client(url, timeout_s=PATIENCE_S) as client:
        yield client


def test_the_official_client_on_the_embedded_engine(engine: Engine) -> None:
    with opened(engine) as client:
        done = client.chat.completions.create(model="abruzzi", messages=[{"role": "user", "content": "What is 2 + 3?"}])
        assert done.choices[0].message.content
        assert done.usage is not None
        assert done.usage.completion_tokens > 0
        events = list(
            client.chat.completions.create(
                model="abruzzi-single",
                messages=[{"role": "system", "content": "Be short."}, {"role": "user", "content": "Name a colour."}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        assert "".join(c.delta.content or "" for e in events for c in e.choices)
        assert events[-1].usage is not None
        assert client.responses.create(model="abruzzi-single", input="Name a colour.").output_text
        with client.responses.stream(model="abruzzi-bo3", input="Name a colour.") as stream:
            assert [event.type for event in stream][-1] in ("response.completed", "response.incomplete")
        plain = client.chat.completions.create(
            model="embedded", messages=[{"role": "user", "content": "Hi"}], max_tokens=8, n=2
        )
        assert len(plain.choices) == 2


@pytest.mark.slow
def test_structured_output_and_tools_on_the_embedded_engine(engine: Engine) -> None:
    with opened(engine) as client:
        parsed = client.chat.completions.parse(
            model="abruzzi-bo3", messages=[{"role": "user", "content": "What is 2 + 3?"}], response_format=Sum
        )
        assert isinstance(parsed.choices[0].message.parsed, Sum)
        called = client.chat.completions.create(
            model="abruzzi-bo3",
            messages=[{"role": "user", "content": "Add 2 and 3 with the tool."}],
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "add",
                        "parameters": {
                            "type": "object",
                            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                            "required": ["a", "b"],
                            "additionalProperties": False,
                        },
                    },
                }
            ],
            tool_choice="required",
            max_tokens=200,
        )
        (choice,) = called.choices
        assert choice.finish_reason == "tool_calls"
        (call,) = choice.message.tool_calls or []
        assert call.type == "function"
        assert call.function.name == "add"
        assert {name: type(value) for name, value in json.loads(call.function.arguments).items()} == {
            "a": int,
            "b": int,
        }


@pytest.mark.slow
def test_langchain_and_llama_index_on_the_embedded_engine(engine: Engine) -> None:
    with served(engine) as url:
        done = subprocess.run([CHECK, f"{url}/v1"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_on_the_embedded_engine(engine: Engine) -> None:
    body = json.dumps({"model": "abruzzi", "stream": True, "messages": [{"role": "user", "content": "What is 2 + 3?"}]})
    with served(engine) as url:
        command = ["curl", "-sN", "--noproxy", "*", f"{url}/v1/chat/completions", "-d", body]
        done = subprocess.run(
            [*command, "-H", "Content-Type: application/json"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
    assert done.stdout.startswith("data: {")
    assert done.stdout.endswith("data: [DONE]\n\n")
