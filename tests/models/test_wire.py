"""Bodies are written as asked, and chunks of all kinds are read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abruzzi.errors import ProtocolError
from abruzzi.models.endpoints import Facts
from abruzzi.models.wire import ChoiceDelta, Chunk, find_refused_field, read_chunk, write_body
from tests.models.asking import request


def refusing(*fields: str) -> Facts:
    return Facts(refused=frozenset(fields))


def test_a_refused_field_is_left_out_or_renamed() -> None:
    asked = request(max_tokens=9, temperature=0.0, seed=1, logprobs=True)
    assert write_body(asked, "m", 2, facts=refusing("max_tokens", "temperature", "seed", "logprobs")) == {
        "model": "m",
        "messages": [{"role": "user", "content": "What is 40 + 2 ?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 9,
        "n": 2,
    }


def test_running_counts_are_asked_of_servers_that_know_them() -> None:
    def options(server: str, facts: Facts) -> Any:
        return write_body(request(), "m", 1, facts=facts, server=server)["stream_options"]

    assert options("vllm", Facts()) == {"include_usage": True, "continuous_usage_stats": True}
    assert options("vllm", refusing("continuous_usage_stats")) == {"include_usage": True}
    assert options("openai", Facts()) == {"include_usage": True}


def test_the_refused_field_is_found_in_the_complaint() -> None:
    body = write_body(request(max_tokens=9, logprobs=True), "m", 1, facts=Facts(), server="vllm")
    assert find_refused_field(body, "Unsupported parameter: 'max_tokens'") == "max_tokens"
    assert find_refused_field(body, "logprobs are not available") == "logprobs"
    unknown = "Unknown parameter: 'stream_options.continuous_usage_stats'."
    assert find_refused_field(body, unknown) == "continuous_usage_stats"
    assert find_refused_field(body, "seed is not supported") is None, "it was not sent"
    assert find_refused_field(body, "Unknown role of message 3") is None


@pytest.mark.parametrize(
    "complaint",
    [
        "max_tokens must be at least 1, got 0",
        "temperature should be less than or equal to 2",
        "logprobs: Input should be",
    ],
)
def test_a_value_that_is_out_of_range_is_not_a_field_that_is_refused(complaint: str) -> None:
    body = write_body(request(max_tokens=0, temperature=9.0, logprobs=True), "m", 1, facts=Facts())
    assert find_refused_field(body, complaint) is None


def test_llamacpp_is_asked_for_what_only_it_knows() -> None:
    body = write_body(request(logprobs=True), "m", 1, facts=Facts(), server="llamacpp")
    assert (body["timings_per_token"], body["return_progress"], body["top_logprobs"]) == (True, True, 1)
    assert "top_logprobs" not in write_body(request(), "m", 1, facts=Facts(), server="llamacpp")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, Chunk()),
        ({"choices": None, "usage": None}, Chunk()),
        ({"choices": [None, 3]}, Chunk((ChoiceDelta(0), ChoiceDelta(0)))),
        ({"choices": [{"index": 2, "delta": {"content": "a"}}]}, Chunk((ChoiceDelta(2, text="a"),))),
        ({"choices": [{"delta": {"content": None, "reasoning": "b"}}]}, Chunk((ChoiceDelta(0, reasoning="b"),))),
        (
            {"choices": [{"delta": {"reasoning_content": "b", "reasoning": "b"}, "finish_reason": "stop"}]},
            Chunk((ChoiceDelta(0, reasoning="b", finish_reason="stop"),)),
        ),
        (
            {"choices": [{"delta": {}, "logprobs": {"content": [{"logprob": -1}, {"logprob": None}, {}]}}]},
            Chunk((ChoiceDelta(0, logprobs=(-1.0,)),)),
        ),
        ({"choices": [], "usage": {"prompt_tokens": 1}}, Chunk(usage={"prompt_tokens": 1})),
        (
            {"timings": {"predicted_n": 3}, "prompt_progress": {"total": 4}},
            Chunk((), None, {"predicted_n": 3}, {"total": 4}),
        ),
    ],
)
def test_chunks_are_read_whatever_they_leave_out(event: dict[str, Any], expected: Chunk) -> None:
    assert read_chunk(event) == expected


@pytest.mark.parametrize("data", [None, 42, "text", [1]])
def test_what_is_no_chunk_is_refused(data: object) -> None:
    with pytest.raises(ProtocolError, match="where a chunk"):
        read_chunk(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "index", "usage", "logprobs", "content", "reasoning", "timings"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["choices", "usage", "timings", "prompt_progress"]), json_values))
def test_no_chunk_breaks_the_reader(event: dict[str, Any]) -> None:
    assert isinstance(read_chunk(event), Chunk)
