"""Everything that the routes need, in one value: where the parts of the server meet. The command line makes it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from abruzzi.reasoning.run import Agree, Roles
from abruzzi.reasoning.settings import AskSettings
from abruzzi.serving.admission import Admission
from abruzzi.serving.caps import Caps
from abruzzi.serving.guard.guard import Guard
from abruzzi.serving.keys import KeyRing
from abruzzi.serving.logs import Log
from abruzzi.serving.metrics import Metrics
from abruzzi.serving.offers import Offer, list_offers
from abruzzi.serving.store.store import Store
from abruzzi.serving.tracing import Traces


@dataclass(frozen=True, slots=True)
class Server:
    """A server's parts; those that may be None are switched off then."""

    roles: Roles
    settings: AskSettings
    """The pipeline's settings where a client asks for no others."""
    agree: Agree
    keys: KeyRing
    admission: Admission
    metrics: Metrics
    log: Log
    traces: Traces | None = None
    store: Store | None = None
    guard: Guard | None = None
    caps: Caps = field(default_factory=Caps)
    clock: Callable[[], float] = time.time
    """Unix time, seconds."""
    heartbeat_s: float = 10.0
    """A stream that has nothing to tell sends a comment after so many seconds, so that proxies keep it open."""
    max_body_bytes: int = 4_000_000
    hosts: frozenset[str] | None = None
    """Names that a request's ``Host`` may have; None for any. Without keys a web page elsewhere must not get in by
    giving its own name the address of this machine."""
    offers: tuple[Offer, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "offers", list_offers(self.roles.solver.name))
