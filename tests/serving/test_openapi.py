"""The OpenAPI document is true: schemathesis draws requests from it and holds the responses against it.

A third of the cases are as the document allows, a third as it forbids, and a third are allowed and made sensible. A
request that the document allows may still be refused for what a schema cannot say (a question that is only white space,
a result without its call); all other checks hold for it: no 5xx, only documented statuses, bodies that fit. One made
sensible must be answered.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.openapi.checks import RejectedPositiveData

from abruzzi.serving.key_file import hash_key
from abruzzi.serving.keys import HashedRing
from tests.serving.running import UNLIMITED, serving

KEY = "sk-abruzzi-0123456789abcdef"
NUM_CASES = int(os.environ.get("ABRUZZI_TEST_CASES", "2000"))
ASKING = {"/v1/chat/completions", "/v1/responses"}
SENSIBLE = {"model", "temperature", "top_p", "seed", "user", "stream", "presence_penalty", "min_p", "top_k", "stop"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    ring = HashedRing({hash_key(KEY): "ann"}, None, UNLIMITED, tell=lambda _: None)
    with serving(keys=ring) as address:
        yield address


def draw(url: str, num_cases: int, mode: GenerationMode, change: Callable[[Any], Any] | None = None) -> Counter[int]:
    """Send requests drawn for every operation, and hold each response against the document.

    Returns:
        How often each status came.
    """
    load_all_checks()
    statuses: Counter[int] = Counter()
    schema: Any = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for found in schema.get_all_operations():
        operation: Any = found.ok()
        is_asking = operation.path in ASKING
        if change is not None and not is_asking:
            continue

        @settings(
            max_examples=num_cases if is_asking else max(1, num_cases // 10),
            database=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            if change is not None:
                case.body = change(case.body)
            if mode is GenerationMode.POSITIVE and case.operation.path in ASKING:
                drop_deadlines(case.body)
            response = case.call(headers={"Authorization": f"Bearer {KEY}"}, timeout=30)
            statuses[response.status_code] += 1
            try:
                case.validate_response(response)
            except FailureGroup as group:
                others = [one for one in group.exceptions if not isinstance(one, RejectedPositiveData)]
                if others or change is not None:
                    raise
                assert response.json()["error"]["code"] in ("invalid_value", "request_too_large"), response.text

        try:
            send()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, "an operation without any parameter cannot be asked wrongly"
    return statuses


def drop_deadlines(body: dict[str, Any]) -> None:
    """A deadline of a second is kept, and on a busy machine rightly ends in 504."""
    options = cast("dict[str, Any]", body.get("abruzzi") or {})
    for name in ("soft_deadline_s", "hard_deadline_s"):
        options.pop(name, None)


def make_sensible(body: dict[str, Any]) -> dict[str, Any]:
    """Keep what cannot contradict anything, and ask a question."""
    kept = {name: value for name, value in body.items() if name in SENSIBLE}
    question = "What is 17 + 25?"
    return kept | ({"input": question} if "input" in body else {"messages": [{"role": "user", "content": question}]})


def check(url: str, num_cases: int) -> int:
    """Draw so many cases for each operation and mode."""
    allowed = draw(url, num_cases, GenerationMode.POSITIVE)
    forbidden = draw(url, num_cases, GenerationMode.NEGATIVE)
    sensible = draw(url, num_cases, GenerationMode.POSITIVE, make_sensible)
    assert set(sensible) == {200}
    return sum(allowed.values()) + sum(forbidden.values()) + sum(sensible.values())


def test_some_requests_drawn_from_the_document(url: str) -> None:
    assert check(url, 3) >= 18


@pytest.mark.slow
def test_many_requests_drawn_from_the_document(url: str) -> None:
    assert check(url, NUM_CASES // 6 + 20) >= NUM_CASES


def test_the_document_says_who_needs_a_key_and_which_models_there_are(url: str) -> None:
    document = httpx2.get(f"{url}/openapi.json", trust_env=False).json()
    body = document["components"]["schemas"]["ChatBody"]
    assert body["properties"]["model"]["enum"] == [
        "abruzzi",
        "abruzzi-single",
        "abruzzi-plan",
        "abruzzi-bo3",
        "scripted",
    ]
    assert body["additionalProperties"] is False
    assert document["paths"]["/v1/responses"]["post"]["security"] == [{"key": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]


def test_an_upstreams_docs_are_not_served(url: str) -> None:
    for path in ("/docs", "/redoc"):
        assert httpx2.get(f"{url}{path}", trust_env=False).status_code == 404
