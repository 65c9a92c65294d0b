"""``GET /v1/models`` and ``GET /v1/models/{id}``: what is offered."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from abruzzi.serving.caller import identify
from abruzzi.serving.offers import Offer, find_offer
from abruzzi.serving.routes.described import refuse_with
from abruzzi.serving.server import Server


class ModelCard(BaseModel):
    """One model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    """Unix time of the server's start, seconds."""
    owned_by: Literal["abruzzi", "upstream"]
    description: str


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


def models_routes(server: Server) -> APIRouter:
    """Make the routes of models."""
    router = APIRouter(tags=["OpenAI"], responses=refuse_with(401, 500))
    started = int(server.clock())

    def write_card(offer: Offer) -> ModelCard:
        owner = "upstream" if offer.is_upstream else "abruzzi"
        return ModelCard(id=offer.id, created=started, owned_by=owner, description=offer.description)

    @router.get("/v1/models", operation_id="list_models", summary="List the models")
    async def list_models(request: Request) -> ModelList:  # pyright: ignore[reportUnusedFunction] -- a route
        identify(server, request)
        return ModelList(data=[write_card(offer) for offer in server.offers])

    # An upstream's name may hold slashes.
    @router.get(
        "/v1/models/{name:path}", operation_id="get_model", summary="Describe a model", responses=refuse_with(404)
    )
    async def get_model(request: Request, name: str) -> ModelCard:  # pyright: ignore[reportUnusedFunction] -- a route
        identify(server, request)
        return write_card(find_offer(name, server.offers))

    return router
