"""``GET /metrics``: counts for Prometheus. They name models and outcomes, never keys or questions; no key is needed."""

from fastapi import APIRouter
from starlette.responses import Response

from abruzzi.serving.routes.described import refuse_with
from abruzzi.serving.server import Server


def metrics_routes(server: Server) -> APIRouter:
    """Make the route of the metrics."""
    router = APIRouter(tags=["operation"], responses=refuse_with(500))

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Counts for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:  # pyright: ignore[reportUnusedFunction] -- a route
        content, media_type = server.metrics.render()
        return Response(content, headers={"content-type": media_type})

    return router
