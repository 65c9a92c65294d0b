"""Each typed error has its status and code, and says nothing of the server's insides."""

import pytest

from abruzzi.errors import (
    AbruzziError,
    AccessError,
    ContextLengthError,
    DataError,
    EndpointError,
    EngineError,
    ModelError,
    ModelTimeoutError,
    NoCandidateError,
    ProtocolError,
    RateLimitError,
    RecordError,
    StructureError,
    UnreachableError,
)
from abruzzi.serving.faults import explain_error
from abruzzi.serving.refusal import Refusal

URL = "http://10.0.0.7:8000/v1"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ContextLengthError(f"the prompt does not fit ({URL}); shorten it", 400), 400, "context_length_exceeded"),
        (DataError("the question is empty"), 400, "invalid_value"),
        (RateLimitError(f"{URL} has too much to do", 429, 7.0), 429, "upstream_rate_limit"),
        (AccessError(f"{URL} refused the key; set ABRUZZI_API_KEY", 401), 502, "upstream_access"),
        (EndpointError(f"{URL} refused the request (400): no such grammar", 400), 400, "upstream_refused"),
        (EndpointError(f"{URL} failed (500)", 500), 502, "upstream_failed"),
        (ModelTimeoutError(f"{URL} sent no token"), 504, "timeout"),
        (NoCandidateError("none"), 502, "no_candidate"),
        (StructureError("none fits"), 502, "no_structured_reply"),
        (UnreachableError(f"cannot reach {URL}"), 502, "upstream_unreachable"),
        (EngineError("it died"), 502, "upstream_unreachable"),
        (ProtocolError(f"{URL} sent a line"), 502, "upstream_failed"),
        (ModelError("whatever"), 502, "upstream_failed"),
        (RecordError("/var/lib/questions.db: disk full"), 503, "store_unavailable"),
        (AbruzziError("of a new kind"), 500, "internal_error"),
    ],
)
def test_what_a_client_is_told(error: AbruzziError, status: int, code: str) -> None:
    refusal = explain_error(error)
    assert (refusal.status, refusal.code) == (status, code)
    for inside in ("10.0.0.7", "ABRUZZI_API_KEY", "/var/lib"):
        assert inside not in str(refusal)


def test_a_refusal_stays_and_the_wait_is_passed_on() -> None:
    refusal = Refusal("no", status=418, type="server_error")
    assert explain_error(refusal) is refusal
    assert explain_error(RateLimitError("busy", 429, 7.0)).retry_after_s == 7.0
    assert "no such grammar" in str(explain_error(EndpointError(f"{URL} refused the request: no such grammar", 400)))
