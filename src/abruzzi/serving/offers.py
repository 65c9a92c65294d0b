"""The models that the server offers: the pipeline whole, in parts, and the plain upstream under its own name.

A part fixes some settings of the pipeline; a request that asks for others is refused, since its name would lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from abruzzi.serving.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Offer:
    """One model that clients may ask."""

    id: str
    description: str
    is_upstream: bool = False
    """The solver as it is, without the pipeline."""
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings of the pipeline that this name stands for."""


PIPELINES = (
    Offer("abruzzi", "plan, candidates, agreement or judgement, as the server is set up"),
    Offer("abruzzi-single", "one candidate without a plan", fixed={"n": 1, "plan": "off"}),
    Offer("abruzzi-plan", "one candidate that follows a plan", fixed={"n": 1, "plan": "always"}),
    Offer("abruzzi-bo3", "three candidates without a plan, agreement or judgement", fixed={"n": 3, "plan": "off"}),
)


def list_offers(upstream: str) -> tuple[Offer, ...]:
    """List what is offered.

    Args:
        upstream: the solver's name, as it stands in ledgers.
    """
    return (*PIPELINES, Offer(upstream, "the upstream model as it is", is_upstream=True))


def find_offer(name: str, offers: tuple[Offer, ...]) -> Offer:
    """Find the model that a request names.

    Raises:
        Refusal: there is none of that name; 404, as OpenAI answers.
    """
    for offer in offers:
        if offer.id == name:
            return offer
    known = ", ".join(offer.id for offer in offers)
    raise Refusal(
        f"the model {name[:100]!r} does not exist here; known: {known}",
        status=404,
        type="not_found_error",
        code="model_not_found",
        param="model",
    )
