"""Chat completions on a real socket: answers, options, what is refused and how."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from abruzzi.errors import ContextLengthError, ModelError, ModelTimeoutError, RateLimitError
from abruzzi.models.scripted import ScriptedChat, fail, reply
from abruzzi.nouns import FinishReason, ToolCall
from abruzzi.reasoning.settings import AskSettings
from abruzzi.serving.caps import Caps
from abruzzi.serving.chat_request import holds_pattern
from tests.serving.running import ask, scripted, serving

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def calling() -> ScriptedChat:
    """Make a model that answers everything with a call of ``add``."""
    call = ToolCall("call_1", "add", '{"a":17,"b":25}')
    return scripted("caller", solver=reply(tool_calls=[call]))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield address


def test_an_answer_with_its_thoughts_and_the_whole_bill(url: str) -> None:
    done = ask(url).json()
    (choice,) = done["choices"]
    assert choice["message"]["content"] == "So it is 42"
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["reasoning_content"].startswith("Planning.\nAdd the tens.\nAdd the ones.\n\n")
    bill = done["usage"]["abruzzi"]
    assert [call["role"] for call in bill["calls"]] == ["planner", "solver"]
    assert done["usage"]["completion_tokens"] == sum(call["completion_tokens"] for call in bill["calls"])
    assert done["usage"]["prompt_tokens"] == sum(call["prompt_tokens"] for call in bill["calls"])
    assert bill["decided_by"] == "agreement"
    assert done["id"].startswith("chatcmpl-")
    assert done["model"] == "abruzzi"


@pytest.mark.parametrize(
    ("model", "roles", "num_choices"),
    [
        ("abruzzi-single", ["solver"], 1),
        ("abruzzi-plan", ["planner", "solver"], 1),
        ("abruzzi-bo3", ["solver"], 3),
        ("scripted", ["solver"], 1),
    ],
)
def test_each_offered_model_does_what_its_name_says(url: str, model: str, roles: list[str], num_choices: int) -> None:
    calls = ask(url, model=model).json()["usage"]["abruzzi"]["calls"]
    assert [call["role"] for call in calls] == roles
    assert calls[-1]["num_choices"] == num_choices


def test_a_single_candidates_own_thoughts_are_told(url: str) -> None:
    message = ask(url, model="abruzzi-single").json()["choices"][0]["message"]
    assert message["reasoning_content"] == "Let me think. 17 and 25."


def test_options_of_the_pipeline_and_sampling_reach_it() -> None:
    model = scripted()
    with serving(model) as url:
        done = ask(
            url,
            temperature=0.1,
            top_p=0.5,
            max_completion_tokens=77,
            stop=["END"],
            seed=7,
            presence_penalty=0.5,
            frequency_penalty=-0.5,
            logit_bias={"50256": -100},
            abruzzi={"n": 5, "plan": "off", "hard_deadline_s": 60, "token_budget": 5000},
        )
    assert done.status_code == 200, done.text
    (request,) = model.requests
    assert (request.n, request.temperature, request.top_p, request.max_tokens, request.seed) == (5, 0.1, 0.5, 77, 7)
    assert request.stop == ("</answer>", "END")
    assert request.sampling == {"presence_penalty": 0.5, "frequency_penalty": -0.5, "logit_bias": {"50256": -100}}
    assert request.timeouts.total_s == 60


def test_the_upstream_gets_what_the_client_wrote_and_nothing_else() -> None:
    model = scripted()
    with serving(model, settings=AskSettings(temperature=0.3, max_tokens=9)) as url:
        done = ask(url, model="scripted", n=2, temperature=1.5).json()
    assert [choice["message"]["content"] for choice in done["choices"]] == ["So it is <answer>42</answer>"] * 2
    (request,) = model.requests
    assert [message.content for message in request.messages] == ["What is 17 + 25?"]
    assert (request.n, request.temperature, request.max_tokens, request.stop) == (2, 1.5, None, ())


def test_a_conversation_with_tools_goes_through_and_calls_come_back() -> None:
    model = calling()
    called = {"id": "call_0", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be short."}]},
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": None, "tool_calls": [called], "refusal": None},
        {"role": "tool", "content": "3", "tool_call_id": "call_0"},
        {"role": "user", "content": "Add 17 and 25."},
    ]
    fields: dict[str, Any] = {"messages": messages, "tools": [TOOL], "parallel_tool_calls": False}
    with serving(model) as url:
        done = ask(url, model="abruzzi-bo3", tool_choice="auto", **fields).json()
        plain = ask(url, model="caller", tool_choice={"type": "function", "function": {"name": "add"}}, **fields).json()
    for one in (done, plain):
        (choice,) = one["choices"]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        assert choice["message"]["tool_calls"] == [
            {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":17,"b":25}'}}
        ]
    passed = model.requests[-1]
    assert [message.role for message in passed.messages] == ["system", "user", "assistant", "tool", "user"]
    assert passed.messages[2].tool_calls == (ToolCall("call_0", "add", "{}"),)
    assert passed.messages[3].tool_call_id == "call_0"
    assert passed.tool_choice == {"type": "function", "function": {"name": "add"}}
    assert passed.parallel_tool_calls is False


def test_a_form_of_the_reply_reaches_the_model() -> None:
    model = scripted(solver=reply('{"sum": 42}'))
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    form = {"type": "json_schema", "json_schema": {"name": "my-sum", "schema": schema, "strict": True}}
    with serving(model) as url:
        done = ask(url, model="abruzzi-single", response_format=form).json()
        ask(url, model="scripted", response_format={"type": "json_object"})
    assert done["choices"][0]["message"]["content"] == '{"sum": 42}'
    assert model.requests[0].schema is not None
    assert model.requests[0].schema.body == schema
    assert model.requests[1].json_object


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    ({"foo": 1}, "foo", "unknown_parameter"),
    ({"top_logprobs": 3}, "top_logprobs", "unsupported_parameter"),
    ({"logprobs": True}, "logprobs", "invalid_value"),
    ({"reasoning_effort": "high"}, "reasoning_effort", "unsupported_parameter"),
    ({"temperature": 2.5}, "temperature", "invalid_value"),
    ({"temperature": "1"}, "temperature", "invalid_value"),
    ({"n": 2}, "n", "invalid_value"),
    ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens", "invalid_value"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
    ({"tool_choice": "auto"}, "tool_choice", "invalid_value"),
    ({"parallel_tool_calls": True}, "parallel_tool_calls", "invalid_value"),
    (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "sub"}}},
        "tool_choice",
        "invalid_value",
    ),
    ({"tools": []}, "tools", "invalid_value"),
    ({"store": True}, "store", "invalid_value"),
    ({"metadata": {"a": "b"}}, "metadata", "invalid_value"),
    ({"messages": []}, "messages", "invalid_value"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages", "invalid_value"),
    ({"messages": [{"role": "system", "content": "Hi"}]}, "messages", "invalid_value"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
    ({"messages": [{"role": "assistant"}]}, "messages[0].content", "invalid_value"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]},
        "messages[0].content[0].type",
        "invalid_value",
    ),
    (
        {"messages": [{"role": "tool", "content": "3", "tool_call_id": "x"}]},
        "messages[0].tool_call_id",
        "invalid_value",
    ),
    ({"abruzzi": {"n": 17}}, "abruzzi.n", "invalid_value"),
    ({"abruzzi": {"temperature": 1}}, "abruzzi.temperature", "unknown_parameter"),
    ({"abruzzi": {"soft_deadline_s": 9, "hard_deadline_s": 5}}, "abruzzi.soft_deadline_s", "invalid_value"),
    ({"abruzzi": {"hard_deadline_s": 9000}}, "abruzzi.hard_deadline_s", "invalid_value"),
    ({"abruzzi": {"preset": "paper"}, "temperature": 1}, "temperature", "invalid_value"),
    ({"abruzzi": {"preset": "paper"}, "tools": [TOOL]}, "abruzzi.preset", "invalid_value"),
    ({"model": "abruzzi-bo3", "abruzzi": {"n": 5}}, "abruzzi.n", "invalid_value"),
    ({"model": "scripted", "abruzzi": {}}, "abruzzi", "invalid_value"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nothing"}}}},
        "response_format.json_schema.schema",
        "invalid_value",
    ),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": {"anyOf": [{"$ref": "http://169.254.169.254/latest"}]}},
            }
        },
        "response_format.json_schema.schema",
        "invalid_value",
    ),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": {"$ref": "#/$defs/missing"}},
            }
        },
        "response_format.json_schema.schema",
        "invalid_value",
    ),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": {"properties": {"a": {"pattern": "(a+)+$"}}}},
            }
        },
        "response_format.json_schema.schema",
        "invalid_value",
    ),
]


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED, ids=[str(list(fields))[:60] for fields, _, _ in REFUSED])
def test_what_cannot_be_honoured_is_refused_by_name(
    url: str, fields: dict[str, Any], param: str | None, code: str
) -> None:
    done = ask(url, **fields)
    assert done.status_code == 400
    error = done.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


def test_what_is_not_json_or_not_there(url: str) -> None:
    path = f"{url}/v1/chat/completions"
    json_type = {"content-type": "application/json"}
    for content in (b"{nope", b'{"model": NaN}', b'{"model": "\\ud800"}', b"", b"[]", b'"text"', b"\xff\xfe"):
        done = httpx2.post(path, content=content, headers=json_type, trust_env=False)
        assert done.status_code == 400, content
        assert done.json()["error"]["type"] == "invalid_request_error"
    assert httpx2.post(path, content=b"{}", headers={"content-type": "text/plain"}, trust_env=False).status_code == 400
    missing = httpx2.get(f"{url}/v1/nothing", trust_env=False)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = httpx2.get(path, trust_env=False)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    unknown = ask(url, model="gpt-4")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


def test_a_body_that_is_too_large(url: str) -> None:
    done = ask(url, "x" * 4_100_000)
    assert (done.status_code, done.json()["error"]["code"]) == (413, "request_too_large")


def test_the_operators_caps_are_the_most_that_a_client_gets() -> None:
    with serving(caps=Caps(n=4, max_tokens=100, hard_deadline_s=10, token_budget=1000)) as url:
        asked: list[dict[str, Any]] = [
            {"abruzzi": {"n": 5}},
            {"max_tokens": 101},
            {"abruzzi": {"plan_tokens": 101}},
            {"abruzzi": {"hard_deadline_s": 11}},
            {"abruzzi": {"token_budget": 1001}},
            {"model": "scripted", "n": 5},
        ]
        for fields in asked:
            done = ask(url, **fields)
            assert done.status_code == 400, fields
            assert "more than this server allows" in done.json()["error"]["message"]
        assert ask(url, max_tokens=100, abruzzi={"n": 4, "token_budget": 1000}).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelError("it broke"), 502, "upstream_failed"),
        (ModelTimeoutError("no token"), 504, "timeout"),
        (RateLimitError("busy", 429, 6.2), 429, "upstream_rate_limit"),
        (ContextLengthError("the prompt does not fit", 400), 400, "context_length_exceeded"),
    ],
)
@pytest.mark.parametrize("model", ["abruzzi", "scripted"])
def test_a_failing_upstream(error: ModelError, status: int, code: str, model: str) -> None:
    with serving(scripted(solver=fail(error))) as url:
        done = ask(url, model=model)
        assert (done.status_code, done.json()["error"]["code"]) == (status, code)
        if status == 429:
            assert done.headers["retry-after"] == "7"
        metrics = httpx2.get(f"{url}/metrics", trust_env=False).text
    assert f'abruzzi_refusals_total{{code="{code}"}} 1.0' in metrics


def test_whatever_breaks_in_us_is_a_500_that_tells_nothing() -> None:
    async def broken(a: str, b: str) -> bool:
        raise ZeroDivisionError("at /srv/secret/place")

    model = scripted(solver=["<answer>41</answer>", "<answer>42</answer>", "<answer>43</answer>", "<answer>7</answer>"])
    with serving(model, agree=broken) as url:
        done = ask(url)
        assert done.status_code == 500
        assert done.json()["error"] == {
            "message": "something broke in this server; its log says what",
            "type": "server_error",
            "param": None,
            "code": "internal_error",
        }
        assert ask(url, model="abruzzi-single").status_code == 200


def test_an_answer_that_was_cut_says_so() -> None:
    cut = reply("It is <answ", finish_reason=FinishReason.LENGTH)
    with serving(scripted(solver=cut)) as url:
        (choice,) = ask(url, model="abruzzi-single").json()["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("It is", "length")


@pytest.mark.parametrize(
    ("schema", "is_held"),
    [
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+$"}}}, True),
        ({"type": "object", "patternProperties": {"^a": {}}}, True),
        ({"anyOf": [{"items": {"not": {"pattern": "a"}}}]}, True),
        ({"$defs": {"pattern": {"type": "string", "pattern": "a"}}}, True),
        ({"properties": {"properties": {"properties": {"x": {"pattern": "a"}}}}}, True),
        ({"type": "object", "properties": {"pattern": {"type": "string"}, "patternProperties": {}}}, False),
        ({"$defs": {"pattern": {"type": "string"}}}, False),
        ({"enum": [{"pattern": "a"}], "default": {"pattern": "a"}}, False),
    ],
)
def test_a_schema_with_a_regular_expression_is_told_from_a_property_of_that_name(
    schema: dict[str, Any], is_held: bool
) -> None:
    assert holds_pattern(schema) is is_held
