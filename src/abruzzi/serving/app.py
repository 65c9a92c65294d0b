"""Puts the server together: routes, the boundary, what is refused before a route is reached."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from abruzzi import __version__
from abruzzi.serving.boundary import Boundary, explain_http, write_refusal
from abruzzi.serving.invalid import explain_invalid
from abruzzi.serving.keys import OpenRing
from abruzzi.serving.routes.chat import chat_routes
from abruzzi.serving.routes.health import health_routes
from abruzzi.serving.routes.metrics import metrics_routes
from abruzzi.serving.routes.models import models_routes
from abruzzi.serving.routes.responses import responses_routes
from abruzzi.serving.server import Server

BODIES = ("ChatBody", "ResponsesBody")
"""Parts of the document whose ``model`` is one of those offered."""
WITHOUT_KEY = frozenset({"/healthz", "/readyz", "/metrics"})


class _App(FastAPI):
    """An app whose document says which models there are, and where a key is needed."""

    def __init__(self, server: Server) -> None:
        super().__init__(
            title="Abruzzi",
            version=__version__,
            summary="Plan, best-of-N, agreement and judgement behind OpenAI's protocol",
            docs_url=None,  # they load scripts from elsewhere
            redoc_url=None,
        )
        self._server = server

    def openapi(self) -> dict[str, Any]:
        """Write the document."""
        if self.openapi_schema is None:
            document = super().openapi()
            for name in BODIES:
                model = document["components"]["schemas"][name]["properties"]["model"]
                model["enum"] = [offer.id for offer in self._server.offers]
            if not isinstance(self._server.keys, OpenRing):
                document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
                for path, operations in document["paths"].items():
                    for operation in operations.values() if path not in WITHOUT_KEY else ():
                        operation["security"] = [{"key": []}]
            self.openapi_schema = document
        return self.openapi_schema


def build_app(server: Server, *, further: Sequence[APIRouter] = ()) -> FastAPI:
    """Build the app.

    Args:
        server: its parts.
        further: more routes, such as the page's.
    """
    app = _App(server)
    app.add_middleware(Boundary, server=server)

    async def refuse_invalid(request: Request, error: Exception) -> Response:
        del request
        assert isinstance(error, RequestValidationError), "registered for this type"
        refusal = explain_invalid(error)
        server.metrics.refused(refusal.code)
        return write_refusal(refusal)

    async def refuse_http(request: Request, error: Exception) -> Response:
        del request
        assert isinstance(error, HTTPException), "registered for this type"
        refusal = explain_http(error)
        server.metrics.refused(refusal.code)
        return write_refusal(refusal, error.headers)

    app.add_exception_handler(RequestValidationError, refuse_invalid)
    app.add_exception_handler(HTTPException, refuse_http)
    routes = (chat_routes, responses_routes, models_routes, health_routes, metrics_routes)
    for router in (*(make(server) for make in routes), *further):
        app.include_router(router)
    return app
