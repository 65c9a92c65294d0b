"""The one boundary where errors end: each becomes a response in OpenAI's shape, or the last event of a stream.

Typed errors say themselves what a client is told. Anything else is a fault of ours: it goes to the log with its
traceback, and the client is told that something broke, and nothing of what.

What nobody may do is refused here, before anything of a request is read:

- without a key, to reach a path that needs one: a body is parsed only for somebody who is known;
- without keys at all, to come from a web page elsewhere: the name by which the server was reached, and the page's own
  (a page can post to any address without being allowed to read the answer);
- to send a body that is too large or never ends (FastAPI's own limit answers by itself, and not in OpenAI's shape).

Nor is anybody sent elsewhere: an address of ours could only be made of the name that the client claims for us.
"""

import logging
import math
from collections.abc import Mapping
from urllib.parse import urlsplit

import anyio
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

PROTECTED = ("/v1/", "/api/")
"""Beginnings of the paths that need a key."""
BODY_S = 60.0
"""How long a body may take to come in."""
_CODES = {404: "not_found", 405: "method_not_allowed", 408: "request_timeout", 413: "request_too_large"}


class Boundary:
    """Wraps the whole app.

    Args:
        app: what is wrapped.
        server: its parts.
        body_s: how long a body may take to come in, seconds.
    """

    def __init__(self, app: ASGIApp, server: Server, *, body_s: float = BODY_S) -> None:
        self._app = app
        self._server = server
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; whatever it raises is told to the client and goes no further."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = is_stream = False

        async def note(message: Message) -> None:
            nonlocal has_begun, is_stream
            if message["type"] == "http.response.start":
                if 300 < message["status"] < 400 and message["status"] != 304:
                    raise Refusal("there is no such path", status=404, type="not_found_error", code="not_found")
                has_begun = True
                is_stream = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
            await send(message)

        try:
            self._check_host(scope)
            if scope["path"].startswith(PROTECTED):
                self._server.keys.identify(Headers(scope=scope).get("authorization"))
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
        """Without keys, refuse a request that reached us under a foreign name or that a foreign page sends."""
        allowed = self._server.hosts
        if allowed is None:
            return
        headers = Headers(scope=scope)
        name, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and origin.partition("://")[2] != name:
            raise Refusal(
                "this server without keys takes no requests of other web pages; start it with keys for that",
                status=403,
                type="permission_error",
                code="foreign_origin",
            )
        if _read_host(name) not in allowed:
            raise Refusal(
                f"this server without keys does not go by the name {name[:100]!r}; ask it as localhost",
                status=403,
                type="permission_error",
                code="foreign_host",
            )

    def _limit(self, receive: Receive) -> Receive:
        """Count a body as it comes, and its time."""
        num_bytes, limit, is_whole = 0, self._server.max_body_bytes, False
        deadline = anyio.current_time() + self._body_s

        async def receive_some() -> Message:
            nonlocal num_bytes, is_whole
            if is_whole:
                return await receive()
            message: Message = {}
            with anyio.CancelScope(deadline=deadline) as scope:
                message = await receive()
            if scope.cancelled_caught:
                raise HTTPException(408, f"the body did not come in within {self._body_s:g} s; send it faster")
            is_whole = not message.get("more_body", False)
            num_bytes += len(message.get("body", b""))
            if num_bytes > limit:
                raise HTTPException(413, f"the body has more than {limit:,} bytes; send less")
            return message

        return receive_some


def _read_host(name: str) -> str | None:
    try:
        return urlsplit(f"//{name}").hostname
    except ValueError:  # brackets that hold no address
        return None


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
