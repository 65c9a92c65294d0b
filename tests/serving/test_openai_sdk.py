"""The official client against the server: everything it can ask for here, and its own types of errors."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from abruzzi.errors import RateLimitError
from abruzzi.models.scripted import fail, reply
from abruzzi.serving.key_file import hash_key
from abruzzi.serving.keys import HashedRing
from tests.serving.running import UNLIMITED, scripted, serving
from tests.serving.test_chat import calling

KEY = "sk-abruzzi-0123456789abcdef"
QUESTION = [{"role": "user", "content": "What is 17 + 25?"}]


class Sum(BaseModel):
    """A structured answer."""

    sum: int


def make_ring() -> HashedRing:
    return HashedRing({hash_key(KEY): "ann"}, None, UNLIMITED, tell=lambda _: None)


def open_client(url: str, key: str = KEY, timeout_s: float = 30) -> OpenAI:
    http_client = openai.DefaultHttpxClient(trust_env=False)
    return OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=timeout_s, http_client=http_client)


@pytest.fixture(scope="module")
def client() -> Iterator[OpenAI]:
    with serving(keys=make_ring()) as url, open_client(url) as opened:
        yield opened


def test_chat(client: OpenAI) -> None:
    done = client.chat.completions.create(
        model="abruzzi",
        messages=[{"role": "user", "content": "What is 17 + 25?"}],
        temperature=0.5,
        extra_body={"abruzzi": {"n": 2, "plan": "always"}},
    )
    assert done.choices[0].message.content == "So it is 42"
    assert done.usage is not None
    assert done.usage.completion_tokens_details is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens


def test_chat_stream(client: OpenAI) -> None:
    content, reasoning, usage = "", "", None
    for chunk in client.chat.completions.create(
        model="abruzzi",
        messages=[{"role": "user", "content": "What is 17 + 25?"}],
        stream=True,
        stream_options={"include_usage": True},
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            content += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
    assert content == "So it is 42"
    assert "Candidate 1 of 3 ended: 42" in reasoning
    assert usage is not None
    assert usage.total_tokens > 0


def test_responses(client: OpenAI) -> None:
    done = client.responses.create(model="abruzzi", input="What is 17 + 25?", instructions="Be short.")
    assert done.output_text == "So it is 42"
    assert [item.type for item in done.output] == ["reasoning", "message"]
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens
    again = client.responses.create(
        model="abruzzi-single",
        input=[
            {"role": "user", "content": "What is 17 + 25?"},
            *[item.model_dump(exclude_none=True) for item in done.output],  # pyright: ignore[reportArgumentType] -- as its guide does
            {"role": "user", "content": "And now?"},
        ],
    )
    assert again.status == "completed"


@pytest.mark.parametrize("model", ["abruzzi", "abruzzi-single", "scripted"])
def test_responses_stream(client: OpenAI, model: str) -> None:
    with client.responses.stream(model=model, input="What is 17 + 25?") as events:
        kinds = [event.type for event in events]
        done = events.get_final_response()
    assert "42" in done.output_text
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"


def test_models(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["abruzzi", "abruzzi-single", "abruzzi-plan", "abruzzi-bo3", "scripted"]
    assert client.models.retrieve("abruzzi").id == "abruzzi"


def test_structured_output() -> None:
    with serving(scripted(solver=reply('{"sum": 42}')), keys=make_ring()) as url, open_client(url) as client:
        done = client.chat.completions.parse(
            model="abruzzi", messages=[{"role": "user", "content": "What is 17 + 25?"}], response_format=Sum
        )
        assert done.choices[0].message.parsed == Sum(sum=42)
        parsed = client.responses.parse(model="abruzzi-single", input="What is 17 + 25?", text_format=Sum)
        assert parsed.output_parsed == Sum(sum=42)


def test_tools() -> None:
    with serving(calling(), keys=make_ring()) as url, open_client(url) as client:
        done = client.chat.completions.create(
            model="abruzzi-bo3",
            messages=[{"role": "user", "content": "Add 17 and 25."}],
            tools=[{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
        )
        (call,) = done.choices[0].message.tool_calls or []
        assert call.type == "function"
        assert json.loads(call.function.arguments) == {"a": 17, "b": 25}
        with client.responses.stream(
            model="abruzzi-single",
            input="Add 17 and 25.",
            tools=[{"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": False}],
        ) as events:
            kinds = [event.type for event in events]
            (item,) = events.get_final_response().output
        assert "response.function_call_arguments.done" in kinds
        assert item.type == "function_call"
        assert (item.name, item.call_id, json.loads(item.arguments)) == ("add", "call_1", {"a": 17, "b": 25})


def test_the_clients_own_errors(client: OpenAI) -> None:
    with open_client(str(client.base_url).removesuffix("/v1/"), "sk-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError, match="not known here"):
            stranger.models.list()
        with pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(model="abruzzi", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="abruzzi", messages=[{"role": "user", "content": "Hi"}], n=3)
    assert caught.value.param == "n"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="abruzzi", input="Hi", max_output_tokens=-1)
    assert caught.value.param == "max_output_tokens"


def test_the_clients_own_errors_of_the_upstream() -> None:
    with serving(scripted(solver=fail(RateLimitError("busy", 429, 3.0))), keys=make_ring()) as url:
        with open_client(url) as client, pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="abruzzi", messages=[{"role": "user", "content": "Hi"}])
        assert caught.value.response.headers["retry-after"] == "3"
        with open_client(url) as client:
            chunks = client.chat.completions.create(
                model="abruzzi", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            with pytest.raises(openai.APIError, match="rate limit"):
                list(chunks)
            with pytest.raises(openai.APIError, match="rate limit"):
                list(client.responses.create(model="abruzzi", input="Hi", stream=True))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(client: OpenAI) -> None:
    body = json.dumps({"model": "abruzzi", "stream": True, "messages": QUESTION})
    command = ["curl", "-sN", "--noproxy", "*", f"{client.base_url}chat/completions", "-d", body]
    headers = ["-H", f"Authorization: Bearer {KEY}", "-H", "Content-Type: application/json"]
    done = subprocess.run([*command, *headers], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.endswith("data: [DONE]\n\n")
