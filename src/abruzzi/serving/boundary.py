"""The one boundary where errors end: each becomes a response in OpenAI's shape, or the last event of a stream.

Typed errors say themselves what a client is told. Anything else is a fault of ours: it goes to the log with its
traceback, and the client is told that something broke, and nothing of what.

The size of a body is watched here too (FastAPI's own limit answers by itself, and not in OpenAI's shape), and the
name by which the server was reached.
"""

import logging
import math
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from abruzzi.errors import AbruzziError
from abruzzi.serving.event_stream import write_event, write_json
from abruzzi.serving.faults import explain_error, explain_unexpected
from abruzzi.serving.refusal import Refusal, body
from abruzzi.serving.server import Server

_log = logging.getLogger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}


class Boundary:
    """Wraps the whole app."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; whatever it raises is told to the client and goes no further."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = is_stream = False

        async def note(message: Message) -> None:
            nonlocal has_begun, is_stream
            if message["type"] == "http.response.start":
                has_begun = True
                is_stream = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
            await send(message)

        try:
            self._check_host(scope)
            await self._app(scope, self._limit(receive), note)
        except AbruzziError as error:
            refusal = explain_error(error)
            if refusal.status >= 500 and refusal is not error:
                self._server.log.write(
                    "failed",
                    path=scope["path"],
                    status=refusal.status,
                    code=refusal.code,
                    error=type(error).__name__,
                    content={"error_message": str(error)},
                )
        except Exception:  # noqa: BLE001 - the one boundary
            _log.exception("%s %s broke", scope["method"], scope["path"])
            refusal = explain_unexpected()
        else:
            return
        self._server.metrics.refused(refusal.code)
        if not has_begun:
            await write_refusal(refusal)(scope, receive, send)
        elif is_stream:
            await send({"type": "http.response.body", "body": write_event(body(refusal))})

    def _check_host(self, scope: Scope) -> None:
        """Refuse a request that reached us under a foreign name."""
        allowed = self._server.hosts
        if allowed is None:
            return
        name = Headers(scope=scope).get("host", "")
        if urlsplit(f"//{name}").hostname not in allowed:
            raise Refusal(
                f"this server without keys does not go by the name {name[:100]!r}; ask it as localhost",
                status=403,
                type="permission_error",
                code="foreign_host",
            )

    def _limit(self, receive: Receive) -> Receive:
        """Count a body as it comes."""
        num_bytes, limit = 0, self._server.max_body_bytes

        async def receive_some() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if num_bytes > limit:
                raise HTTPException(413, f"the body has more than {limit:,} bytes; send less")
            return message

        return receive_some


def write_refusal(refusal: Refusal, further: Mapping[str, str] | None = None) -> Response:
    """Write a refusal as a response.

    Args:
        refusal: what the client is told.
        further: headers: which methods are allowed.
    """
    headers = {"content-type": "application/json", **(further or {})}
    if refusal.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(refusal.retry_after_s))
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(write_json(body(refusal)), refusal.status, headers)


def explain_http(error: HTTPException) -> Refusal:
    """Say what the framework itself refuses: an unknown path, a wrong method, a body that is too large."""
    return Refusal(
        str(error.detail),
        status=error.status_code,
        type="not_found_error" if error.status_code == 404 else "invalid_request_error",
        code=_CODES.get(error.status_code),
    )
