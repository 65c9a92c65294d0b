"""Measures on this machine what each method of speculation is worth: the seconds a token, beside off, in turn.

One engine runs for each method, all at once and with the same slots, and they take turns, request by request, so that a
machine whose speed drifts drifts for all. Each request is sent twice: first for one token, which computes the prompt,
then for the text, which is timed. Texts are sampled at a temperature of 0.7 with a seed of the round, so that all
methods write the same ones; the order in which they take turns rotates.

The first round sieves: a method that is slower than off by a tenth at every load has no part in the others. What is
found is decided on by ``speculation_choice`` and kept by ``tuned``.

Not here: adapters (drafts see text, not weights), prompts (drafts do nothing for them), other processes on the machine.
"""

import hashlib
import http.client
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from abruzzi.engine.counters import EngineCounters, read_counters
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import EngineSettings
from abruzzi.engine.speculation import Speculation
from abruzzi.engine.speculation_choice import OFF, OFF_AGAIN, Load, TextKind, Timing, find_gains
from abruzzi.engine.tuning_samples import write_sample
from abruzzi.errors import ConfigError, ProtocolError, UnreachableError

SIEVE = 0.9
"""Below this speed-up in the first round, at every load, a method is dropped."""
_PATIENCE_S = 600.0
_POLL_S = 0.01

Told = Callable[[str], None]
"""Gets a line about how it goes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    rounds: int = 5
    tokens: int = 24
    """Of each completion, at most."""
    keeps_all: bool = False
    """True measures every method in every round: for a table, not for a choice."""

    def __post_init__(self) -> None:
        for name, value in (("rounds", self.rounds), ("tokens", self.tokens)):
            if value < 1:
                raise ConfigError(f"the measurement's {name} is {value}; it must be at least 1")


def measure(settings: EngineSettings, speculations: Sequence[Speculation], plan: Plan, tell: Told) -> list[Timing]:
    """Run every method on the samples.

    Args:
        settings: of the engines; their speculation is set here.
        speculations: the methods, which the library has.
        plan: how often and how long.
        tell: told of each round.

    Raises:
        EngineError: an engine did not start, a draft model that does not fit included, or broke off.
        ModelError: an engine stopped answering.
    """
    timings: list[Timing] = []
    wanted: dict[str, Speculation | None] = {OFF: None, **{one.name: one for one in speculations}}
    with ExitStack() as stack:
        engines = {
            name: stack.enter_context(Engine(replace(settings, speculation=speculation)))
            for name, speculation in wanted.items()
        }
        # Off is measured by one engine twice a round: what differs is the noise.
        turns = {OFF: engines[OFF], OFF_AGAIN: engines[OFF], **engines}
        for number in range(plan.rounds):
            timings += _measure_round(turns, number, plan, settings.slots)
            if number == 0 and not plan.keeps_all:
                turns = {
                    name: turns[name]
                    for name in turns
                    if name in (OFF, OFF_AGAIN) or _is_hopeful(timings, wanted[name])
                }
            left = ", ".join(name for name in turns if name not in (OFF, OFF_AGAIN)) or "none"
            tell(f"round {number + 1} of {plan.rounds}; methods in it from here: {left}")
    return timings


def _is_hopeful(timings: Sequence[Timing], speculation: Speculation | None) -> bool:
    assert speculation is not None, "off is not sieved"
    ((_, found),) = find_gains(timings, [speculation]).findings
    return max(finding.median for finding in found) >= SIEVE


def _measure_round(turns: Mapping[str, Engine], number: int, plan: Plan, slots: int) -> list[Timing]:
    names = list(turns)
    names = names[number % len(names) :] + names[: number % len(names)]
    loads = {Load.ALONE: 1, Load.FULL: slots} if slots > 1 else {Load.ALONE: 1}
    return [
        _measure_one(turns[name], _Place(name, load, kind, number), n=n, tokens=plan.tokens)
        for kind in TextKind
        for load, n in loads.items()
        for name in names
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    """Which request of the measurement it is."""

    name: str
    load: Load
    kind: TextKind
    round: int


def _measure_one(engine: Engine, place: _Place, *, n: int, tokens: int) -> Timing:
    messages = [{"role": "user", "content": write_sample(place.kind, place.round)}]
    body = {"messages": messages, "temperature": 0.7, "seed": 1 + place.round}
    complete(engine, {**body, "max_tokens": 1})
    before, cpu_before_s, start = _settle(engine), process_cpu_s(engine.pid), time.perf_counter()
    answer = complete(engine, {**body, "n": n, "max_tokens": tokens})
    wall_s, cpu_after_s = time.perf_counter() - start, process_cpu_s(engine.pid)
    after = _settle(engine)
    return Timing(
        name=place.name,
        load=place.load,
        kind=place.kind,
        round=place.round,
        completion_tokens=after.completion_tokens - before.completion_tokens,
        draft_tokens=after.draft_tokens - before.draft_tokens,
        accepted_tokens=after.accepted_tokens - before.accepted_tokens,
        cpu_s=None if cpu_before_s is None or cpu_after_s is None else cpu_after_s - cpu_before_s,
        wall_s=wall_s,
        text_sha256=_digest(answer),
    )


def _digest(answer: Any) -> str:
    choices = sorted(answer["choices"], key=lambda choice: choice["index"])
    texts = [choice["message"]["content"] for choice in choices]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _settle(engine: Engine) -> EngineCounters:
    """Read the counters once the slots are free: a completion counts when its slot is freed, just after its answer."""
    while (counters := read_counters(engine)).num_busy_slots:
        time.sleep(_POLL_S)
    return counters


def process_cpu_s(pid: int | None) -> float | None:
    """CPU seconds of a process with all its threads, to the nanosecond; None where the platform does not tell.

    Linux gives every process a clock, whose id is made from the process id (``man 3 clock_getcpuclockid``).
    """
    if pid is None or not sys.platform.startswith("linux"):
        return None
    return time.clock_gettime((~pid << 3) | 2)


def complete(engine: Engine, body: Mapping[str, Any], *, path: str = "/v1/chat/completions") -> Any:
    """Ask the engine, without streaming, and return its JSON.

    Raises:
        UnreachableError: it did not answer.
        ProtocolError: it refused.
    """
    address = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=_PATIENCE_S)
    try:
        headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        reply = connection.getresponse()
        text = reply.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"the engine at {engine.base_url} did not answer {path} ({error!r})") from error
    finally:
        connection.close()
    if reply.status != http.HTTPStatus.OK:
        raise ProtocolError(f"the engine at {engine.base_url} refused {path} (HTTP {reply.status}): {text[:200]!r}")
    return json.loads(text)
