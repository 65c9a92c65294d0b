import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from abruzzi.engine import loopback
from abruzzi.engine.counters import EngineCounters, parse_counters, read_counters
from abruzzi.engine.process import Engine
from tests.engine.asking import Stream, chat

QUESTION = "Tell me about the sea, please."
BATCH = 128


def metrics(**values: float | str) -> str:
    names = {
        "prompt_tokens_total": 30,
        "prompt_tokens_cached_total": 12,
        "tokens_predicted_total": 7,
        "spec_decode_num_draft_tokens_total": 4,
        "spec_decode_num_accepted_tokens_total": 3,
        "requests_processing": 2,
        "requests_deferred": 1,
    } | values
    return "".join(f"# TYPE llamacpp:{name} counter\nllamacpp:{name} {value}\n" for name, value in names.items())


def test_the_prompt_is_what_was_computed_plus_what_was_cached() -> None:
    assert parse_counters(metrics(), process_id="1") == EngineCounters(
        prompt_tokens=42,
        cached_tokens=12,
        completion_tokens=7,
        draft_tokens=4,
        accepted_tokens=3,
        num_busy_slots=2,
        num_waiting=1,
        process_id="1",
        is_exact=True,
    )


def test_six_digits_are_exact_and_more_are_not() -> None:
    assert parse_counters(metrics(tokens_predicted_total=999999), process_id="").is_exact
    large = parse_counters(metrics(prompt_tokens_cached_total="1.05209e+06"), process_id="")
    assert (large.cached_tokens, large.is_exact) == (1_052_090, False)


@pytest.mark.parametrize(
    "text", ["", "<html>", metrics().replace("llamacpp:requests_deferred", "vllm:x"), metrics(n="x")]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        parse_counters(text, process_id="")


@dataclass
class Cost:
    """What a request cost by the engine's counters."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


def cost(engine: Engine, ask: Callable[[], Stream]) -> tuple[Stream, Cost]:
    """Ask, wait until the slots are free, and read what the counters gained."""
    before = read_counters(engine)
    stream = ask()
    while (after := read_counters(engine)).num_busy_slots or after.num_waiting:
        time.sleep(0.01)
    assert after.is_exact
    return stream, Cost(
        after.prompt_tokens - before.prompt_tokens,
        after.cached_tokens - before.cached_tokens,
        after.completion_tokens - before.completion_tokens,
    )


@pytest.mark.engine
@pytest.mark.parametrize("n", [1, 3])
def test_usage_of_a_finished_request_is_what_the_engine_counted(engine: Engine, n: int) -> None:
    stream, counted = cost(engine, lambda: chat(engine, QUESTION, n=n, max_tokens=9, seed=1))
    usages = stream.usages()
    assert len(usages) == n, "one usage chunk per choice"
    assert {usage["prompt_tokens"] for usage in usages} == {counted.prompt_tokens}, "the prompt counts once"
    assert {usage["prompt_tokens_details"]["cached_tokens"] for usage in usages} == {counted.cached_tokens}
    assert sum(usage["completion_tokens"] for usage in usages) == counted.completion_tokens
    assert stream.completion_tokens == counted.completion_tokens


def told(tokens: int) -> Callable[[Stream], bool]:
    return lambda stream: stream.completion_tokens >= tokens


def sampled_per_choice(engine: Engine, prompt_tokens: int) -> int:
    """Tokens per choice of the last request, by what its first slot still holds: all of them but the last one."""
    slots = json.loads(loopback.get(engine.base_url, "/slots", api_key=engine.api_key, timeout_s=5).body)
    newest = max(slot.get("id_task", -1) for slot in slots)
    held = [slot["n_prompt_tokens"] for slot in slots if slot.get("id_task", -1) > newest - len(slots)]
    return max(held) - prompt_tokens + 1


@pytest.mark.engine
@pytest.mark.parametrize(("n", "tokens"), [(1, 1), (1, 5), (3, 1), (3, 9)])
def test_a_cancelled_request_counts_to_the_token(engine: Engine, n: int, tokens: int) -> None:
    stream, counted = cost(
        engine, lambda: chat(engine, QUESTION, leave_if=told(tokens), n=n, max_tokens=200, ignore_eos=True)
    )
    assert not stream.is_whole
    assert counted.prompt_tokens == stream.prompt_tokens
    assert counted.completion_tokens == n * sampled_per_choice(engine, stream.prompt_tokens)
    assert stream.completion_tokens <= counted.completion_tokens < n * 200


@pytest.mark.engine
def test_a_prompt_cut_off_half_way_counts_as_far_as_it_came(engine: Engine) -> None:
    question = f"{time.time_ns()} " + "sea " * 900

    def in_prefill(stream: Stream) -> bool:
        return stream.chunks[-1]["prompt_progress"]["processed"] > 0

    stream, counted = cost(engine, lambda: chat(engine, question, leave_if=in_prefill, max_tokens=8))
    processed = stream.chunks[-1]["prompt_progress"]["processed"]
    assert processed <= counted.prompt_tokens <= processed + 2 * BATCH < stream.prompt_tokens
    assert counted.completion_tokens == 0


@pytest.mark.engine
@pytest.mark.parametrize("settings", [{"n": 4}, {"max_tokens": "many"}, {"response_format": {"type": "nonsense"}}])
def test_a_refused_request_counts_nothing(engine: Engine, settings: dict[str, Any]) -> None:
    def ask() -> Stream:
        with pytest.raises(ValueError, match="error"):
            chat(engine, QUESTION, **settings)
        return Stream()

    assert cost(engine, ask)[1] == Cost(0, 0, 0)


@pytest.mark.engine
def test_counters_are_answered_while_the_engine_decodes(engine: Engine) -> None:
    seen: list[EngineCounters] = []

    def look(stream: Stream) -> bool:
        if stream.completion_tokens == 3 and not seen:
            seen.append(read_counters(engine, timeout_s=1))
        return len(seen) == 1

    cost(engine, lambda: chat(engine, QUESTION, leave_if=look, n=2, max_tokens=64, ignore_eos=True))
    assert seen[0].num_busy_slots == 2
