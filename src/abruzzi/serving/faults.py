"""What a client is told when the pipeline or its upstream fails: each typed error as a refusal in OpenAI's shape.

A message repeats what the endpoint said only where the client's own request was turned down. The addresses, keys and
files of the server are its operator's, and stay in the log.
"""

import re

from abruzzi import errors
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
    RateLimitError,
    RecordError,
    StructureError,
    UnreachableError,
)
from abruzzi.serving.refusal import Refusal

TURNED_DOWN = frozenset({400, 413, 422})
"""HTTP statuses by which an endpoint says that the request itself is at fault."""


_SAID = frozenset(
    {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ModelError | DataError)}
    | {Refusal.__name__, "NotConnectedError", "ConnectTimeoutError"}
)
"""Types of errors whose words are about the question or the upstream, and not about this server."""
_ADDRESS = re.compile(r" ?\(?https?://[^\s),;]+\)?")


def explain_error(error: AbruzziError) -> Refusal:
    """Say how a typed error looks to a client."""
    match error:
        case Refusal():
            return error
        case DataError():
            return _refuse(str(error), "invalid_value", "messages")
        case ModelError() | EngineError():
            return explain_model(error)
        case RecordError():
            return Refusal(
                "this server cannot keep its records at the moment; try again later",
                status=503,
                type="service_unavailable_error",
                code="store_unavailable",
                retry_after_s=5.0,
            )
        case _:
            return explain_unexpected()


def explain_model(error: ModelError | EngineError) -> Refusal:
    """Say how a failure of the upstream looks to a client."""
    match error:
        case ContextLengthError():
            return _refuse(hide_addresses(str(error)), "context_length_exceeded", "messages")
        case RateLimitError():
            return Refusal(
                "the upstream model is at its rate limit; try again later",
                status=429,
                type="rate_limit_error",
                code="upstream_rate_limit",
                retry_after_s=error.retry_after_s,
            )
        case AccessError():
            return _upstream("the upstream refused this server's own key; tell whoever runs it", "upstream_access")
        case EndpointError(status=status) if status in TURNED_DOWN:
            said = hide_addresses(str(error)).strip()
            return _refuse(f"the upstream model does not take this request: {said}", "upstream_refused", None)
        case ModelTimeoutError():
            return Refusal("no answer in time", status=504, type="upstream_error", code="timeout")
        case NoCandidateError():
            return _upstream("no candidate came back with any text", "no_candidate")
        case StructureError():
            return _upstream("no reply of the model fitted the form asked for", "no_structured_reply")
        case UnreachableError() | EngineError():
            return _upstream("the upstream model cannot be reached", "upstream_unreachable")
        case _:
            return _upstream("the upstream model failed", "upstream_failed")


def explain_failure(kind: str, message: str) -> str:
    """Say to its owner what a record says of a failure.

    Args:
        kind: the error's type.
        message: its own words.
    """
    return hide_addresses(message) if kind in _SAID else str(explain_unexpected())


def hide_addresses(text: str) -> str:
    """Take the addresses of upstreams out of a text for clients."""
    return _ADDRESS.sub("", text)


def explain_unexpected() -> Refusal:
    """Say that something broke that should not have; what it was stands in the server's log."""
    return Refusal(
        "something broke in this server; its log says what", status=500, type="server_error", code="internal_error"
    )


def _upstream(message: str, code: str) -> Refusal:
    return Refusal(message, status=502, type="upstream_error", code=code)


def _refuse(message: str, code: str, param: str | None) -> Refusal:
    return Refusal(message, status=400, type="invalid_request_error", code=code, param=param)
