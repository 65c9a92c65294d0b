"""Who sends a request, as far as the server knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from abruzzi.serving.keys import Key
from abruzzi.serving.server import Server


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of one request."""

    key: Key
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Those of the request that a trace goes on from, names in lower case."""


def identify(server: Server, request: Request) -> Caller:
    """Find out who sends a request.

    Raises:
        Refusal: 401; there is no key, or none that is known.
    """
    key = server.keys.identify(request.headers.get("authorization"))
    traced = {name: value for name in ("traceparent", "tracestate") if (value := request.headers.get(name))}
    return Caller(key, traced)
