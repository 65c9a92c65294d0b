"""Fans an evaluation out over a Ray cluster: samples are made anywhere and stored here, once each, whatever dies.

One worker a node makes samples, many side by side; this process hands them out, and is the only one that writes. A node
that dies takes nothing along but what was under way on it: that is handed out again, to whichever worker is there, and
a late answer to something that is stored by now is dropped. Nodes that join later get a worker too. This process may
die as well: the same command goes on from the store.

Ray does placement, transport and noticing deaths; what a sample is, and when it counts, is decided elsewhere.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from abruzzi.config import missing_package
from abruzzi.data.items import Item
from abruzzi.errors import AbruzziError, ConfigError, EngineError
from abruzzi.evaluation.attempt import Bench, make_sample
from abruzzi.evaluation.runner import Tally
from abruzzi.evaluation.samples import Sample
from abruzzi.evaluation.store import Store

OpenBench = Callable[[], AbstractAsyncContextManager[Bench]]
"""Opens what samples are made with; picklable, since it is called on every node."""

POLL_S = 1.0
"""How long one look for finished samples takes at most; nodes that come and go are noticed between two."""
START_S = 300.0
"""How long the first worker may take until it makes samples: weights may have to be fetched."""

_SAMPLE = TypeAdapter(Sample)


class Worker:
    """Makes samples on one node; Ray runs it as an asynchronous actor."""

    def __init__(self, open_bench: OpenBench) -> None:
        self._open_bench = open_bench
        self._stack = AsyncExitStack()
        self._bench: Bench | None = None

    async def start(self) -> None:
        """Open the models."""
        self._bench = await self._stack.enter_async_context(self._open_bench())

    async def make(self, item: Item, repeat: int) -> dict[str, Any]:
        """Make one sample, as plain JSON types."""
        assert self._bench is not None, "started before it is asked for samples"
        row: dict[str, Any] = to_jsonable_python(await make_sample(self._bench, item, repeat))
        return row

    async def stop(self) -> None:
        """Close the models."""
        await self._stack.aclose()


@dataclass(slots=True)
class _Node:
    """A worker and what it is at."""

    actor: Any
    starting: Any
    """Ray's reference to the end of its start; None once it has started."""
    under_way: dict[Any, tuple[Item, int]] = field(default_factory=dict[Any, tuple[Item, int]])


def run_on_ray(
    address: str,
    missing: Iterator[tuple[Item, int]],
    open_bench: OpenBench,
    store: Store[Sample],
    *,
    parallel: int,
    on_sample: Callable[[Sample], None],
) -> None:
    """Make all missing samples on a cluster.

    Args:
        address: of the cluster's head, as Ray takes it; ``local`` starts one on this machine.
        missing: what to make.
        open_bench: opens the models, on each node.
        store: keeps each sample as it comes back.
        parallel: samples under way on each node.
        on_sample: told of each that was stored.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
        ModelError: an endpoint refuses the key, or too many samples failed in a row.
        RecordError: a sample cannot be stored.
    """
    ray = _connect(address)
    try:
        _Fanout(ray, deque(missing), open_bench, store, parallel, on_sample).run()
    finally:
        ray.shutdown()


def _connect(address: str) -> Any:
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise missing_package("--ray", "ray", extra="ray") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", namespace="abruzzi")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"no Ray cluster at {address!r}: {error}; start one with 'ray start --head'") from error
    return ray


@dataclass(slots=True)
class _Fanout:
    """Samples on their way."""

    ray: Any
    waiting: deque[tuple[Item, int]]
    open_bench: OpenBench
    store: Store[Sample]
    parallel: int
    on_sample: Callable[[Sample], None]
    nodes: dict[str, _Node] = field(default_factory=dict[str, _Node])
    tally: Tally = field(default_factory=Tally)
    started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Hand out and collect until nothing is left."""
        while self.waiting or any(node.under_way for node in self.nodes.values()):
            self._look_for_nodes()
            for name, node in list(self.nodes.items()):
                self._hand_out(name, node)
            self._collect()
        for node in self.nodes.values():
            node.actor.stop.remote()

    def _look_for_nodes(self) -> None:
        """Give every living node a worker, and take back what dead ones were at."""
        alive = {entry["NodeID"] for entry in self.ray.nodes() if entry["Alive"]}
        for name in list(self.nodes.keys() - alive):
            self._lose(name)
        for name in alive - self.nodes.keys():
            place = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(name, soft=False)
            options = {"num_cpus": 0, "max_concurrency": self.parallel + 1, "scheduling_strategy": place}
            actor = self.ray.remote(Worker).options(**options).remote(self.open_bench)
            self.nodes[name] = _Node(actor, actor.start.remote())

    def _hand_out(self, name: str, node: _Node) -> None:
        if node.starting is not None:
            if not self.ray.wait([node.starting], timeout=0)[0]:
                if time.monotonic() - self.started > START_S and not any(n.under_way for n in self.nodes.values()):
                    raise EngineError(
                        f"no worker started within {START_S:.0f} s; look at the cluster with 'ray status'"
                    )
                return
            if not self._is_done(name, node.starting):
                return
            node.starting = None
        while self.waiting and len(node.under_way) < self.parallel:
            item, repeat = self.waiting.popleft()
            node.under_way[node.actor.make.remote(item, repeat)] = (item, repeat)

    def _collect(self) -> None:
        """Store what has come back."""
        owners = {reference: name for name, node in self.nodes.items() for reference in node.under_way}
        if not owners:
            time.sleep(POLL_S / 10)
            return
        finished, _ = self.ray.wait(list(owners), num_returns=1, timeout=POLL_S)
        for reference in finished:
            name = owners[reference]
            if name not in self.nodes or not self._is_done(name, reference):
                continue
            del self.nodes[name].under_way[reference]
            sample = _SAMPLE.validate_python(self.ray.get(reference))
            if not self.store.is_done(sample.key):
                self.store.add(sample)
                self.on_sample(sample)
                self.tally.note(sample)

    def _is_done(self, name: str, reference: Any) -> bool:
        """True when a call came back; a worker that died with its node is forgotten, and its work handed out again.

        Raises:
            AbruzziError: what the worker itself raised, e.g. that it has no weights or a refused key.
        """
        exceptions = self.ray.exceptions
        try:
            self.ray.get(reference)
        except exceptions.RayTaskError as error:
            cause = getattr(error, "cause", None)
            raise cause if isinstance(cause, AbruzziError) else error from error
        except (exceptions.RayActorError, exceptions.WorkerCrashedError, exceptions.ObjectLostError):
            self._lose(name)
            return False
        return True

    def _lose(self, name: str) -> None:
        node = self.nodes.pop(name)
        self.waiting.extendleft(node.under_way.values())
