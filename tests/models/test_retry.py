"""Another try only where it may help, and waits that are bounded."""

import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from abruzzi.models.retry import (
    ConnectTimeoutError,
    NotConnectedError,
    RetryPolicy,
    choose_wait,
    is_retriable,
    read_retry_after,
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RateLimitError("slow down"), True),
        (RateLimitError("slow down", 503), True),
        (EndpointError("failed", 500), True),
        (EndpointError("failed", 502), True),
        (EndpointError("bad request", 400), False),
        (EndpointError("no model", 404), False),
        (EndpointError("unprocessable", 422), False),
        (EndpointError("no status"), False),
        (AccessError("wrong key", 401), False),
        (ContextLengthError("too long", 400), False),
        (UnreachableError("broke off"), True),
        (NotConnectedError("refused"), True),
        (ConnectTimeoutError("no connection"), True),
        (ModelTimeoutError("no first token"), False),
        (ProtocolError("a web page"), False),
    ],
)
def test_what_is_worth_another_try(error: ModelError, expected: bool) -> None:
    assert is_retriable(error) is expected


@given(st.integers(1, 12), st.integers())
def test_waits_double_within_their_limits(tries: int, seed: int) -> None:
    policy = RetryPolicy(max_tries=99, base_s=0.5, max_wait_s=30.0)
    wait_s = choose_wait(policy, UnreachableError("x"), tries=tries, waited_s=0.0, rng=random.Random(seed))
    longest = min(30.0, 0.5 * 2 ** (tries - 1))
    assert wait_s is not None
    assert longest / 2 <= wait_s <= longest


def test_tries_and_total_wait_are_capped() -> None:
    policy, error, rng = RetryPolicy(max_tries=3, max_total_s=5.0), EndpointError("x", 500), random.Random(1)
    assert choose_wait(policy, error, tries=2, waited_s=0.0, rng=rng) is not None
    assert choose_wait(policy, error, tries=3, waited_s=0.0, rng=rng) is None
    assert choose_wait(policy, error, tries=2, waited_s=4.9, rng=rng) is None


def test_a_servers_wish_is_obeyed_or_taken_as_a_refusal() -> None:
    policy, rng = RetryPolicy(max_total_s=10.0), random.Random(1)
    assert choose_wait(policy, RateLimitError("x", retry_after_s=7.0), tries=1, waited_s=0.0, rng=rng) == 7.0
    assert choose_wait(policy, RateLimitError("x", retry_after_s=0.0), tries=1, waited_s=0.0, rng=rng) == 0.0
    assert choose_wait(policy, RateLimitError("x", retry_after_s=11.0), tries=1, waited_s=0.0, rng=rng) is None


def test_retry_after_is_read_in_both_forms() -> None:
    now = 1_700_000_000.0
    assert read_retry_after(None, now) is None
    assert read_retry_after("3", now) == 3.0
    assert read_retry_after("1.5", now) == 1.5
    assert read_retry_after("-3", now) == 0.0
    assert read_retry_after(formatdate(now + 90, usegmt=True), now) == 90.0
    assert read_retry_after(formatdate(now - 90, usegmt=True), now) == 0.0
    assert read_retry_after("soon", now) is None
    assert read_retry_after("inf", now) is None
    assert read_retry_after("nan", now) is None
