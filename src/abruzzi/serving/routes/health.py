"""``/healthz`` says that the process lives, ``/readyz`` that it takes questions. Both need no key and cost nothing."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from abruzzi.serving.refusal import Refusal
from abruzzi.serving.routes.described import refuse_with
from abruzzi.serving.server import Server


class Health(BaseModel):
    """All is well."""

    status: Literal["ok"] = "ok"


def health_routes(server: Server) -> APIRouter:
    """Make the routes of the probes."""
    router = APIRouter(tags=["operation"], responses=refuse_with(500))

    @router.get("/healthz", operation_id="healthz", summary="Is the process alive?")
    async def healthz() -> Health:  # pyright: ignore[reportUnusedFunction] -- a route
        return Health()

    @router.get("/readyz", operation_id="readyz", summary="Does the server take questions?", responses=refuse_with(503))
    async def readyz() -> Health:  # pyright: ignore[reportUnusedFunction] -- a route
        if server.admission.is_draining:
            raise Refusal(
                "the server is going down", status=503, type="service_unavailable_error", code="server_draining"
            )
        return Health()

    return router
