"""Every way in which an endpoint goes wrong ends in one clear line, the right number of tries, and an honest bill."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from email.utils import formatdate

import anyio
import pytest

from abruzzi.errors import (
    AccessError,
    ContextLengthError,
    EndpointError,
    ModelError,
    ModelTimeoutError,
    ProtocolError,
    RateLimitError,
    UnreachableError,
)
from abruzzi.models.chat import ChatRequest, Timeouts
from abruzzi.models.openai_client import OpenAIChat
from abruzzi.models.retry import RetryPolicy
from abruzzi.nouns import FinishReason
from tests.faultserver import (
    OVERFLOWS,
    Action,
    FaultServer,
    Refusal,
    Said,
    Silence,
    Slam,
    Traits,
    overflow,
    refuse,
    say,
    web_page,
)
from tests.models.asking import Asked, ask_one, outcomes_of, request

NOW = 1_700_000_000.0
TRY_ONCE = RetryPolicy(max_tries=1)
KEY = "sk-secret-0123456789"


def ask_url(url: str, asked: ChatRequest, policy: RetryPolicy = TRY_ONCE) -> Asked:
    """Ask an address where there may be nobody."""
    outcome = Asked()

    async def main() -> None:
        async with OpenAIChat(url, model="m", policy=policy, sleep=lambda _: anyio.lowlevel.checkpoint()) as chat:
            try:
                outcome.completions = await chat.complete(asked, ledger=outcome.ledger)
            except ModelError as error:
                outcome.error = error

    anyio.run(main)
    return outcome


@pytest.mark.parametrize(
    ("action", "kind", "words"),
    [
        (refuse(400, "messages: too odd"), EndpointError, ["refused the request (400)", "messages: too odd"]),
        (refuse(422, "no", param="stop"), EndpointError, ["refused the request (422)", "[stop]"]),
        (refuse(403, "not for you"), AccessError, ["(403)", "not for you", "ABRUZZI_API_KEY"]),
        (refuse(404, "The model 'm' does not exist"), EndpointError, ["has no model 'm' (404)"]),
        (Refusal(404, '{"detail": "Not Found"}'), EndpointError, ["has no model 'm' (404)", "Not Found"]),
        (Refusal(400, '{"error": "a plain string"}'), EndpointError, ["a plain string"]),
        (Refusal(400, '{"detail": [{"loc": ["body"], "msg": "odd"}]}'), EndpointError, ["odd"]),
        (Refusal(418, "", "text/plain"), EndpointError, ["(418)", "no reason given"]),
        (web_page(), ProtocolError, ["answered with a web page (200)", "check the address"]),
        (web_page(404), ProtocolError, ["answered with a web page (404)"]),
        (Refusal(200, '{"choices": []}'), ProtocolError, ["plain JSON where a stream was asked for"]),
        (Refusal(200, "what?", "text/plain"), ProtocolError, ["without a single choice"]),
        (say("x", num_given=0), ProtocolError, ["without a single choice"]),
        (say("x", garbage_after=0), ProtocolError, ["not JSON", "{this is not JSON"]),
    ],
)
def test_what_another_try_would_not_mend_is_tried_once(
    action: Action, kind: type[ModelError], words: list[str]
) -> None:
    with FaultServer([action]) as server:
        asked = ask_one(server, request(n=2))
    assert type(asked.error) is kind
    assert all(word in str(asked.error) for word in [*words, server.base_url])
    assert "\n" not in str(asked.error)
    assert len(server.records) == 1
    assert asked.waits == []
    assert [(call.outcome.value, call.error) for call in asked.ledger.calls] == [("error", str(asked.error))]


@pytest.mark.parametrize(
    ("action", "kind", "words"),
    [
        (refuse(500, "oops"), EndpointError, ["failed (500): oops"]),
        (refuse(503, "loading model"), EndpointError, ["failed (503)"]),
        (web_page(502), EndpointError, ["web page (502)"]),
        (refuse(429, "slow down"), RateLimitError, ["too much to do (429): slow down"]),
        (Slam(), UnreachableError, ["broke off"]),
    ],
)
def test_what_another_try_may_mend_is_tried_again(action: Action, kind: type[ModelError], words: list[str]) -> None:
    with FaultServer([action, action, say("fine")]) as server:
        asked = ask_one(server)
    assert asked.texts == ["fine"]
    assert outcomes_of(asked) == ["error", "error", "ok"]
    assert [call.attempt for call in asked.ledger.calls] == [1, 2, 3]
    assert asked.restarts == [0, 0]
    assert len(asked.waits) == 2
    assert 0.25 <= asked.waits[0] <= 0.5 <= asked.waits[1] <= 1.0

    with FaultServer([action] * 4) as server:
        asked = ask_one(server)
    assert type(asked.error) is kind
    assert all(word in str(asked.error) for word in words)
    assert len(server.records) == 4


@pytest.mark.parametrize("retry_after", ["7", formatdate(NOW + 7, usegmt=True)])
@pytest.mark.parametrize("status", [429, 503])
def test_a_servers_wish_to_wait_is_obeyed(retry_after: str, status: int) -> None:
    with FaultServer([refuse(status, "busy", retry_after=retry_after), say("fine")]) as server:
        asked = ask_one(server, now=lambda: NOW)
    assert asked.texts == ["fine"]
    assert asked.waits == [7.0]


def test_a_wish_to_wait_for_hours_is_an_answer() -> None:
    with FaultServer([refuse(429, "out of quota", retry_after="7200")]) as server:
        asked = ask_one(server)
    assert isinstance(asked.error, RateLimitError)
    assert (asked.error.status, asked.error.retry_after_s) == (429, 7200.0)
    assert "it asks to wait 7200 s" in str(asked.error)
    assert asked.waits == []


def test_a_wrong_key_is_never_repeated() -> None:
    with FaultServer([], Traits(api_key="another")) as server:
        asked = ask_one(server, api_key=KEY, key_variable="CEREBRAS_API_KEY")
        no_key = ask_one(server)
    assert isinstance(asked.error, AccessError)
    assert "refused the API key (401): Incorrect API key provided: Bearer ***" in str(asked.error)
    assert "set CEREBRAS_API_KEY" in str(asked.error)
    assert "wants an API key" in str(no_key.error)
    shown = repr(asked.error) + repr(asked.error.__cause__) + repr(asked.error.__context__) + repr(asked.ledger)
    assert KEY not in shown


def test_an_address_without_v1_is_told() -> None:
    with FaultServer([]) as server:
        asked = ask_url(server.base_url.removesuffix("/v1"), request())
    assert isinstance(asked.error, EndpointError)
    assert "has no chat completions (404)" in str(asked.error)
    assert f"does the address lack /v1, as in {server.base_url}?" in str(asked.error)


def test_a_web_page_at_an_address_without_v1_is_told() -> None:
    with FaultServer([web_page()], root="") as server:
        asked = ask_url(server.base_url, request())
    assert f"answered with a web page (200), not as an API; does the address lack /v1, as in {server.base_url}/v1?" in (
        str(asked.error)
    )


@pytest.mark.parametrize("style", OVERFLOWS)
def test_a_prompt_that_does_not_fit_is_told_in_numbers(style: str) -> None:
    with FaultServer([overflow(style)]) as server:
        asked = ask_one(server, request(n=2, max_tokens=1000))
    assert isinstance(asked.error, ContextLengthError)
    assert "5,003 tokens" in str(asked.error)
    assert "holds 2,048" in str(asked.error)
    assert asked.error.status == 400
    assert len(server.records) == 1


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        asked = ask_url(f"http://127.0.0.1:{port}/v1", request(), RetryPolicy(max_tries=3))
    assert isinstance(asked.error, UnreachableError)
    assert f"cannot reach http://127.0.0.1:{port}/v1" in str(asked.error)
    assert "is the server running" in str(asked.error)
    assert [(call.outcome.value, call.is_exact) for call in asked.ledger.calls] == [("error", True)] * 3


@contextmanager
def full_backlog() -> Generator[str]:
    """An address whose queue of connections is full: another one is neither accepted nor refused."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        try:
            yield f"http://127.0.0.1:{address[1]}/v1"
        finally:
            for one in waiting:
                one.close()


def test_a_connection_that_is_never_made_times_out() -> None:
    with full_backlog() as url:
        asked = ask_url(url, request(timeouts=Timeouts(connect_s=0.2)))
    assert isinstance(asked.error, ModelTimeoutError)
    assert f"no connection to {url} within 0.2 s" in str(asked.error)
    assert outcomes_of(asked) == ["timeout"]


def test_no_such_host() -> None:
    asked = ask_url("http://no-such-host.invalid/v1", request(timeouts=Timeouts(connect_s=5.0)))
    assert isinstance(asked.error, UnreachableError | ModelTimeoutError)
    assert "no-such-host.invalid" in str(asked.error)


@pytest.mark.parametrize(
    ("action", "timeouts", "message"),
    [
        (Silence(), Timeouts(first_token_s=0.2), "no first token from {url} within 0.2 s"),
        (say("x", header_s=9), Timeouts(first_token_s=0.2), "no first token from {url} within 0.2 s"),
        (say("x", ttft_s=9), Timeouts(first_token_s=0.2, idle_s=0.01), "no first token from {url} within 0.2 s"),
        (say("a b c", stall_after=2), Timeouts(idle_s=0.2), "no next token from {url} within 0.2 s"),
        (say("a " * 99, token_s=0.01), Timeouts(total_s=0.2), "no end from {url} within 0.2 s"),
        (Silence(), Timeouts(first_token_s=0.3, total_s=0.2), "no end from {url} within 0.2 s"),
    ],
)
def test_a_slow_server_times_out_and_is_hung_up_on(action: Action, timeouts: Timeouts, message: str) -> None:
    with FaultServer([action]) as server:
        asked = ask_one(server, request(timeouts=timeouts))
    said = str(asked.error) if asked.error is not None else asked.completions[0].error
    assert said == message.format(url=server.base_url)
    assert outcomes_of(asked) == ["timeout"]
    assert len(server.records) == 1
    assert server.records[0].closed_by_client
    if asked.error is None:
        assert asked.completions[0].finish_reason is FinishReason.ERROR
        assert isinstance(asked.completions[0].cause, ModelTimeoutError)
        assert asked.completions[0].text.startswith("a ")


def test_a_timeout_spares_the_choices_that_had_ended() -> None:
    with FaultServer([say("a", Said("b c", token_s=9.0))]) as server:
        asked = ask_one(server, request(n=2, timeouts=Timeouts(idle_s=0.2)))
    assert [completion.finish_reason for completion in asked.completions] == [FinishReason.STOP, FinishReason.ERROR]
    assert "no next token" in (asked.completions[1].error or "")


@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_stream_cut_in_the_middle_is_begun_again(is_chunked: bool) -> None:
    with FaultServer([say("one two three", cut_after=2, is_chunked=is_chunked), say("four five")]) as server:
        asked = ask_one(server)
    assert asked.texts == ["four five"]
    assert asked.restarts == [0]
    assert [(call.outcome.value, call.is_exact) for call in asked.ledger.calls] == [("error", False), ("ok", True)]


def test_only_unfinished_choices_are_begun_again() -> None:
    broken = say("a", Said("b c d", token_s=0.02), Said("e f g", token_s=0.02), cut_after=4)
    with FaultServer([broken, say("again")]) as server:
        asked = ask_one(server, request(n=3))
    assert asked.texts == ["a", "again", "again"]
    assert [record.seen.n for record in server.records] == [3, 2]
    assert sorted(asked.restarts) == [1, 2]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"cut_after": 2}, "broke off"),
        ({"stop_after": 2}, "was cut: it ended before the reply did"),
        ({"error_after": 2}, "broke off the reply with an error: the engine died"),
    ],
)
def test_a_stream_that_breaks_at_every_try_keeps_what_it_had_said(fault: dict[str, int], words: str) -> None:
    with FaultServer(lambda _: say("one two three", **fault)) as server:
        asked = ask_one(server)
    (completion,) = asked.completions
    assert (completion.finish_reason, completion.text) == (FinishReason.ERROR, "one two ")
    assert words in (completion.error or "")
    assert len(server.records) == 4
    assert not asked.ledger.totals().is_exact


def test_garbage_in_mid_stream_ends_the_choice_and_keeps_its_text() -> None:
    with FaultServer([say("one two three", garbage_after=1)]) as server:
        asked = ask_one(server)
    assert asked.completions[0].text == "one "
    assert "not JSON" in (asked.completions[0].error or "")


def test_an_overflow_in_mid_stream_is_one() -> None:
    error = {"message": "request (90 tokens) exceeds the available context size (64 tokens)", "code": 400}
    with FaultServer([say("one two three", error_after=2, error=error)]) as server:
        asked = ask_one(server)
    assert "the model's context holds 64" in (asked.completions[0].error or "")
    assert len(server.records) == 1


def test_a_rate_limit_in_mid_stream_is_waited_out() -> None:
    error = {"message": "slow down", "code": 429}
    with FaultServer([say("one two", error_after=1, error=error), say("fine")]) as server:
        asked = ask_one(server)
    assert asked.texts == ["fine"]
    assert len(asked.waits) == 1


@pytest.mark.parametrize(
    ("reason", "expected", "error"),
    [
        ("stop", FinishReason.STOP, None),
        ("length", FinishReason.LENGTH, None),
        ("tool_calls", FinishReason.STOP, None),
        ("content_filter", FinishReason.ERROR, "the endpoint filtered the reply"),
        ("abort", FinishReason.ERROR, "the endpoint aborted the reply"),
    ],
)
def test_finish_reasons(reason: str, expected: FinishReason, error: str | None) -> None:
    with FaultServer([say(Said("text", finish_reason=reason))]) as server:
        asked = ask_one(server)
    (completion,) = asked.completions
    assert (completion.finish_reason, completion.error, completion.text) == (expected, error, "text")


def test_a_cut_after_the_last_choice_ended_costs_only_the_bill() -> None:
    with FaultServer([say("done", lingers_s=30.0, has_done=False)], Traits(usage="none")) as server:
        asked = ask_one(server, request(timeouts=Timeouts(total_s=0.3)))
    assert asked.texts == ["done"]
    assert [(call.outcome.value, call.is_exact) for call in asked.ledger.calls] == [("ok", False)]


def test_a_stream_without_a_last_word_still_counts() -> None:
    with FaultServer([say("fine", has_done=False, content_type="text/plain")]) as server:
        asked = ask_one(server)
    assert asked.texts == ["fine"]
    assert asked.ledger.totals().is_exact


def test_when_one_of_several_calls_cannot_be_started_the_others_count() -> None:
    actions = {0: refuse(400, "odd"), 1: say("b", ttft_s=0.1), 2: say("c", ttft_s=0.1)}
    with FaultServer(lambda seen: actions[seen.order]) as server:
        asked = ask_one(server, request(n=3), max_n=1)
    assert sorted(completion.text for completion in asked.completions) == ["", "b", "c"]
    (failed,) = [completion for completion in asked.completions if completion.finish_reason is FinishReason.ERROR]
    assert "odd" in (failed.error or "")
    assert sorted(outcomes_of(asked)) == ["error", "ok", "ok"]


def test_when_no_call_can_be_started_the_first_reason_is_raised() -> None:
    with FaultServer(lambda _: refuse(400, "odd")) as server:
        asked = ask_one(server, request(n=3), max_n=1)
    assert isinstance(asked.error, EndpointError)
    assert outcomes_of(asked) == ["error"] * 3
    assert asked.ledger.totals().is_exact


def test_the_whole_request_has_one_deadline_however_often_it_is_tried() -> None:
    with FaultServer(lambda _: refuse(429, "busy", retry_after="30")) as server:
        asked = ask_one(server, request(timeouts=Timeouts(total_s=20.0)))
    assert isinstance(asked.error, RateLimitError)
    assert asked.waits == []
